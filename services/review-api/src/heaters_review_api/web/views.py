"""What the API answers: frozen views, in plain values. Frames are indices of the whole video, spans half-open."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from heaters_review_api.core import tables as core
from heaters_review_api.core.rules import SELECTION_MOST
from heaters_review_api.core.states import Action, ClipState, CutOperation, Verdict, VideoState
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
    certainty: float
    """Of the less certain of the two; 1 where it has none."""
    verdict: Verdict | None
    decided_by: str | None
    decided_at: datetime | None
    group: UUID | None
    tags: list[str]
    note: str
    version: int
    """Of the video, when this was read."""


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
    by: str | None
    """Who set or confirmed it; none while only the detector says so."""


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
    decision: UUID
    """By which it is undone."""


class ClipIds(Struct, frozen=True, kw_only=True):
    """Ids of clips, in the order that was asked for."""

    ids: list[UUID]
    next: str | None


class SelectionWish(Struct, frozen=True, forbid_unknown_fields=True):
    """One verdict on several clips."""

    clips: Annotated[list[UUID], Meta(min_length=1, max_length=SELECTION_MOST)]
    verdict: Verdict


class RefusedClip(Struct, frozen=True, kw_only=True):
    """A clip of a selection about which nothing was decided, and why."""

    clip: UUID
    rule: str
    reason: str


class SelectionDecided(Struct, frozen=True, kw_only=True):
    """The clips as they are now; undone as one."""

    decision: UUID
    clips: list[Clip]
    refused: list[RefusedClip]


class GroupWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The clips that are to be one group, of any videos."""

    clips: Annotated[list[UUID], Meta(min_length=1, max_length=SELECTION_MOST)]


class NeighbourWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The clip before or after it, in its video."""

    beside: Literal["previous", "next"]


class Grouped(Struct, frozen=True, kw_only=True):
    """The group, and the clips that were chosen, as they are now."""

    decision: UUID
    group: UUID
    clips: list[Clip]


class Group(Struct, frozen=True, kw_only=True):
    """All clips of a group, by video and start."""

    group: UUID
    clips: list[Clip]


class AnnotationWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to stand at the clip, in place of what stands there."""

    tags: Annotated[list[str], Meta(max_length=100)] = []
    note: Annotated[str, Meta(max_length=10_000)] = ""


class CutWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done with the cut at a frame. With `version`, it is refused if others decided here since."""

    operation: CutOperation
    frame: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    to: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    version: Annotated[int, Meta(ge=0)] | None = None


class CutsChanged(Struct, frozen=True, kw_only=True):
    """The clips around it as they are now, and all cuts of the video."""

    decision: UUID
    sequence: int
    clips: list[Clip]
    cuts: list[Cut]


class TurnWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A certain decision; without one, the last."""

    decision: UUID | None = None


class Span(Struct, frozen=True, kw_only=True):
    """Frames [start, end) of a video."""

    video_id: UUID
    start: int
    end: int


class Turned(Struct, frozen=True, kw_only=True):
    """A decision that was undone or redone, and what lies in its place now."""

    decision: UUID
    action: Action
    spans: list[Span]
    clips: list[Clip]
    sequence: int


class Decision(Struct, frozen=True, kw_only=True):
    """What one has decided."""

    decision: UUID
    action: Action
    at: datetime
    spans: list[Span]
    stands: bool


class DecisionList(Struct, frozen=True, kw_only=True):
    """The newest first; and which would be undone and redone next."""

    items: list[Decision]
    undo: UUID | None
    redo: UUID | None


class Possible(Struct, frozen=True, kw_only=True):
    """Whether an action may be done; if not, the rule that stands against it, and why."""

    action: str
    allowed: bool
    rule: str | None
    reason: str | None
    frames: tuple[int, int] | None = None
    """For a cut: the first and the last frame where it may be put."""


class Actions(Struct, frozen=True, kw_only=True):
    """What may be done with a clip just now."""

    clip: UUID
    version: int
    actions: list[Possible]


class NextWish(Struct, frozen=True, forbid_unknown_fields=True):
    """How many clips, in which order, of which video."""

    order: Literal["video", "oldest", "least_certain", "random"] = "video"
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    video: UUID | None = None


class Handed(Struct, frozen=True, kw_only=True):
    """Clips for this reviewer alone, until so many seconds after their last sign of life."""

    items: list[Clip]
    left: int
    lease_s: float


class Held(Struct, frozen=True, kw_only=True):
    """How many clips one holds, or has handed back."""

    clips: int


class ReleaseWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Which clips are handed back; all, where none are named."""

    clips: list[UUID] | None = None


class Present(Struct, frozen=True, kw_only=True):
    """Somebody who reviews a video now."""

    video_id: UUID
    by: str
    clips: int
    since: datetime


class PresentList(Struct, frozen=True, kw_only=True):
    """Who is on which video."""

    items: list[Present]


class StoryboardPart(Struct, frozen=True, kw_only=True):
    """One sheet with the small pictures of frames [start, end): tiles in rows from the left, `columns` of them in each.

    Tile n shows frame `frames[n]`; its corner is at (n % columns * tile_width_px, n // columns * tile_height_px).
    """

    start: int
    end: int
    address: str
    frames: list[int]
    columns: int
    tile_width_px: int
    tile_height_px: int


class Storyboard(Struct, frozen=True, kw_only=True):
    """Of all segments that have one, in order."""

    items: list[StoryboardPart]


class Waveform(Struct, frozen=True, kw_only=True):
    """How loud frames [start, end) are. Peak n stands for frames [start + n * frames_per_peak, ...), the last one up to `end`.

    A peak is 0 to 127 (full scale), or null where the video has no sound or its segment is not ready; `complete` says whether all
    are ready.
    """

    start: int
    end: int
    frames_per_peak: int
    peaks: list[int | None]
    complete: bool


class Neighbour(Struct, frozen=True, kw_only=True):
    """A clip that is alike; the cosine of the two vectors."""

    clip: Clip
    similarity: float


class Neighbours(Struct, frozen=True, kw_only=True):
    """The nearest first."""

    items: list[Neighbour]


class FailureInFull(Struct, frozen=True, kw_only=True):
    """A failure, and the message that failed: its payload as JSON where it is JSON, else as text."""

    failure: Failure
    open: bool
    settled: str | None
    message_subject: str
    message_sequence: int
    message_headers: dict[str, str]
    message: Any
    trace_id: str | None


class Said(Struct, frozen=True, kw_only=True):
    """What was wanted is told; the sequence of its fact."""

    sequence: int


class PauseWish(Struct, frozen=True, kw_only=True):
    """Why a stage shall rest."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Stage(Struct, frozen=True, kw_only=True):
    """A kind of work, and whether it rests."""

    stage: str
    service: str
    paused: bool
    by: str | None
    reason: str


class Stages(Struct, frozen=True, kw_only=True):
    """All kinds of work, in the pipeline's order."""

    items: list[Stage]


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
        certainty=clip.certainty,
        verdict=clip.verdict,
        decided_by=clip.decided_by,
        decided_at=clip.decided_at,
        group=clip.group_id,
        tags=list(clip.tags),
        note=clip.note,
        version=one.version,
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
    return Cut(
        frame=cut.frame,
        kind=cut.kind,
        confidence=cut.confidence,
        extent=(cut.extent_start, cut.extent_end),
        by=cut.by,
    )
