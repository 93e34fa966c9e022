"""Streams, consumers and buckets: made here, by one explicit step that may be run again at any time."""

import logging

import nats
from heaters_contracts.pipeline import ATTEMPTS_BUCKET, PAUSED_BUCKET, SITES_BUCKET
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StreamConfig
from nats.js.errors import BucketNotFoundError, NotFoundError

from heaters_edges.settings import Settings
from heaters_edges.wanted import DAY_S, consumer_configs, stream_configs

log = logging.getLogger(__name__)


async def migrate(settings: Settings, *, replicas: int = 1) -> None:
    """Make what is missing, and bring what is there to what this release wants. Safe to repeat, and to run twice at once."""
    user = settings.nats_user
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    client = await nats.connect(
        settings.nats_url.split(","), user=user, password=password, connect_timeout=5, inbox_prefix=b"_INBOX_migrate"
    )
    try:
        js = client.jetstream(timeout=10)
        for config in stream_configs(replicas):
            await _stream(js, config)
        for stream, consumers in consumer_configs(settings.ack_wait_s).items():
            for consumer in consumers:
                await js.add_consumer(stream, consumer)
        await _bucket(js, KeyValueConfig(ATTEMPTS_BUCKET, ttl=3 * DAY_S, replicas=replicas))
        await _bucket(js, KeyValueConfig(PAUSED_BUCKET, replicas=replicas))
        await _bucket(js, KeyValueConfig(SITES_BUCKET, ttl=2 * DAY_S, replicas=replicas))
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
