"""The states of a video and of a clip, and what leads from one to another, as data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Verdict = Literal["approve", "skip", "archive"]
VERDICTS: tuple[Verdict, ...] = ("approve", "skip", "archive")


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


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of a state machine: from any of `sources` to `target`, by a fact, said by a person or by a stage."""

    fact: str
    sources: frozenset[ClipState]
    target: ClipState
    by: Literal["reviewer", "stage"]


_C = ClipState
CHANGEABLE = frozenset(
    {_C.PENDING_REVIEW, _C.REVIEW_SKIPPED, _C.REVIEW_ARCHIVED, _C.REVIEW_APPROVED, _C.EXPORTING, _C.EXPORT_FAILED}
)
"""A verdict may be given, or given anew, as long as the clip is not a file."""
_APPROVED = frozenset({_C.REVIEW_APPROVED, _C.EXPORTING, _C.EXPORT_FAILED})

CLIP_TRANSITIONS = (
    Transition("clip.approved", CHANGEABLE - _APPROVED, _C.EXPORTING, "reviewer"),
    Transition("clip.skipped", CHANGEABLE - {_C.REVIEW_SKIPPED}, _C.REVIEW_SKIPPED, "reviewer"),
    Transition("clip.archived", CHANGEABLE - {_C.REVIEW_ARCHIVED}, _C.REVIEW_ARCHIVED, "reviewer"),
    Transition("clip.exported", frozenset({_C.EXPORTING, _C.EXPORT_FAILED}), _C.KEYFRAMING, "stage"),
    Transition("clip.keyframed", frozenset({_C.KEYFRAMING, _C.KEYFRAME_FAILED}), _C.EMBEDDING, "stage"),
    Transition("clip.embedded", frozenset({_C.EMBEDDING, _C.EMBEDDING_FAILED}), _C.EMBEDDED, "stage"),
    Transition("stage.failed", frozenset({_C.EXPORTING}), _C.EXPORT_FAILED, "stage"),
    Transition("stage.failed", frozenset({_C.KEYFRAMING}), _C.KEYFRAME_FAILED, "stage"),
    Transition("stage.failed", frozenset({_C.EMBEDDING}), _C.EMBEDDING_FAILED, "stage"),
    Transition("segment.scenes_detected", frozenset({_C.PENDING_REVIEW}), _C.SUPERSEDED, "stage"),
    Transition("segment.scenes_detected", frozenset({_C.SUPERSEDED}), _C.PENDING_REVIEW, "stage"),
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
