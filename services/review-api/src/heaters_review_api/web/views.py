"""What the API answers: frozen views, in plain values. Frames are indices of the whole video, spans half-open."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from heaters_review_api.core import tables as core
from heaters_review_api.core.states import ClipState, Verdict, VideoState
from heaters_review_api.db.queries import ClipOfVideo


class Me(Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    id: str
    name: str
    roles: list[str]


class StoredObject(Struct, frozen=True, kw_only=True):
    """An object in the store."""

    key: str
    bytes: int


class Upload(Struct, frozen=True, kw_only=True):
    """A file that was taken in."""

    key: str
    bytes: int
    sha256: str


class Admission(Struct, frozen=True, kw_only=True):
    """The answer to a request for a video: requested, duplicate or rejected."""

    video_id: UUID
    status: str
    reason: str | None


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
    frames_decoded: int | None
    """As read back from the exported file."""
    confidence_in: float | None
    """Of the cut at its start; none at the video's start."""
    confidence_out: float | None
    decided_by: str | None
    decided_at: datetime | None


class Video(Struct, frozen=True, kw_only=True):
    """A video, and how far it is."""

    id: UUID
    title: str | None
    state: VideoState
    requester: str
    lane: str
    frames: int | None
    duration_ticks: int | None
    time_base: tuple[int, int] | None
    segments_done: int
    segments_total: int | None
    clips: dict[str, int]
    """Live clips by state."""
    failures: int
    requested_at: datetime | None


class Cut(Struct, frozen=True, kw_only=True):
    """Where a new shot begins, and the frames [a, b) over which it changes."""

    frame: int
    kind: str
    confidence: float
    extent: tuple[int, int]


class StageTime(Struct, frozen=True, kw_only=True):
    """What a stage has worked: seconds from start to end of each job, summed."""

    seconds: float
    jobs: int


class Failure(Struct, frozen=True, kw_only=True):
    """What a stage gave up, and why."""

    id: UUID
    video_id: UUID
    stage: str
    reason: str
    failure_class: str
    attempts: int
    at: datetime
    clip_id: UUID | None


class Event(Struct, frozen=True, kw_only=True):
    """A fact of the video."""

    sequence: int
    type: str
    at: datetime
    stage: str | None
    segment: int | None
    clip_id: UUID | None
    by: str | None
    note: str | None
    attempt: int | None
    seconds: float | None
    cpu_s: float | None
    read_bytes: int | None
    written_bytes: int | None
    reused: bool | None


class VideoDetail(Video, frozen=True, kw_only=True):
    """All that is known of a video."""

    version: int
    cuts: list[Cut]
    clips_list: list[Clip]
    stages: dict[str, StageTime]
    waiting_s: float | None
    """Time in which nobody worked on the way to review; means what it says for a video of one segment."""
    failures_list: list[Failure]
    events: list[Event]


class Videos(Struct, frozen=True, kw_only=True):
    """A page of videos, the newest request first."""

    items: list[Video]
    next: str | None


class Clips(Struct, frozen=True, kw_only=True):
    """A page of clips, by video and start."""

    items: list[Clip]
    next: str | None


class Queue(Struct, frozen=True, kw_only=True):
    """The next clips to review, and how many are left in all."""

    items: list[Clip]
    left: int


class VerdictWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict. With `seen`, it is refused if the clip's state is another by now."""

    verdict: Verdict
    seen: ClipState | None = None


class VerdictGiven(Struct, frozen=True, kw_only=True):
    """The clip as it is now, and the decision's place in the stream."""

    clip: Clip
    sequence: int


class Neighbour(Struct, frozen=True, kw_only=True):
    """A clip that is alike; the cosine of the two vectors."""

    clip: Clip
    similarity: float


class Neighbours(Struct, frozen=True, kw_only=True):
    """The nearest first."""

    items: list[Neighbour]


class Failures(Struct, frozen=True, kw_only=True):
    """Open ones, the newest first."""

    items: list[Failure]


class Progress(Struct, frozen=True, kw_only=True):
    """How far a stage is with a video: a share from 0 to 1."""

    video_id: UUID
    stage: str
    fraction: float
    detail: str


class ProgressList(Struct, frozen=True, kw_only=True):
    """What is being worked on now."""

    items: list[Progress]


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
        frames_decoded=clip.proof.frames_decoded if clip.proof else None,
        confidence_in=clip.confidence_in,
        confidence_out=clip.confidence_out,
        decided_by=clip.decided_by,
        decided_at=clip.decided_at,
    )


def video_values(video: core.Video, clips: dict[ClipState, int]) -> dict[str, Any]:
    """What a list and a page of a video both show."""
    has_base = video.time_base_num is not None and video.time_base_den is not None
    known = video.start_ticks is not None and video.end_ticks is not None
    return {
        "id": video.id,
        "title": video.title,
        "state": video.state,
        "requester": video.requester,
        "lane": video.lane,
        "frames": video.frames,
        "duration_ticks": (video.end_ticks or 0) - (video.start_ticks or 0) if known else None,
        "time_base": (video.time_base_num, video.time_base_den) if has_base else None,
        "segments_done": video.segments_done,
        "segments_total": video.segments_total,
        "clips": {state.value: clips[state] for state in ClipState if state in clips},
        "failures": video.failures,
        "requested_at": video.requested_at,
    }


def failure_view(failure: core.Failure) -> Failure:
    """A failure's row, as it is shown."""
    return Failure(
        id=failure.id,
        video_id=failure.video_id,
        stage=failure.stage,
        reason=failure.reason,
        failure_class=failure.failure_class,
        attempts=failure.attempts,
        at=failure.at,
        clip_id=failure.clip_id,
    )


def rejection_view(event: core.Event) -> Failure:
    """A refused request, as a failure of admission."""
    return Failure(
        id=event.fact_id,
        video_id=event.video_id,
        stage="admission",
        reason=event.note or "",
        failure_class="bad_input",
        attempts=1,
        at=event.at,
        clip_id=None,
    )


def event_view(event: core.Event) -> Event:
    """An event's row, as it is shown."""
    worked = (event.finished - event.started).total_seconds() if event.started and event.finished else None
    return Event(
        sequence=event.sequence,
        type=event.type,
        at=event.at,
        stage=event.stage,
        segment=event.segment_index,
        clip_id=event.clip_id,
        by=event.by,
        note=event.note,
        attempt=event.attempt,
        seconds=worked,
        cpu_s=event.cpu_s,
        read_bytes=event.read_bytes,
        written_bytes=event.written_bytes,
        reused=event.reused,
    )


def cut_view(cut: core.CutRow) -> Cut:
    """A cut's row, as it is shown."""
    return Cut(frame=cut.frame, kind=cut.kind, confidence=cut.confidence, extent=(cut.extent_start, cut.extent_end))
