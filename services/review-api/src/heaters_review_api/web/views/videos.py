"""Videos: the list, and everything known of one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from heaters_review_api.core import tables as core
from heaters_review_api.core.objects import Kept
from heaters_review_api.core.states import ClipState, VideoState
from heaters_review_api.db.queries.decisions import Turned
from heaters_review_api.web.views.clips import Clip


class Video(Struct, frozen=True, kw_only=True):
    """A video, and how far it is."""

    id: UUID
    title: str | None
    tags: list[str]
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
    waits_for_original_since: datetime | None = None
    """Exports at the original's quality wait for it to come back from cold storage; they go on by themselves."""
    requested_at: datetime | None
    rejected_reason: str | None = None
    """Of a rejected one: why."""
    twin: UUID | None = None
    """Of a linked video: the one that has the very same bytes and is worked on."""
    entries: int | None = None
    """Of an expanded one (a playlist): how many videos were asked for in its place."""


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
    host: str | None = None


class VideoDetail(Video, frozen=True, kw_only=True):
    """All that is known of a video."""

    version: int
    cuts: list[Cut]
    cut_distance_frames: int
    """A cut that is added or moved leaves clips of so many frames at least."""
    clips_list: list[Clip]
    clips_next: str | None
    """The cursor with which `/api/clips?video=` goes on; none where all clips are here."""
    stages: dict[str, StageTime]
    waiting_s: float | None
    """Time in which nobody worked on the way to review; means what it says for a video of one segment."""
    failures_list: list[Failure]
    events: list[Event]
    events_next: int | None
    """The sequence after which `/api/videos/{id}/facts` goes on; none where all facts are here."""
    objects: list[Kept]
    """What lies in the store because of it: exports and key frames of the clips that are listed here, and all else."""
    bytes: int
    """Of these objects."""


class Facts(Struct, frozen=True, kw_only=True):
    """A page of a video's facts, in the order of the stream."""

    items: list[Event]
    next: int | None
    """The sequence to go on after."""


class Videos(Struct, frozen=True, kw_only=True):
    """A page of videos, the newest request first."""

    items: list[Video]
    next: str | None


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


class ScoredPart(Struct, frozen=True, kw_only=True):
    """Which detector scored frames [start, end)."""

    start: int
    end: int
    detector: str


class Scores(Struct, frozen=True, kw_only=True):
    """How near each of frames [start, end) is to a cut.

    `values` are bytes in base64, one a frame: 255 * s / (1 + s) of the detector's score s, of which 1 is just a candidate. So a frame
    of `threshold` or more was a candidate for a cut, whatever the detector; of neighbouring candidates only the strongest became one.
    Frames in none of the `parts` are not scored yet, and are 0; `complete` says that there are no such frames.
    """

    start: int
    end: int
    threshold: int
    values: str
    parts: list[ScoredPart]
    complete: bool


def video_values(video: core.Video, clips: dict[ClipState, int]) -> dict[str, Any]:
    """What a list and a page of a video both show."""
    has_base = video.time_base_num is not None and video.time_base_den is not None
    known = video.start_ticks is not None and video.end_ticks is not None
    return {
        "id": video.id,
        "title": video.title,
        "tags": list(video.options.tags) if video.options else [],
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
        "twin": video.twin,
        "entries": video.entries,
        "waits_for_original_since": video.thaw_requested_at,
        "requested_at": video.requested_at,
        "rejected_reason": video.rejected_reason,
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


def event_view(event: core.Event, turned: Turned | None = None) -> Event:
    """An event's row, as it is shown; that of an undo or a redo with what it was about."""
    worked = (event.finished - event.started).total_seconds() if event.started and event.finished else None
    return Event(
        sequence=event.sequence,
        type=event.type,
        at=event.at,
        stage=event.stage,
        segment=event.segment_index,
        clip_id=turned.clip_id if turned else event.clip_id,
        by=event.by,
        note=_words_of(turned) if turned else event.note,
        attempt=event.attempt,
        seconds=worked,
        cpu_s=event.cpu_s,
        read_bytes=event.read_bytes,
        written_bytes=event.written_bytes,
        reused=event.reused,
        host=event.host,
    )


def _words_of(turned: Turned) -> str:
    words = turned.action.replace("_", " ")
    if not turned.clips:
        return f"{words} {(turned.note or '').partition(' ')[2]}".strip()
    return f"{words}, {turned.clips} clips" if turned.clips > 1 else words


def cut_view(cut: core.CutRow) -> Cut:
    """A cut's row, as it is shown."""
    return Cut(
        frame=cut.frame,
        kind=cut.kind,
        confidence=cut.confidence,
        extent=(cut.extent_start, cut.extent_end),
        by=cut.by,
    )
