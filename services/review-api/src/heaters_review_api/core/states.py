"""The states of a video and of a clip, and what leads from one to another, as data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Literal, TypeVar

Verdict = Literal["approve", "skip", "archive"]
VERDICTS: tuple[Verdict, ...] = ("approve", "skip", "archive")
CutOperation = Literal["add", "remove", "move", "confirm"]
Action = Literal[
    "approve", "skip", "archive", "group", "ungroup", "annotate", "add_cut", "remove_cut", "move_cut", "confirm_cut"
]
"""What a person may decide; each can be undone and redone."""
ACTIONS: tuple[Action, ...] = (
    *VERDICTS,
    "group",
    "ungroup",
    "annotate",
    "add_cut",
    "remove_cut",
    "move_cut",
    "confirm_cut",
)
CUT_ACTIONS: dict[CutOperation, Action] = {
    "add": "add_cut",
    "remove": "remove_cut",
    "move": "move_cut",
    "confirm": "confirm_cut",
}
RETILING: frozenset[Action] = frozenset({"add_cut", "remove_cut", "move_cut"})
"""These put other clips in the place of those that they are about."""
ReversalKind = Literal["undo", "redo"]
REVERSALS: tuple[ReversalKind, ...] = ("undo", "redo")


class VideoState(StrEnum):
    """How far a video is. An -ing state begins with the fact that makes its work available."""

    NEW = "new"
    REJECTED = "rejected"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    PREPROCESSING = "preprocessing"
    PREPROCESSED = "preprocessed"
    DETECTING_SCENES = "detecting_scenes"
    IN_REVIEW = "in_review"
    DONE = "done"
    DOWNLOAD_FAILED = "download_failed"
    PLAN_FAILED = "plan_failed"
    PREPROCESS_FAILED = "preprocess_failed"
    SCENES_FAILED = "scenes_failed"
    LINKED = "linked"
    """The very same bytes are here as another video, which is worked on instead."""
    EXPANDED = "expanded"
    """It was a playlist or channel: each of its videos is a video of its own."""


class ClipState(StrEnum):
    """What was decided about a clip, and what has become of it."""

    PENDING_REVIEW = "pending_review"
    REVIEW_APPROVED = "review_approved"
    EXPORTING = "exporting"
    EXPORTED = "exported"
    KEYFRAMING = "keyframing"
    KEYFRAMED = "keyframed"
    EMBEDDING = "embedding"
    EMBEDDED = "embedded"
    REVIEW_SKIPPED = "review_skipped"
    REVIEW_ARCHIVED = "review_archived"
    SUPERSEDED = "superseded"
    EXPORT_FAILED = "export_failed"
    KEYFRAME_FAILED = "keyframe_failed"
    EMBEDDING_FAILED = "embedding_failed"


S = TypeVar("S", VideoState, ClipState)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S]):
    """Arrows of a state machine: from any of `sources` to any of `targets`, by a fact, said by a person or by a stage."""

    fact: str
    sources: frozenset[S]
    targets: frozenset[S]
    by: Literal["reviewer", "stage", "admission"]


_C = ClipState
CHANGEABLE = frozenset(
    {_C.PENDING_REVIEW, _C.REVIEW_SKIPPED, _C.REVIEW_ARCHIVED, _C.REVIEW_APPROVED, _C.EXPORTING, _C.EXPORT_FAILED}
)
"""A verdict may be given, or given anew, as long as the clip is not a file."""
_APPROVED = frozenset({_C.REVIEW_APPROVED, _C.EXPORTING, _C.EXPORT_FAILED})
_LIVE = frozenset(_C) - {_C.SUPERSEDED}
_BACK = frozenset({_C.PENDING_REVIEW, _C.EXPORTING, _C.REVIEW_SKIPPED, _C.REVIEW_ARCHIVED})
"""What a clip can be when a decision is turned round: an approval that stands again is exported again."""


_KEYFRAMED = frozenset({_C.EMBEDDING, _C.EMBEDDING_FAILED, _C.EMBEDDED})
_EXPORTED = frozenset({_C.KEYFRAMING, _C.KEYFRAME_FAILED}) | _KEYFRAMED
"""What a replayed stage may find a clip in: what follows is done again."""


def _only(*states: S) -> frozenset[S]:
    return frozenset(states)


CLIP_TRANSITIONS: tuple[Transition[ClipState], ...] = (
    Transition("clip.approved", CHANGEABLE - _APPROVED, _only(_C.EXPORTING), "reviewer"),
    Transition("clip.grouped", CHANGEABLE - _APPROVED, _only(_C.EXPORTING), "reviewer"),
    Transition("clip.skipped", CHANGEABLE - {_C.REVIEW_SKIPPED}, _only(_C.REVIEW_SKIPPED), "reviewer"),
    Transition("clip.archived", CHANGEABLE - {_C.REVIEW_ARCHIVED}, _only(_C.REVIEW_ARCHIVED), "reviewer"),
    Transition("video.cuts_changed", CHANGEABLE, _only(_C.SUPERSEDED), "reviewer"),
    Transition("video.cuts_changed", _only(_C.SUPERSEDED), _only(_C.PENDING_REVIEW), "reviewer"),
    Transition("decision.undone", _LIVE, _BACK | {_C.SUPERSEDED}, "reviewer"),
    Transition("decision.undone", _only(_C.SUPERSEDED), _BACK, "reviewer"),
    Transition("decision.redone", _LIVE, _BACK | {_C.SUPERSEDED}, "reviewer"),
    Transition("decision.redone", _only(_C.SUPERSEDED), _BACK, "reviewer"),
    Transition("clip.exported", _only(_C.EXPORTING, _C.EXPORT_FAILED), _only(_C.KEYFRAMING), "stage"),
    Transition("clip.keyframed", _only(_C.KEYFRAMING, _C.KEYFRAME_FAILED), _only(_C.EMBEDDING), "stage"),
    Transition("clip.embedded", _only(_C.EMBEDDING, _C.EMBEDDING_FAILED), _only(_C.EMBEDDED), "stage"),
    Transition("clip.exported", _EXPORTED, _only(_C.KEYFRAMING), "stage"),
    Transition("clip.keyframed", _KEYFRAMED, _only(_C.EMBEDDING), "stage"),
    Transition("stage.failed", _only(_C.EXPORTING), _only(_C.EXPORT_FAILED), "stage"),
    Transition("stage.failed", _only(_C.KEYFRAMING), _only(_C.KEYFRAME_FAILED), "stage"),
    Transition("stage.failed", _only(_C.EMBEDDING), _only(_C.EMBEDDING_FAILED), "stage"),
    Transition("segment.scenes_detected", _only(_C.PENDING_REVIEW), _only(_C.SUPERSEDED), "stage"),
    Transition("segment.scenes_detected", _only(_C.SUPERSEDED), _only(_C.PENDING_REVIEW), "stage"),
)
"""A clip begins as pending_review. review_approved, exported and keyframed are passed through at once: they stay as times."""

DECIDED_FOR_GOOD = frozenset({_C.EMBEDDED, _C.REVIEW_SKIPPED, _C.REVIEW_ARCHIVED})
"""A video whose live clips are all in one of these is done."""

VIDEO_FAILURES = {
    "download": VideoState.DOWNLOAD_FAILED,
    "plan": VideoState.PLAN_FAILED,
    "preprocess": VideoState.PREPROCESS_FAILED,
    "scenes": VideoState.SCENES_FAILED,
}
"""Stages on the way to review, in order: what an open failure makes of the video. The master is not on that way."""

CLIP_STEPS = {
    "export": (_C.EXPORTING, _C.EXPORT_FAILED),
    "keyframe": (_C.KEYFRAMING, _C.KEYFRAME_FAILED),
    "embed": (_C.EMBEDDING, _C.EMBEDDING_FAILED),
}
"""Stages of an approved clip, in order: the state while the stage has the work, and once it has given up."""

_V = VideoState
_ON_THE_WAY = _only(
    _V.DOWNLOADING,
    _V.DOWNLOADED,
    _V.PREPROCESSING,
    _V.PREPROCESSED,
    _V.DETECTING_SCENES,
    *VIDEO_FAILURES.values(),
)
_REVIEWED = _only(_V.IN_REVIEW, _V.DONE)
_ELSEWHERE = _only(_V.LINKED, _V.EXPANDED)
_PERSONS = (
    "clip.approved",
    "clip.grouped",
    "clip.skipped",
    "clip.archived",
    "video.cuts_changed",
    "decision.undone",
    "decision.redone",
)

VIDEO_TRANSITIONS: tuple[Transition[VideoState], ...] = (
    Transition("video.rejected", _only(_V.NEW), _only(_V.REJECTED), "admission"),
    Transition("video.requested", _only(_V.NEW, _V.REJECTED), _only(_V.DOWNLOADING), "admission"),
    Transition("video.downloaded", _ON_THE_WAY, _only(_V.PREPROCESSING, *VIDEO_FAILURES.values()), "stage"),
    Transition("video.linked", _ON_THE_WAY | _ELSEWHERE, _only(_V.LINKED, *VIDEO_FAILURES.values()), "stage"),
    Transition("video.expanded", _ON_THE_WAY | _ELSEWHERE, _only(_V.EXPANDED, *VIDEO_FAILURES.values()), "stage"),
    Transition("video.downloaded", _ELSEWHERE, _ON_THE_WAY, "stage"),
    *(
        Transition(fact, _ON_THE_WAY | _REVIEWED, _ON_THE_WAY | _REVIEWED, "stage")
        for fact in ("segment.planned", "video.planned", "segment.preprocessed", "segment.scenes_detected")
    ),
    Transition("stage.failed", _ON_THE_WAY | _REVIEWED, _only(*VIDEO_FAILURES.values()), "stage"),
    *(Transition(fact, _REVIEWED, _REVIEWED, "reviewer") for fact in _PERSONS),
    Transition("clip.embedded", _only(_V.IN_REVIEW), _only(_V.DONE), "stage"),
    Transition("clip.exported", _only(_V.DONE), _only(_V.IN_REVIEW), "stage"),
    Transition("clip.keyframed", _only(_V.DONE), _only(_V.IN_REVIEW), "stage"),
)
"""A video's state follows from its segments and clips. A failed stage is never the end: what it was to do may come after all, and
then the video is wherever its segments are."""
