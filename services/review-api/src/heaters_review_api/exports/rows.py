"""What an export says of a clip: where it comes from, exactly which frames and ticks it is, who wanted it, what was measured of it."""

from dataclasses import dataclass, fields
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from heaters_contracts.facts.clip import Label
from heaters_contracts.facts.video import AudioFormat
from heaters_contracts.ingest import S3Source, UrlSource
from heaters_media.timecode import Pace

from heaters_review_api.core import tables as core

MEASURES = ("motion", "static_share", "black_share", "sharpness", "brightness", "loudness_db")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model sees in a clip."""

    model: str
    strategy: str
    label: str
    share: float


@dataclass(frozen=True, slots=True)
class Times:
    """When a clip is, in its video.

    Attributes:
        start_ticks: when its first frame begins.
        end_ticks: when its last frame ends.
        first_ticks: when the video's first frame begins.
        last_ticks: when the video's last frame ends.
        pace: of the whole video; None as long as it is not scanned to its end.
    """

    start_ticks: int
    end_ticks: int
    first_ticks: int
    last_ticks: int
    time_base: tuple[int, int]
    pace: Pace | None

    def seconds(self, ticks: int) -> Fraction:
        """From the video's first frame, exactly."""
        return (ticks - self.first_ticks) * Fraction(*self.time_base)


@dataclass(frozen=True, slots=True)
class Row:
    """A clip that is a file."""

    clip: core.Clip
    video: core.Video
    times: Times | None
    """None where the video's ledger is lost."""
    seen: tuple[Seen, ...] = ()

    @property
    def address(self) -> str | None:
        """Where the video came from; None for an upload."""
        match self.video.source:
            case UrlSource(url=url):
                return url
            case S3Source(uri=uri):
                return uri
            case _:
                return None

    @property
    def title(self) -> str:
        """The video's, or its id."""
        return self.video.title or str(self.video.id)

    @property
    def file_name(self) -> str:
        """The clip's own file, beside an export that does not hold it."""
        return f"clips/{self.clip.id}.mp4"

    @property
    def audio(self) -> AudioFormat | None:
        """The sound of the video."""
        return self.video.technical.audio if self.video.technical else None


def seen_of(model: str, strategy: str, labels: tuple[Label, ...]) -> tuple[Seen, ...]:
    """A model's labels, the strongest first."""
    return tuple(Seen(model, strategy, label.name, label.share) for label in labels)


@dataclass(frozen=True, slots=True)
class Provenance:
    """A row as it is written out. Frames and ticks are half-open; ticks are of `time_base` seconds; nothing is a rounded time."""

    clip: UUID
    video: UUID
    title: str | None
    source: str | None
    source_object: str | None
    source_sha256: str | None
    requester: str
    request_id: str
    reference: str
    start_frame: int
    end_frame: int
    frames: int
    start_ticks: int | None
    end_ticks: int | None
    time_base: tuple[int, int] | None
    frame_rate: tuple[int, int] | None
    """None where it varies, or the video was not scanned to its end."""
    variable_frame_rate: bool | None
    decided_by: str | None
    decided_at: datetime | None
    group: UUID | None
    tags: tuple[str, ...]
    note: str
    certainty: float
    confidence_in: float | None
    confidence_out: float | None
    motion: float | None
    static_share: float | None
    black_share: float | None
    sharpness: float | None
    brightness: float | None
    loudness_db: float | None
    labels: tuple[Seen, ...]
    object: str
    bytes: int
    sha256: str
    frames_copied: int | None
    frames_encoded: int | None
    file_name: str


COLUMNS = tuple(column.name for column in fields(Provenance))


def provenance(row: Row) -> Provenance:
    """A row as it is written out.

    Raises:
        ValueError: the clip is no file.
    """
    clip, video, times = row.clip, row.video, row.times
    if clip.export_object is None:
        raise ValueError(f"clip {clip.id} is no file")
    pace = times.pace if times else None
    return Provenance(
        clip=clip.id,
        video=video.id,
        title=video.title,
        source=row.address,
        source_object=video.source_object.key if video.source_object else None,
        source_sha256=video.source_object.sha256 if video.source_object else None,
        requester=video.requester,
        request_id=video.request_id,
        reference=video.options.reference if video.options else "",
        start_frame=clip.start_frame,
        end_frame=clip.end_frame,
        frames=clip.end_frame - clip.start_frame,
        start_ticks=times.start_ticks if times else None,
        end_ticks=times.end_ticks if times else None,
        time_base=times.time_base if times else None,
        frame_rate=pace.rate.as_integer_ratio() if pace and pace.rate else None,
        variable_frame_rate=pace.rate is None if pace else None,
        decided_by=clip.decided_by,
        decided_at=clip.decided_at,
        group=clip.group_id,
        tags=clip.tags,
        note=clip.note,
        certainty=clip.certainty,
        confidence_in=clip.confidence_in,
        confidence_out=clip.confidence_out,
        **{name: getattr(clip, name) for name in MEASURES},
        labels=row.seen,
        object=clip.export_object.key,
        bytes=clip.export_object.bytes,
        sha256=clip.export_object.sha256,
        frames_copied=clip.proof.frames_copied if clip.proof else None,
        frames_encoded=clip.proof.frames_encoded if clip.proof else None,
        file_name=row.file_name,
    )


def as_json(row: Row) -> dict[str, Any]:
    """A row of plain values, by COLUMNS."""
    said = provenance(row)
    return {name: _plain(getattr(said, name)) for name in COLUMNS}


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case Seen():
            return {"model": value.model, "strategy": value.strategy, "label": value.label, "share": value.share}
        case tuple():
            return [_plain(one) for one in value]
        case _:
            return value
