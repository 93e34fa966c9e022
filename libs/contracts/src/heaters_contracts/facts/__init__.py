"""Every fact. Importing this package fills the registry; one module an entity."""

from heaters_contracts.facts.clip import (
    ClipAnnotated,
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipGrouped,
    ClipKeyframed,
    ClipSkipped,
    ClipUngrouped,
)
from heaters_contracts.facts.decision import DecisionRedone, DecisionUndone
from heaters_contracts.facts.segment import SegmentPlanned, SegmentPreprocessed, SegmentScenesDetected
from heaters_contracts.facts.stage import (
    StageDiscarded,
    StageFailed,
    StageModelChosen,
    StageModelRequested,
    StagePaused,
    StageRequested,
    StageResumed,
)
from heaters_contracts.facts.video import (
    VideoCutsChanged,
    VideoDownloaded,
    VideoEmbeddingRequested,
    VideoErased,
    VideoMasterStored,
    VideoPlanned,
    VideoRejected,
    VideoRequested,
)

__all__ = [
    "ClipAnnotated",
    "ClipApproved",
    "ClipArchived",
    "ClipEmbedded",
    "ClipExported",
    "ClipGrouped",
    "ClipKeyframed",
    "ClipSkipped",
    "ClipUngrouped",
    "DecisionRedone",
    "DecisionUndone",
    "SegmentPlanned",
    "SegmentPreprocessed",
    "SegmentScenesDetected",
    "StageDiscarded",
    "StageFailed",
    "StageModelChosen",
    "StageModelRequested",
    "StagePaused",
    "StageRequested",
    "StageResumed",
    "VideoCutsChanged",
    "VideoDownloaded",
    "VideoEmbeddingRequested",
    "VideoErased",
    "VideoMasterStored",
    "VideoPlanned",
    "VideoRejected",
    "VideoRequested",
]
