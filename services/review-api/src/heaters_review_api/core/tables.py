"""The projection of one video, row by row. Field names are column names; every value comes from facts and their place in the stream.

Rows are msgspec structs: a fold makes many of them anew, and to do so with dataclasses took a third of a projector's time.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from heaters_contracts.curves import Curves
from heaters_contracts.fact import Lane
from heaters_contracts.facts.clip import Keyframe, Label, Proof
from heaters_contracts.facts.segment import Cut
from heaters_contracts.facts.stage import FailureClass
from heaters_contracts.facts.video import Technical
from heaters_contracts.ingest import Options, Source
from heaters_contracts.objects import ObjectRef
from msgspec import Struct

from heaters_review_api.core.states import Action, ClipState, ReversalKind, Verdict, VideoState


class Video(Struct, frozen=True, gc=False):
    """A video: what was asked for, what it is, and how far it is."""

    id: UUID
    state: VideoState = VideoState.NEW
    version: int = 0
    """Sequence of the last message of this video, readable or not: what a decision is validated against."""
    lane: Lane = "bulk"
    requester: str = ""
    request_id: str = ""
    requested_at: datetime | None = None
    requested_sequence: int | None = None
    """Sequence of video.requested: the order in which videos are listed."""
    source: Source | None = None
    options: Options | None = None
    rejected_reason: str | None = None
    title: str | None = None
    source_object: ObjectRef | None = None
    downloaded_at: datetime | None = None
    downloaded_sequence: int | None = None
    twin: UUID | None = None
    """The video that has the very same bytes and is worked on instead of this one."""
    entries: int | None = None
    """Of a playlist or channel: how many videos were asked for in its place."""
    technical: Technical | None = None
    frames: int | None = None
    time_base_num: int | None = None
    time_base_den: int | None = None
    start_ticks: int | None = None
    end_ticks: int | None = None
    frame_table: ObjectRef | None = None
    segments_total: int | None = None
    segments_done: int = 0
    """Segments whose scenes are detected."""
    planned_at: datetime | None = None
    planned_sequence: int | None = None
    preprocessed_at: datetime | None = None
    """When the last segment was; None until then."""
    detected_at: datetime | None = None
    """When the scenes of the last segment were; None until then."""
    master: ObjectRef | None = None
    master_stored_at: datetime | None = None
    master_sequence: int | None = None
    failures: int = 0
    """Open ones."""
    thaw_requested_at: datetime | None = None
    """Since when exports wait for the original, which lies in cold storage; None where none waits."""


class Segment(Struct, frozen=True, gc=False):
    """A segment: how far it is, and where its proxy lies."""

    video_id: UUID
    index: int
    first_frame: int
    frames: int
    start_ticks: int
    end_ticks: int
    planned_at: datetime | None = None
    preprocessed_at: datetime | None = None
    preprocessed_sequence: int | None = None
    profile: str | None = None
    proxy: ObjectRef | None = None
    packets: ObjectRef | None = None
    tiny: ObjectRef | None = None
    storyboard: ObjectRef | None = None
    waveform: ObjectRef | None = None
    width_px: int | None = None
    height_px: int | None = None
    detected_at: datetime | None = None
    detected_sequence: int | None = None
    detector: str | None = None
    cuts: tuple[Cut, ...] = ()
    """As the detector told them; `CutRow`s are what they came to."""
    scores: ObjectRef | None = None
    curves: Curves | None = None

    @property
    def end_frame(self) -> int:
        """One past the segment's last frame."""
        return self.first_frame + self.frames


class CutRow(Struct, frozen=True, gc=False):
    """A cut that stands: the boundary of two clips."""

    video_id: UUID
    frame: int
    kind: str
    extent_start: int
    extent_end: int
    confidence: float
    by: str | None = None
    """Who put or confirmed it; None while only a detector says so."""


