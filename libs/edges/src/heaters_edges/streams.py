"""Streams, consumers and buckets: made here, by one explicit step that may be run again at any time."""

import logging
from collections.abc import Sequence

import nats
from heaters_contracts.pipeline import (
    ATTEMPTS_BUCKET,
    CONSUMERS,
    FACTS_STREAM,
    INGEST_STREAM,
    PAUSED_BUCKET,
    PROGRESS_STREAM,
)
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BucketNotFoundError, NotFoundError

from heaters_edges.bus import ADMISSION_CONSUMER
from heaters_edges.settings import Settings

log = logging.getLogger(__name__)

DUPLICATE_WINDOW_S = 6 * 3600
_DAY_S = 24 * 3600


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
            max_age=30 * _DAY_S,
            max_msg_size=64 * 1024,
            duplicate_window=DUPLICATE_WINDOW_S,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=PROGRESS_STREAM,
            subjects=["progress.heaters.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.MEMORY,
            max_msgs_per_subject=1,
            max_age=3600,
            num_replicas=replicas,
        ),
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
        FACTS_STREAM: tuple(_durable(work.consumer(lane), work.filters(lane), ack_wait_s) for work, lane in CONSUMERS),
        INGEST_STREAM: (_durable(ADMISSION_CONSUMER, ["ingest.*"], ack_wait_s),),
    }


async def migrate(settings: Settings, *, replicas: int = 1) -> None:
    """Make what is missing, and bring what is there to what this release wants. Safe to repeat, and to run twice at once."""
    user = settings.nats_user
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    client = await nats.connect(settings.nats_url.split(","), user=user, password=password, connect_timeout=5)
    try:
        js = client.jetstream(timeout=10)
        for config in stream_configs(replicas):
            await _stream(js, config)
        for stream, consumers in consumer_configs(settings.ack_wait_s).items():
            for consumer in consumers:
                await js.add_consumer(stream, consumer)
        await _bucket(js, KeyValueConfig(ATTEMPTS_BUCKET, ttl=3 * _DAY_S, replicas=replicas))
        await _bucket(js, KeyValueConfig(PAUSED_BUCKET, replicas=replicas))
    finally:
        await client.close()
    log.info("streams, consumers and buckets are in place")


async def _stream(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        await js.stream_info(str(config.name))
    except NotFoundError:
        await js.add_stream(config)
    else:
        await js.update_stream(config)


async def _bucket(js: JetStreamContext, config: KeyValueConfig) -> None:
    try:
        await js.key_value(config.bucket)
    except (BucketNotFoundError, NotFoundError):
        await js.create_key_value(config)
