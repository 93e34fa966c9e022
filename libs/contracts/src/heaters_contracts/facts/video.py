"""Facts about a whole video."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from heaters_contracts.fact import Fact
from heaters_contracts.facts.clip import Keyframe
from heaters_contracts.facts.segment import Cut
from heaters_contracts.ids import sha256_of
from heaters_contracts.ingest import Options, Source
from heaters_contracts.model import Model
from heaters_contracts.objects import ObjectRef, Sha256
from heaters_contracts.spans import Frame, Segment, Span, TimeBase


class VideoRequested(Fact):
    """A request was admitted: this video is to be brought in."""

    TYPE = "video.requested"
    source: Source
    requester: str
    request_id: str
    options: Options = Options()
    lists: Annotated[int, Field(ge=0)] = 0
    """In how many playlists or channels, one inside the other, it was found; 0 where it was asked for by itself."""

    def key(self) -> str:
        """One request, one fact."""
        return f"{self.requester}:{self.request_id}"


class VideoRejected(Fact):
    """A request was refused, and why."""

    TYPE = "video.rejected"
    requester: str
    request_id: str
    reason: str
    options: Options = Options()
    """What was wished, so that it is told where that says; of a body that is no request, its callback and reference at most."""

    def key(self) -> str:
        """One request may be refused for one reason once."""
        return f"{self.requester}:{self.request_id}:{self.reason}"


class Quality(Model):
    """How good a rendition is, as far as its site or file says."""

    height_px: int | None = None
    rate: float | None = None
    """Frames a second as announced; for people to read, never for arithmetic."""
    codec: str | None = None
    audio: str | None = None
    """Codec of the sound; "none" for silence."""


class Subtitle(Model):
    """Words that a site has for the sound."""

    language: str
    automatic: bool = False
    """Made by a machine."""
    object: ObjectRef


class Chapter(Model):
    """A part of a video, as its site or file names it; `end_ms` is the first millisecond after it."""

    title: str
    start_ms: Annotated[int, Field(ge=0)]
    end_ms: Annotated[int, Field(ge=0)]


class VideoDownloaded(Fact):
    """The original bytes are in the store."""

    TYPE = "video.downloaded"
    source: ObjectRef
    title: str
    site: dict[str, str] = Field(default_factory=dict)
    """What the site says of it in a few words: uploader, date, licence, address."""
    offered: Quality | None = None
    """The best that the site had; None where a source comes in one quality only."""
    got: Quality | None = None
    """What was brought, as the file itself says."""
    options: Options = Options()
    quality_lost: str | None = None
    """What is less than was offered, where the request allowed that."""
    subtitles: tuple[Subtitle, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    thumbnail: ObjectRef | None = None
    metadata: ObjectRef | None = None
    """All that the site says, as JSON."""
    missed: tuple[str, ...] = ()
    """What the site has beside the video and did not give, such as a subtitle: no reason to fail."""

    def key(self) -> str:
        """A cause is downloaded once."""
        return ""


class VideoLinked(Fact):
    """The very same bytes are here already, as another video: that one is worked on, and this one is not."""

    TYPE = "video.linked"
    twin: UUID
    """The video that has them."""
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    title: str

    def key(self) -> str:
        """A cause is linked once."""
        return ""


class Entry(Model):
    """One video of a playlist or channel."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    """The site's own name for it; the request for it is called `<request_id>/<id>`, or by the sha256 of that where it has more than 200 characters."""
    url: Annotated[str, StringConstraints(max_length=4096, pattern=r"^https?://")]
    title: Annotated[str, StringConstraints(max_length=200)] = ""


class VideoExpanded(Fact):
    """What was asked for is a playlist or a channel: each of its videos is asked for by itself, in the same requester's name."""

    TYPE = "video.expanded"
    title: str
    entries: Annotated[tuple[Entry, ...], Field(min_length=1, max_length=500)]
    left_out: Annotated[int, Field(ge=0)] = 0
    """Videos beyond the limit that are known of; there may be more."""
    requester: str
    request_id: str
    options: Options = Options()
    lists: Annotated[int, Field(ge=0)] = 0
    """In how many lists, one inside the other, it was found itself; those that lie in two are refused."""

    def key(self) -> str:
        """A cause is expanded once."""
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


class VideoThawRequested(Fact):
    """An export waits for an object that lies in cold storage; the store was asked to bring it back, which may take hours."""

    TYPE = "video.thaw_requested"
    object: ObjectRef

    def key(self) -> str:
        """However often it is looked for meanwhile, an order waits for an object once."""
        return self.object.key


class VideoThawed(Fact):
    """An object that lay in cold storage can be read again, for a while."""

    TYPE = "video.thawed"
    object: ObjectRef

    def key(self) -> str:
        """An order finds an object thawed once."""
        return self.object.key


class VideoCutsChanged(Fact):
    """A person added, removed, moved or confirmed a cut."""

    TYPE = "video.cuts_changed"
    operation: Literal["add", "remove", "move", "confirm"]
    frame: Annotated[Frame, Field(gt=0)]
    """The cut: where it is put, where it was, or, when moved, where it was before."""
    to: Frame | None = None
    """Where a moved cut is now."""
    span: Span
    """From the boundary before to the boundary after: the clips that this concerns, and nothing else."""
    cuts: tuple[Cut, ...]
    """All cuts strictly inside the span, from now on."""
    clips: Annotated[tuple[UUID, ...], Field(min_length=1)]
    """The clips that tiled the span when this was decided."""
    by: str
    idempotency_key: str

    @model_validator(mode="after")
    def _as_the_operation_says(self) -> Self:
        frames = [cut.frame for cut in self.cuts]
        if frames != sorted(set(frames)) or any(not self.span.start < frame < self.span.end for frame in frames):
            raise ValueError(
                f"cuts must be strictly increasing inside ({self.span.start}, {self.span.end}): {frames[:20]}"
            )
        if (self.operation == "move") != (self.to is not None):
            raise ValueError("a move, and nothing else, says where the cut is now")
        return self

    def key(self) -> str:
        """The client's idempotency key; the clip says in which video."""
        return f"{self.clips[0]}:{self.idempotency_key}"


class VideoErased(Fact):
    """A video was erased: its facts, objects and rows are gone, and this is all that is left of it.

    Whatever is told of it afterwards by a stage that had work in hand is erased as well; only a new request begins anew.
    """

    TYPE = "video.erased"
    by: str
    reason: str = ""
    idempotency_key: str

    def key(self) -> str:
        """The client's idempotency key; a video that was asked for again may be erased again."""
        return self.idempotency_key


class ClipToEmbed(Model):
    """A clip that a model has not seen yet: its file, and the pictures that were taken of it."""

    clip_id: UUID
    span: Span
    object: ObjectRef
    keyframed: UUID
    """The clip.keyframed that the result belongs to; it counts as long as that one does."""
    keyframes: Annotated[tuple[Keyframe, ...], Field(min_length=1)]


class VideoEmbeddingRequested(Fact):
    """Clips of a video are to be embedded by one more model, or by one more choice of pictures."""

    TYPE = "video.embedding_requested"
    model: str
    """Name and version, `name@version`, as the embedder says them."""
    strategy: str
    taken: str
    """The strategy by which the clips' keyframes were chosen; another one is decoded from their files."""
    clips: Annotated[tuple[ClipToEmbed, ...], Field(min_length=1, max_length=32)]

    def key(self) -> str:
        """The same clips, as they are now, are asked for once."""
        clips = ",".join(f"{clip.clip_id}:{clip.keyframed}" for clip in self.clips)
        return f"{self.model}:{self.strategy}:{sha256_of(clips)}"