class Clip(Struct, frozen=True, gc=False):
    """The frames [start_frame, end_frame) between two cuts; what was decided about them, and what became of it."""

    id: UUID
    video_id: UUID
    video_sequence: int
    """The video's place in the order of requests."""
    start_frame: int
    end_frame: int
    state: ClipState = ClipState.PENDING_REVIEW
    live: bool = True
    """False once its cuts have changed."""
    confidence_in: float | None = None
    confidence_out: float | None = None
    certainty: float = 1.0
    """Of the less certain of its two cuts; 1 where it has none."""
    opened_sequence: int = 0
    """Sequence of the last scene detection that it waited for: how long it has been there."""
    motion: float | None = None
    """This and the next ones: see `core.measures`. None where a segment came without curves."""
    static_share: float | None = None
    black_share: float | None = None
    sharpness: float | None = None
    brightness: float | None = None
    loudness_db: float | None = None
    verdict: Verdict | None = None
    decision_id: UUID | None = None
    """The fact in which the verdict was given."""
    stands_by: UUID | None = None
    """The fact since which it stands: the verdict itself, or what brought it back. The cause of the order that follows."""
    decided_by: str | None = None
    decided_at: datetime | None = None
    group_id: UUID | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    order_id: UUID | None = None
    """The clip.approved that the exporter hears; None for an approved clip whose order is not told yet."""
    export_id: UUID | None = None
    exported_at: datetime | None = None
    export_object: ObjectRef | None = None
    proof: Proof | None = None
    keyframe_id: UUID | None = None
    keyframed_at: datetime | None = None
    keyframes: tuple[Keyframe, ...] = ()
    embed_id: UUID | None = None
    embedded_at: datetime | None = None
    model: str | None = None
    frame_vectors: tuple[ObjectRef, ...] = ()
    """Of all its embeddings."""


class Embedding(Struct, frozen=True, gc=False):
    """What a clip looks like to a model."""

    clip_id: UUID
    model: str
    strategy: str
    video_id: UUID
    dimensions: int
    vector: bytes
    """Little-endian float16, unit length."""
    frame_vectors: ObjectRef | None
    fact_id: UUID
    frames: tuple[int, ...] = ()
    """Of the whole video; each has a vector of its own in `frame_vectors`."""
    labels: tuple[Label, ...] = ()


Settled = Literal["retried", "discarded"]


class Failure(Struct, frozen=True, gc=False):
    """A message that a stage gave up."""

    id: UUID
    video_id: UUID
    stage: str
    reason: str
    failure_class: FailureClass
    attempts: int
    at: datetime
    sequence: int
    cause: UUID | None
    segment_index: int | None
    clip_id: UUID | None
    message_subject: str
    message_sequence: int
    settled: Settled | None = None
    """What a person said of it since: give it to the stage again, or wait for it no more."""
    open: bool = True
    """False once the stage has done it after all, or nobody wants it any more."""


class Event(Struct, frozen=True, gc=False):
    """A fact of the video, as its history shows it; that it is here says that it was applied."""

    fact_id: UUID
    video_id: UUID
    sequence: int
    type: str
    at: datetime
    """When the stream stored it."""
    cause: UUID | None = None
    stage: str | None = None
    """The kind of work that found it out, if one did."""
    segment_index: int | None = None
    clip_id: UUID | None = None
    by: str | None = None
    note: str | None = None
    attempt: int | None = None
    started: datetime | None = None
    finished: datetime | None = None
    cpu_s: float | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    host: str | None = None
    reused: bool | None = None


