"""What the API answers, as far as the command shows it. Unknown fields are kept and ignored."""

from typing import Any, NotRequired, TypedDict

TimeBase = list[int]
"""Numerator and denominator, in seconds."""


class Admission(TypedDict):
    """The answer to a request for a video."""

    video_id: str
    status: str
    reason: str | None


class Upload(TypedDict):
    """An uploaded file, as an object."""

    key: str
    bytes: int
    sha256: str | None


class StoredObject(TypedDict):
    """An object's place and size."""

    key: str
    bytes: int


class Failure(TypedDict):
    """A job that was given up, and why."""

    id: str
    video_id: str
    stage: str
    reason: str
    failure_class: str
    attempts: int
    at: str


class FailureInFull(TypedDict):
    """A failure, and the message that failed."""

    failure: Failure
    open: bool
    settled: str | None
    message_subject: str
    message_sequence: int
    message_headers: dict[str, str]
    message: Any
    trace_id: str | None


class Replayed(TypedDict):
    """What was given to a stage again."""

    stage: str
    messages: int
    sequence: int


class Erased(TypedDict):
    """What an erasure took away, and what was still found afterwards."""

    sequence: int
    facts: int
    objects: int
    requests: int
    uploads: list[str]
    traces: list[str]


class Stage(TypedDict):
    """A kind of work, and whether it rests."""

    stage: str
    service: str
    paused: bool
    by: str | None
    reason: str
    until: NotRequired[str | None]


class Clip(TypedDict):
    """The span between two cuts: frames [start, end)."""

    id: str
    video_id: str
    start: int
    end: int
    frames: int
    start_ticks: int | None
    end_ticks: int | None
    time_base: TimeBase
    state: str
    object: StoredObject | None
    frames_counted: int | None
    verdict: str | None


class Cut(TypedDict):
    """Where a new clip begins."""

    frame: int
    kind: str
    confidence: float
    extent: list[int] | None
    by: str | None


class StageTime(TypedDict):
    """What one stage has worked on a video."""

    seconds: float
    jobs: int


class Video(TypedDict):
    """A video, and how far it is."""

    id: str
    title: str | None
    tags: list[str]
    state: str
    requester: str
    lane: str
    frames: int | None
    duration_ticks: int | None
    time_base: TimeBase | None
    segments_done: int
    segments_total: int | None
    clips: dict[str, int]
    failures: int
    requested_at: str


class Event(TypedDict):
    """A fact of a video, as its history shows it."""

    sequence: int
    type: str
    at: str
    segment: int | None
    clip_id: str | None
    by: str | None
    note: str | None
    attempt: int | None
    seconds: float | None
    read_bytes: int | None
    written_bytes: int | None
    reused: bool | None
    host: NotRequired[str | None]


class Diagnosis(TypedDict):
    """What one look at an installation has found."""

    part: str
    ok: bool
    what: str
    advice: str


class VideoDetail(Video):
    """A video with all that belongs to it."""

    cuts: list[Cut]
    clips_list: list[Clip]
    stages: dict[str, StageTime]
    waiting_s: float | None
    failures_list: list[Failure]
    events: list[Event]


class ScoredPart(TypedDict):
    """Which detector scored frames [start, end)."""

    start: int
    end: int
    detector: str


class Scores(TypedDict):
    """How near each frame is to a cut, one byte a frame in base64."""

    start: int
    end: int
    threshold: int
    values: str
    parts: list[ScoredPart]
    complete: bool


class Progress(TypedDict):
    """How far a running job is; `fraction` is 0 to 1."""

    video_id: str
    stage: str
    fraction: float | None
    detail: NotRequired[str | None]


class Neighbour(TypedDict):
    """A similar clip; `similarity` is the cosine."""

    clip: Clip
    similarity: float


class Verdict(TypedDict):
    """A decision's effect; `sequence` is its place in the stream."""

    clip: Clip
    sequence: int


class TaggedClip(Clip):
    """A clip with its tags."""

    tags: list[str]


class Hit(TypedDict):
    """A clip that a search found."""

    clip: TaggedClip
    similarity: float | None
    rank: float | None


class SearchResult(TypedDict):
    """What a search found, the best first, and how."""

    items: list[Hit]
    how: str


class SearchModel(TypedDict):
    """A model that clips are embedded by, and how many of all it has seen."""

    model: str
    strategy: str
    dimensions: int
    clips: int
    of: int
    default: bool
    indexed: bool


class DuplicateGroup(TypedDict):
    """Clips that are nearly the same."""

    clips: list[TaggedClip]


class Duplicates(TypedDict):
    """Groups of near-duplicates, and how many clips have their nearest neighbour in each equal part of 0 to 1."""

    model: str
    strategy: str
    threshold: float
    looked: int
    groups: list[DuplicateGroup]
    histogram: list[int]


class ModelAsked(TypedDict):
    """A model that every clip is to be embedded by."""

    model: str
    strategy: str
    dimensions: int


class Overlap(TypedDict):
    """Which share of neighbours two models have in common, over so many clips."""

    clips: int
    share: float | None
