"""The one step that makes streams, consumers and buckets: safe to repeat, at any time, by several at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from heaters_contracts.pipeline import (
    ATTEMPTS_BUCKET,
    CONSUMERS,
    FACTS_STREAM,
    INGEST_STREAM,
    PAUSED_BUCKET,
    PROGRESS_STREAM,
    SITES_BUCKET,
)
from heaters_edges.settings import Settings
from heaters_edges.streams import migrate
from heaters_local.servers import NatsServer, free_port
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig


@pytest.fixture
def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    """Those of a server that has nothing yet."""
    with NatsServer(tmp_path / "nats", free_port()) as server:
        yield Settings(
            nats_url=server.url,
            s3_endpoint="http://127.0.0.1:1",
            s3_bucket="none",
            s3_access_key="none",
            s3_secret_key="none",
            cache_dir=tmp_path,
            listen="127.0.0.1:0",
        )


@pytest.fixture
async def js(settings: Settings) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(settings.nats_url)
    yield client.jetstream()
    await client.close()


async def consumers_of(js: JetStreamContext, stream: str) -> set[str]:
    return {info.name for info in await js.consumers_info(stream)}


async def test_migrate_makes_everything_that_services_bind_to(settings: Settings, js: JetStreamContext) -> None:
    await migrate(settings)

    facts = (await js.stream_info(FACTS_STREAM)).config
    assert (facts.subjects, facts.storage, facts.retention) == (["heaters.>"], StorageType.FILE, RetentionPolicy.LIMITS)
    assert facts.max_age == 0  # facts are kept for ever
    assert facts.duplicate_window == 6 * 3600
    assert (await js.stream_info(INGEST_STREAM)).config.subjects == ["ingest.*"]
    assert (await js.stream_info(PROGRESS_STREAM)).config.max_msgs_per_subject == 1
    assert await consumers_of(js, FACTS_STREAM) == {work.consumer(lane) for work, lane in CONSUMERS} | {
        "auto_approval",
        "expansion",
        "webhooks",
    }
    assert await consumers_of(js, INGEST_STREAM) == {"admission"}
    for bucket in (ATTEMPTS_BUCKET, PAUSED_BUCKET, SITES_BUCKET):
        assert (await (await js.key_value(bucket)).status()).values == 0


async def test_a_consumer_hears_its_fact_and_requests_to_work_again_in_its_lane(
    settings: Settings, js: JetStreamContext
) -> None:
    await migrate(settings)

    info = await js.consumer_info(FACTS_STREAM, "scenes-bulk")

    assert info.config.filter_subjects == [
        "heaters.segment.preprocessed.*.bulk.*",
        "heaters.stage.requested.*.bulk.*",
    ]
    assert (info.config.ack_policy, info.config.max_deliver, info.config.ack_wait) == (AckPolicy.EXPLICIT, -1, 30)


async def test_migrating_again_changes_nothing_and_loses_nothing(settings: Settings, js: JetStreamContext) -> None:
    await migrate(settings)
    await js.publish("heaters.video.requested.v1.bulk.a", b"1")
    await js.publish("heaters.video.requested.v1.bulk.b", b"2")
    pull = await js.pull_subscribe_bind("download-bulk", stream=FACTS_STREAM)
    (first,) = await pull.fetch(1)
    await first.ack_sync()
    paused = await js.key_value(PAUSED_BUCKET)
    await paused.put("export", b"mia")
    before = (await js.stream_info(FACTS_STREAM)).config

    await migrate(settings)

    assert (await js.stream_info(FACTS_STREAM)).config == before
    assert (await js.stream_info(FACTS_STREAM)).state.messages == 2
    assert (await js.consumer_info(FACTS_STREAM, "download-bulk")).ack_floor.stream_seq == 1
    assert (await paused.get("export")).value == b"mia"


async def test_migrating_several_times_at_once_works(settings: Settings, js: JetStreamContext) -> None:
    await asyncio.gather(*(migrate(settings) for _ in range(4)))

    assert await consumers_of(js, FACTS_STREAM) == {work.consumer(lane) for work, lane in CONSUMERS} | {
        "auto_approval",
        "expansion",
        "webhooks",
    }


async def test_what_an_older_release_made_is_brought_up_to_date_and_goes_on_where_it_was(
    settings: Settings, js: JetStreamContext
) -> None:
    await js.add_stream(StreamConfig(name=FACTS_STREAM, subjects=["heaters.>"], duplicate_window=120))
    await js.publish("heaters.video.requested.v1.bulk.a", b"1")
    await js.publish("heaters.video.requested.v1.bulk.b", b"2")
    await js.add_consumer(
        FACTS_STREAM,
        ConsumerConfig(
            durable_name="download-bulk",
            filter_subject="heaters.video.requested.v1.bulk.*",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=5,
            max_deliver=3,
        ),
    )
    (first,) = await (await js.pull_subscribe_bind("download-bulk", stream=FACTS_STREAM)).fetch(1)
    await first.ack_sync()

    await migrate(settings)

    info = await js.consumer_info(FACTS_STREAM, "download-bulk")
    assert info.config.filter_subjects == ["heaters.video.requested.*.bulk.*", "heaters.stage.requested.*.bulk.*"]
    assert (info.config.ack_wait, info.config.max_deliver) == (30, -1)
    assert (info.ack_floor.stream_seq, info.num_pending) == (1, 1)
    assert (await js.stream_info(FACTS_STREAM)).config.duplicate_window == 6 * 3600


async def test_consumers_that_others_made_are_left_alone(settings: Settings, js: JetStreamContext) -> None:
    await migrate(settings)
    await js.add_consumer(FACTS_STREAM, ConsumerConfig(durable_name="another-team", ack_policy=AckPolicy.NONE))

    await migrate(settings)

    assert "another-team" in await consumers_of(js, FACTS_STREAM)