class Decision(Struct, frozen=True, gc=False):
    """What a person decided about frames [start_frame, end_frame), whether it still stands or not."""

    fact_id: UUID
    part: int
    """Which of the fact's clips, from 0."""
    decision_id: UUID
    """What is undone as one: all rows of one decision, in whatever videos."""
    video_id: UUID
    clip_id: UUID | None
    """None for a change of cuts, which is about all clips of the span."""
    start_frame: int
    end_frame: int
    sequence: int
    action: Action
    by: str
    at: datetime
    idempotency_key: str
    group_id: UUID | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    cuts: tuple[Cut, ...] = ()
    """For a change of cuts: those inside the span, from then on."""
    stands: bool = True
    """False while it is undone; for ever, if the rules did not allow it."""
    changed_sequence: int = 0
    """When it last came to stand, or ceased to."""
    undone_by: UUID | None = None
    """The decision.undone that took it back."""

    def overlaps(self, other: "Decision") -> bool:
        """Whether both are about the same clips."""
        return (
            self.video_id == other.video_id
            and self.start_frame < other.end_frame
            and other.start_frame < self.end_frame
        )


class Reversal(Struct, frozen=True, gc=False):
    """A decision was undone or redone in a video; with who and when, and the key that it was asked with."""

    fact_id: UUID
    video_id: UUID
    decision_id: UUID
    kind: ReversalKind
    sequence: int
    by: str
    at: datetime
    idempotency_key: str


class Discarded(Struct, frozen=True, gc=False):
    """An object that nobody wants any more: its result came for a decision that no longer stands."""

    key: str
    video_id: UUID
    bytes: int
    fact_id: UUID
    at: datetime


class Stage(Struct, frozen=True, gc=False):
    """Whether a stage rests. Lives with the nil video."""

    name: str
    paused: bool
    by: str
    reason: str
    at: datetime
    sequence: int
    until: datetime | None = None
    """When it tries again by itself; None while it works, or until somebody resumes it."""


class SearchModel(Struct, frozen=True, gc=False):
    """A model that clips are to be embedded by, or that searches go by. Lives with the nil video."""

    model: str
    strategy: str
    dimensions: int | None = None
    """None for one that was chosen and never asked for: new clips get it by the embedder's own settings."""
    requested_sequence: int | None = None
    """When it was last asked for every clip; None if it never was."""
    near_duplicate: float | None = None
    chosen_sequence: int | None = None
    """When it was last made the default: of all, the greatest is it."""
    by: str = ""
    at: datetime | None = None


@dataclass(slots=True)
class Tables:
    """All rows of one video. The rows are frozen; a fold replaces them in a copy."""

    video: Video
    segments: dict[int, Segment] = field(default_factory=dict)
    cuts: dict[int, CutRow] = field(default_factory=dict)
    clips: dict[UUID, Clip] = field(default_factory=dict)
    failures: dict[UUID, Failure] = field(default_factory=dict)
    events: dict[UUID, Event] = field(default_factory=dict)
    decisions: dict[tuple[UUID, int], Decision] = field(default_factory=dict)
    reversals: dict[UUID, Reversal] = field(default_factory=dict)
    discarded: dict[str, Discarded] = field(default_factory=dict)
    embeddings: dict[tuple[UUID, str, str], Embedding] = field(default_factory=dict)
    """Only those that were just told: they are written, never read back into a fold."""
    stages: dict[str, Stage] = field(default_factory=dict)
    search_models: dict[tuple[str, str], SearchModel] = field(default_factory=dict)
    """By model and strategy."""
    forgotten: set[UUID] = field(default_factory=set)
    """Clips whose embeddings of before are to be deleted; of one fold only, so a copy begins without."""
    unwanted: dict[str, ObjectRef] = field(default_factory=dict)
    """Objects, by key, that a clip has lost by the fact that is just applied; empty after it."""

    @classmethod
    def empty(cls, video_id: UUID) -> "Tables":
        """A video of which nothing is known."""
        return cls(Video(video_id))

    def copy(self) -> "Tables":
        """The same rows in dictionaries of its own."""
        return Tables(
            self.video,
            segments=dict(self.segments),
            cuts=dict(self.cuts),
            clips=dict(self.clips),
            failures=dict(self.failures),
            events=dict(self.events),
            decisions=dict(self.decisions),
            reversals=dict(self.reversals),
            discarded=dict(self.discarded),
            embeddings=dict(self.embeddings),
            stages=dict(self.stages),
            search_models=dict(self.search_models),
        )
