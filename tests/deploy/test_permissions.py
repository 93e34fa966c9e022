"""Permissions on a real NATS server: what each service must be able to do, and what it must not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest
from heaters_contracts.fact import tell
from heaters_contracts.facts.stage import StageFailed
from heaters_contracts.facts.video import VideoRejected
from heaters_contracts.pipeline import PIPELINE, SERVICES
from heaters_edges import streams
from heaters_edges.bus import Bus, BusError
from heaters_edges.permissions import authorization, rights
from heaters_edges.settings import Settings
from heaters_local.files import write_private
from heaters_local.process import Child
from heaters_local.servers import NatsServer, _plain_environment, _script, free_port
from nats.errors import Error as NatsError

EVERYBODY = [*rights(), "films"]


class GuardedNats(NatsServer):
    """The server with a user for each service."""

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def _launch(self) -> Child:
        config = self.data_dir / "nats.conf"
        said = authorization({name: f"password-of-{name}" for name in EVERYBODY}, ["films"])
        store = json.dumps(str(self.data_dir / "jetstream"))
        write_private(config, f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: {store} }}\n{said}')
        return Child([str(_script("nats-server")), "--config", str(config)], log=self.log, env=_plain_environment())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedNats]:
    with GuardedNats(tmp_path_factory.mktemp("guarded"), free_port()) as one:
        yield one


def settings_of(server: GuardedNats, user: str, folder: Path) -> Settings:
    wanted: dict[str, Any] = {
        "nats_url": server.url,
        "nats_user": user,
        "nats_password": f"password-of-{user}",
        "s3_endpoint": "http://127.0.0.1:1",
        "s3_bucket": "none",
        "s3_access_key": "none",
        "s3_secret_key": "none",
        "cache_dir": folder,
        "listen": "127.0.0.1:0",
    }
    return Settings(**wanted)


@pytest.fixture(scope="module")
async def made(server: GuardedNats, tmp_path_factory: pytest.TempPathFactory) -> GuardedNats:
    await streams.migrate(settings_of(server, "migrate", tmp_path_factory.mktemp("cache")))
    return server


@asynccontextmanager
async def bus_of(server: GuardedNats, service: str, folder: Path) -> AsyncIterator[Bus]:
    bus = Bus(settings_of(server, service, folder), source=service)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


def subject(type_: str, video: Any = None) -> str:
    return f"heaters.{type_}.v1.bulk.{video or uuid4()}"


async def said(bus: Bus, to: str, *, within_s: float = 30) -> bool:
    """Whether the stream took a message."""
    try:
        await asyncio.wait_for(bus.publish_raw(to, {}, b"{}"), within_s)
    except (BusError, TimeoutError):
        return False
    return True


async def denied(bus: Bus) -> str:
    """What the server denied us; its reason comes a moment after its answer."""
    await bus.client.flush()
    async with asyncio.timeout(30):
        while not bus.denied:  # noqa: ASYNC110 - the client has a callback, and no event
            await asyncio.sleep(0.01)
    return bus.denied.lower()


@pytest.mark.parametrize("service", [one for one in SERVICES if one != "review-api"])
async def test_a_worker_reads_its_own_consumers_and_tells_its_own_facts(
    made: GuardedNats, tmp_path: Path, service: str
) -> None:
    own = [work for work in PIPELINE if work.by == service]
    async with bus_of(made, "review-api", tmp_path) as desk:
        for work in own:
            if work.consumes.TYPE.startswith(("video.requested", "clip.approved", "video.embedding_requested")):
                await desk.publish_raw(subject(work.consumes.TYPE), {}, b"{}")

    async with bus_of(made, service, tmp_path) as bus:
        for work in own:
            for lane in ("interactive", "bulk"):
                await bus.require_consumer(work.consumer(lane))
            inbox = bus.inbox(durable=work.consumer("bulk"), subject=work.filters("bulk")[0])
            message = await inbox.get_one(timeout=0.5)
            if message is not None:
                await message.ack()
            told = [await said(bus, subject(fact.TYPE)) for fact in (*work.produces, StageFailed)]
            attempts = await bus.bucket("heaters_attempts")
            await attempts.put(f"{work.consumer('bulk')}.1", b"1")
            await bus.report(work.name, uuid4(), 0.5)

            assert told == [True] * len(told)
            assert (await attempts.get(f"{work.consumer('bulk')}.1")).value == b"1"
        await bus.client.flush()
        assert await bus.message(1) is not None
        assert bus.denied is None


@pytest.mark.parametrize("service", [one for one in SERVICES if one != "review-api"])
async def test_a_worker_tells_no_fact_of_another_and_no_decision(
    made: GuardedNats, tmp_path: Path, service: str
) -> None:
    own = {fact.TYPE for work in PIPELINE if work.by == service for fact in work.produces}
    others = {fact.TYPE for work in PIPELINE for fact in work.produces} - own
    foreign = sorted(others | {"video.requested", "clip.approved", "clip.skipped", "video.erased", "stage.requested"})

    async with bus_of(made, "review-api", tmp_path) as desk, bus_of(made, service, tmp_path) as bus:
        before = await desk.last_sequence()
        for type_ in foreign:
            await bus.client.publish(subject(type_), b"{}")
        await bus.client.publish("ingest.films", b"{}")
        reason = await denied(bus)
        after = await desk.last_sequence()

        assert after == before
        assert "permissions violation" in reason
        assert not bus.connected


@pytest.mark.parametrize(
    ("service", "consumer"),
    [("scenes", "preprocess-bulk"), ("exporter", "embed-interactive"), ("downloader", "plan-bulk")],
)
async def test_a_worker_takes_no_work_of_another(
    made: GuardedNats, tmp_path: Path, service: str, consumer: str
) -> None:
    async with bus_of(made, service, tmp_path) as bus:
        with pytest.raises((BusError, NatsError, TimeoutError)):
            await asyncio.wait_for(bus.client.request(f"$JS.API.CONSUMER.MSG.NEXT.HEATERS.{consumer}", b"1"), 1)

        assert consumer in await denied(bus)


@pytest.mark.parametrize(
    "forbidden",
    [
        "$JS.API.STREAM.DELETE.HEATERS",
        "$JS.API.STREAM.PURGE.HEATERS",
        "$JS.API.STREAM.UPDATE.HEATERS",
        "$JS.API.CONSUMER.DELETE.HEATERS.scenes-bulk",
        "$JS.API.CONSUMER.DURABLE.CREATE.HEATERS.mine",
        "$JS.API.STREAM.CREATE.MINE",
    ],
)
@pytest.mark.parametrize("service", ["scenes", "embedder"])
async def test_no_worker_changes_streams_or_consumers(
    made: GuardedNats, tmp_path: Path, service: str, forbidden: str
) -> None:
    async with bus_of(made, service, tmp_path) as bus:
        await bus.client.publish(forbidden, b"{}")

        assert forbidden.lower() in await denied(bus)


async def test_nobody_hears_what_another_is_sent(made: GuardedNats, tmp_path: Path) -> None:
    async with bus_of(made, "scenes", tmp_path) as bus:
        for what in ("_INBOX_review-api.>", "heaters.>", "ingest.>", ">"):
            bus.denied = None
            await bus.client.subscribe(what)

            assert "permissions violation" in await denied(bus), what


async def test_review_api_hears_all_decides_and_answers_requests(made: GuardedNats, tmp_path: Path) -> None:
    video = uuid4()
    films = await nats.connect(made.url, user="films", password="password-of-films", inbox_prefix=b"_INBOX_films")
    async with bus_of(made, "review-api", tmp_path) as bus, bus_of(made, "scenes", tmp_path) as scenes:
        await films.jetstream().publish("ingest.films", b"{}")
        request = await anext(bus.requests())
        await request.ack()
        fact = VideoRejected(reason="no", requester="films", request_id="1")
        told = tell(fact, video_id=video, lane="bulk", cause=None, time=datetime.now(UTC))
        ack = await bus.publish(told, expect=0)
        batch = await anext(bus.follow(ack.sequence - 1))
        await scenes.report("scenes", video, 0.25)
        progress = await asyncio.wait_for(anext(bus.progress()), 30)

        assert request.requester == "films"
        assert batch[-1].sequence == ack.sequence
        assert [m.sequence for m in await bus.history(video)] == [ack.sequence]
        assert progress.stage in {work.name for work in PIPELINE}
        assert not await said(bus, subject("segment.scenes_detected"), within_s=1)
    await films.close()


@pytest.mark.parametrize(
    ("consumer", "type_"),
    [("webhooks", "video.rejected"), ("auto_approval", "segment.scenes_detected"), ("expansion", "video.expanded")],
)
async def test_review_api_is_given_the_facts_that_it_acts_upon(
    made: GuardedNats, tmp_path: Path, consumer: str, type_: str
) -> None:
    tellers = {"video.rejected": "review-api", "segment.scenes_detected": "scenes", "video.expanded": "downloader"}
    async with bus_of(made, tellers[type_], tmp_path) as teller:
        assert await said(teller, subject(type_))

    async with bus_of(made, "review-api", tmp_path) as bus:
        heard = await asyncio.wait_for(anext(bus.heard(consumer)), 60)
        await heard.ack()
        await bus.client.flush()

        assert heard.stored.subject.startswith("heaters.")
        assert bus.denied is None


async def test_another_team_asks_in_its_own_name_only(made: GuardedNats) -> None:
    problems: list[str] = []

    async def note(problem: Exception) -> None:
        problems.append(str(problem))

    films = await nats.connect(
        made.url, user="films", password="password-of-films", inbox_prefix=b"_INBOX_films", error_cb=note
    )
    await films.publish("ingest.news", b"{}")
    await films.publish(subject("video.requested"), b"{}")
    await films.flush()
    async with asyncio.timeout(30):
        while len(problems) < 2:  # noqa: ASYNC110 - the client has a callback, and no event
            await asyncio.sleep(0.01)
    await films.close()

    assert ["permissions violation" in problem.lower() for problem in problems] == [True, True]
