"""What streams and consumers there are to be; `streams.migrate` makes them."""

from collections.abc import Sequence

from heaters_contracts.pipeline import CONSUMERS, FACTS_STREAM, INGEST_STREAM, PROGRESS_STREAM
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

ADMISSION_CONSUMER = "admission"
EXPANSION_CONSUMER = "expansion"
"""Of review-api: asks for the videos of playlists."""
WEBHOOK_CONSUMER = "webhooks"
"""Of review-api: tells requesters at their addresses."""
AUTO_APPROVAL_CONSUMER = "auto_approval"
"""Of review-api: approves clips by the rules that requests carry."""
LISTENERS = {
    AUTO_APPROVAL_CONSUMER: ("heaters.segment.scenes_detected.*.*.*", "heaters.video.planned.*.*.*"),
    EXPANSION_CONSUMER: ("heaters.video.expanded.*.*.*",),
    WEBHOOK_CONSUMER: (
        *(f"heaters.video.{said}.*.*.*" for said in ("rejected", "downloaded", "linked", "expanded")),
        "heaters.segment.scenes_detected.*.*.*",
        "heaters.clip.exported.*.*.*",
        "heaters.clip.embedded.*.*.*",
        "heaters.stage.failed.*.*.*",
    ),
}
"""Durable consumers of facts that are no kind of work: name -> what they hear."""
DUPLICATE_WINDOW_S = 6 * 3600
DAY_S = 24 * 3600


def stream_configs(replicas: int) -> tuple[StreamConfig, ...]:
    """The three streams. Facts are kept for ever; a full disk refuses new ones rather than forgetting old ones."""
    return (
        StreamConfig(
            name=FACTS_STREAM,
            subjects=["heaters.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            duplicate_window=DUPLICATE_WINDOW_S,
            # The limit is on the whole message: a fact of 256 KiB, and room for its headers.
            max_msg_size=256 * 1024 + 8 * 1024,
            num_replicas=replicas,
            allow_direct=True,
        ),
        StreamConfig(
            name=INGEST_STREAM,
            subjects=["ingest.*"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=30 * DAY_S,
            max_msg_size=64 * 1024,
            duplicate_window=DUPLICATE_WINDOW_S,
            num_replicas=replicas,
        ),
        progress_config(replicas),
    )


def progress_config(replicas: int) -> StreamConfig:
    """The stream of progress. It lives in memory, so a server's end is its end, and whoever misses it makes it again."""
    return StreamConfig(
        name=PROGRESS_STREAM,
        subjects=["progress.heaters.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.MEMORY,
        max_msgs_per_subject=1,
        max_age=3600,
        num_replicas=replicas,
    )


def _durable(name: str, subjects: Sequence[str], ack_wait_s: float) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        filter_subjects=list(subjects),
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ack_wait_s,
        # Attempts are counted before the work, in a bucket; the server's own limit would leave a message in limbo.
        max_deliver=-1,
        max_ack_pending=1024,
    )


def consumer_configs(ack_wait_s: float) -> dict[str, tuple[ConsumerConfig, ...]]:
    """Stream -> its durable consumers: one for each kind of work and lane, and admission's."""
    return {
        FACTS_STREAM: (
            *(_durable(work.consumer(lane), work.filters(lane), ack_wait_s) for work, lane in CONSUMERS),
            *(_durable(name, subjects, ack_wait_s) for name, subjects in LISTENERS.items()),
        ),
        INGEST_STREAM: (_durable(ADMISSION_CONSUMER, ["ingest.*"], ack_wait_s),),
    }
