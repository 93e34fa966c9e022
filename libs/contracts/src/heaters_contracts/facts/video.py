"""Facts about a whole video."""

from typing import Annotated

from pydantic import Field

from heaters_contracts.fact import Fact
from heaters_contracts.ingest import Options, Source
from heaters_contracts.model import Model
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Segment, TimeBase


class VideoRequested(Fact):
    """A request was admitted: this video is to be brought in."""

    TYPE = "video.requested"
    source: Source
    requester: str
    request_id: str
    options: Options = Options()

    def key(self) -> str:
        """One request, one fact."""
        return f"{self.requester}:{self.request_id}"


class VideoRejected(Fact):
    """A request was refused, and why."""

    TYPE = "video.rejected"
    requester: str
    request_id: str
    reason: str

    def key(self) -> str:
        """One request may be refused for one reason once."""
        return f"{self.requester}:{self.request_id}:{self.reason}"


class Quality(Model):
    """How good a rendition is, as far as its site or file says."""

    height_px: int | None = None
    rate: float | None = None
    """Frames a second as announced; for people to read, never for arithmetic."""
    codec: str | None = None


class VideoDownloaded(Fact):
    """The original bytes are in the store."""

    TYPE = "video.downloaded"
    source: ObjectRef
    title: str
    site: dict[str, str] = Field(default_factory=dict)
    offered: Quality | None = None
    got: Quality | None = None
    options: Options = Options()

    def key(self) -> str:
        """A cause is downloaded once."""
        return ""


class AudioFormat(Model):
    """The sound that the source has."""

    codec: str
    rate_hz: int
    channels: int


class Technical(Model):
    """What the source is, by its header and packets. Sizes are of the upright picture with square pixels."""

    container: str
    codec: str
    width_px: Annotated[int, Field(gt=0)]
    height_px: Annotated[int, Field(gt=0)]
    rotation_deg: int = 0
    average_rate: tuple[int, int] | None = None
    """Frames a second, as a fraction; for people to read, never for arithmetic."""
    audio: AudioFormat | None = None


class VideoPlanned(Fact):
    """The whole source was scanned: every frame's time is known, and the segments tile it."""

    TYPE = "video.planned"
    source: ObjectRef
    technical: Technical
    frames: Annotated[int, Field(gt=0)]
    time_base: TimeBase
    frame_table: ObjectRef
    segments: Annotated[tuple[Segment, ...], Field(min_length=1)]
    source_is_proxy: bool = False
    options: Options = Options()

    def key(self) -> str:
        """A cause is planned once."""
        return ""


class VideoMasterStored(Fact):
    """A lossless master is in the store, verified frame by frame against the source."""

    TYPE = "video.master_stored"
    master: ObjectRef
    frames: Annotated[int, Field(gt=0)]
    storage_class: str

    def key(self) -> str:
        """A cause has one master."""
        return ""
