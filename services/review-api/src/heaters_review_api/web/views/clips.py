"""Clips, lists of them, and likeness."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from heaters_review_api.core.states import ClipState, Verdict
from heaters_review_api.db.queries import ClipOfVideo


class StoredObject(Struct, frozen=True, kw_only=True):
    """An object in the store."""

    key: str
    bytes: int


class Clip(Struct, frozen=True, kw_only=True):
    """The frames [start, end) between two cuts; `start_ticks` and `end_ticks` in units of `time_base` seconds."""

    id: UUID
    video_id: UUID
    title: str | None
    start: int
    end: int
    frames: int
    start_ticks: int | None
    end_ticks: int | None
    time_base: tuple[int, int] | None
    state: ClipState
    object: StoredObject | None
    frames_counted: int | None
    """As read back from the exported file."""
    confidence_in: float | None
    """Of the cut at its start; none at the video's start."""
    confidence_out: float | None
    certainty: float
    """Of the less certain of the two; 1 where it has none."""
    verdict: Verdict | None
    decided_by: str | None
    decided_at: datetime | None
    group: UUID | None
    tags: list[str]
    note: str
    motion: float | None
    """Mean difference of luma between neighbouring frames, 0..255. This and the next ones are null until they are measured."""
    static_share: float | None
    """Of its frames, those that are like the one before, 0..1."""
    black_share: float | None
    """Of its frames, those that are black, 0..1."""
    sharpness: float | None
    """Mean absolute Laplacian of the luma of a small picture; 0 is flat."""
    brightness: float | None
    """Mean luma, 0..255."""
    loudness_db: float | None
    """Root mean square of its peaks, dB of full scale, at least -48; null without sound."""
    version: int
    """Of the video, when this was read."""


class Clips(Struct, frozen=True, kw_only=True):
    """A page of clips, by video and start."""

    items: list[Clip]
    next: str | None


class ClipIds(Struct, frozen=True, kw_only=True):
    """Ids of clips, in the order that was asked for."""

    ids: list[UUID]
    next: str | None


class Queue(Struct, frozen=True, kw_only=True):
    """The next clips to review, and how many are left in all; of one video, where only that is asked for."""

    items: list[Clip]
    left: int


class Group(Struct, frozen=True, kw_only=True):
    """All clips of a group, by video and start."""

    group: UUID
    clips: list[Clip]


class Neighbour(Struct, frozen=True, kw_only=True):
    """A clip that is alike; the cosine of the two vectors."""

    clip: Clip
    similarity: float


class Neighbours(Struct, frozen=True, kw_only=True):
    """The nearest first."""

    items: list[Neighbour]


def clip_view(one: ClipOfVideo, ticks: tuple[int, int] | None) -> Clip:
    """A clip's row, as it is shown."""
    clip = one.clip
    return Clip(
        id=clip.id,
        video_id=clip.video_id,
        title=one.title,
        start=clip.start_frame,
        end=clip.end_frame,
        frames=clip.end_frame - clip.start_frame,
        start_ticks=ticks[0] if ticks else None,
        end_ticks=ticks[1] if ticks else None,
        time_base=one.time_base,
        state=clip.state,
        object=StoredObject(key=clip.export_object.key, bytes=clip.export_object.bytes) if clip.export_object else None,
        frames_counted=clip.proof.frames_counted if clip.proof else None,
        confidence_in=clip.confidence_in,
        confidence_out=clip.confidence_out,
        certainty=clip.certainty,
        verdict=clip.verdict,
        decided_by=clip.decided_by,
        decided_at=clip.decided_at,
        group=clip.group_id,
        tags=list(clip.tags),
        note=clip.note,
        motion=clip.motion,
        static_share=clip.static_share,
        black_share=clip.black_share,
        sharpness=clip.sharpness,
        brightness=clip.brightness,
        loudness_db=clip.loudness_db,
        version=one.version,
    )
