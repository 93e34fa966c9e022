"""The pipeline is this table. Subscriptions, consumers, board columns, documents and manifests read it, or are compared with it."""

from dataclasses import dataclass

from heaters_contracts.fact import LANES, Fact, Lane, work_filter
from heaters_contracts.facts import (
    ClipApproved,
    ClipEmbedded,
    ClipExported,
    ClipKeyframed,
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    StageRequested,
    VideoDownloaded,
    VideoEmbeddingRequested,
    VideoExpanded,
    VideoLinked,
    VideoMasterStored,
    VideoPlanned,
    VideoRequested,
    VideoThawed,
    VideoThawRequested,
)

SERVICES = ("downloader", "preprocessor", "scenes", "exporter", "embedder", "review-api")
MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work: which fact it hears, which it tells, and what it may cost."""

    name: str
    by: str
    consumes: type[Fact]
    produces: tuple[type[Fact], ...]
    attempts: int
    deadline_s: int
    memory_bytes: int
    """What the child process that does it may use; beyond it, the job fails and the service lives."""

    def consumer(self, lane: Lane) -> str:
        """The durable consumer's name."""
        return f"{self.name}-{lane}"

    def filters(self, lane: Lane) -> tuple[str, str]:
        """The subjects that it hears: its fact, and requests to work again (of which it takes its own)."""
        return work_filter(self.consumes.TYPE, lane), work_filter(StageRequested.TYPE, lane)


PIPELINE = (
    Work(
        "download",
        by="downloader",
        consumes=VideoRequested,
        produces=(VideoDownloaded, VideoLinked, VideoExpanded),
        attempts=5,
        deadline_s=7200,
        memory_bytes=1024 * MiB,
    ),
    Work(
        "plan",
        by="preprocessor",
        consumes=VideoDownloaded,
        produces=(SegmentPlanned, VideoPlanned),
        attempts=4,
        deadline_s=600,
        memory_bytes=1024 * MiB,
    ),
    Work(
        "preprocess",
        by="preprocessor",
        consumes=SegmentPlanned,
        produces=(SegmentPreprocessed,),
        attempts=4,
        deadline_s=1800,
        memory_bytes=4096 * MiB,
    ),
    Work(
        "scenes",
        by="scenes",
        consumes=SegmentPreprocessed,
        produces=(SegmentScenesDetected,),
        attempts=4,
        deadline_s=300,
        memory_bytes=1024 * MiB,
    ),
    Work(
        "store_master",
        by="preprocessor",
        consumes=VideoPlanned,
        produces=(VideoMasterStored,),
        attempts=3,
        deadline_s=21600,
        memory_bytes=4096 * MiB,
    ),
    Work(
        "export",
        by="exporter",
        consumes=ClipApproved,
        produces=(ClipExported, VideoThawRequested, VideoThawed),
        attempts=4,
        deadline_s=900,
        memory_bytes=2048 * MiB,
    ),
    Work(
        "keyframe",
        by="embedder",
        consumes=ClipExported,
        produces=(ClipKeyframed,),
        attempts=4,
        deadline_s=300,
        memory_bytes=2048 * MiB,
    ),
    Work(
        "embed",
        by="embedder",
        consumes=ClipKeyframed,
        produces=(ClipEmbedded,),
        attempts=4,
        deadline_s=300,
        memory_bytes=4096 * MiB,
    ),
    Work(
        "reembed",
        by="embedder",
        consumes=VideoEmbeddingRequested,
        produces=(ClipEmbedded,),
        attempts=4,
        deadline_s=1800,
        memory_bytes=4096 * MiB,
    ),
)
"""In order of urgency within a service: whoever does several kinds takes the first that has work."""

CONSUMERS = tuple((work, lane) for work in PIPELINE for lane in LANES)

FACTS_STREAM = "HEATERS"
INGEST_STREAM = "INGEST"
PROGRESS_STREAM = "HEATERS_PROGRESS"
ATTEMPTS_BUCKET = "heaters_attempts"
PAUSED_BUCKET = "heaters_paused"
SITES_BUCKET = "heaters_sites"
"""How each site behaves, and who asks it now: shared by all downloaders."""


def work_named(name: str) -> Work:
    """The row of PIPELINE with this name.

    Raises:
        KeyError: there is none.
    """
    for work in PIPELINE:
        if work.name == name:
            return work
    raise KeyError(f"no kind of work is called {name!r}; there are {', '.join(w.name for w in PIPELINE)}")


def progress_subject(stage: str, video_id: object) -> str:
    """Where a stage tells how far it is; the last one is kept, none is a fact."""
    return f"progress.heaters.{stage}.{video_id}"
