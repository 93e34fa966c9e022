"""Streams, consumers and buckets: made here, by one explicit step that may be run again at any time."""

import logging

import nats
from heaters_contracts.pipeline import ATTEMPTS_BUCKET, PAUSED_BUCKET, SITES_BUCKET
from nats.errors import NoRespondersError, NoServersError
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StreamConfig
from nats.js.errors import BucketNotFoundError, NotFoundError, ServiceUnavailableError

from heaters_edges.failure import Unavailable, reason_of
from heaters_edges.settings import Settings
from heaters_edges.wanted import DAY_S, consumer_configs, stream_configs

log = logging.getLogger(__name__)

_ABSENT = (NoServersError, NoRespondersError, ServiceUnavailableError, OSError, TimeoutError)


async def migrate(settings: Settings, *, replicas: int = 1) -> None:
    """Make what is missing, and bring what is there to what this release wants. Safe to repeat, and to run twice at once.

    Args:
        settings: where NATS is, and as whom to come.
        replicas: how many servers keep each stream and bucket: 1, 3 or 5.

    Raises:
        Unavailable: NATS does not answer, or its JetStream has not begun.
    """
    user = settings.nats_user
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    try:
        client = await nats.connect(
            settings.nats_url.split(","),
            user=user,
            password=password,
            connect_timeout=5,
            inbox_prefix=b"_INBOX_migrate",
            # Each of several servers is tried twice; for longer waits whoever calls.
            max_reconnect_attempts=1,
            reconnect_time_wait=0.5,
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
    except _ABSENT as problem:
        raise Unavailable(f"NATS does not answer: {reason_of(problem)}") from problem
    log.info("streams, consumers and buckets are in place", extra={"replicas": replicas})


async def _stream(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        await js.stream_info(str(config.name))
    except NotFoundError:
        await js.add_stream(config)
    else:
        await js.update_stream(config)


async def _bucket(js: JetStreamContext, config: KeyValueConfig) -> None:
    try:
        there = (await js.stream_info(f"KV_{config.bucket}")).config
    except (BucketNotFoundError, NotFoundError):
        await js.create_key_value(config)
        return
    if there.num_replicas != config.replicas:
        there.num_replicas = config.replicas
        await js.update_stream(there)
