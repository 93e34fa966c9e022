"""Every fact. Importing this package fills the registry; one module an entity."""

from heaters_contracts.facts.clip import (
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipKeyframed,
    ClipSkipped,
)
from heaters_contracts.facts.segment import SegmentPlanned, SegmentPreprocessed, SegmentScenesDetected
from heaters_contracts.facts.stage import StageFailed, StagePaused, StageResumed
from heaters_contracts.facts.video import (
    VideoDownloaded,
    VideoMasterStored,
    VideoPlanned,
    VideoRejected,
    VideoRequested,
)

__all__ = [
    "ClipApproved",
    "ClipArchived",
    "ClipEmbedded",
    "ClipExported",
    "ClipKeyframed",
    "ClipSkipped",
    "SegmentPlanned",
    "SegmentPreprocessed",
    "SegmentScenesDetected",
    "StageFailed",
    "StagePaused",
    "StageResumed",
    "VideoDownloaded",
    "VideoMasterStored",
    "VideoPlanned",
    "VideoRejected",
    "VideoRequested",
]
