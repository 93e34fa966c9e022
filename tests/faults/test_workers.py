"""A worker that dies, sleeps or is cut off at the worst moment: the fact is told once, its object is whole, nothing is left over."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import nats
import psutil
import pytest
from heaters_contracts.fact import Told, decode, tell
from heaters_contracts.facts import StageFailed, VideoDownloaded, VideoRequested
from heaters_contracts.ingest import UrlSource
from heaters_contracts.pipeline import FACTS_STREAM
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.streams import migrate
from heaters_local.servers import free_port
from weather import Weather, link

WORKER = Path(__file__).parents[1] / "support" / "faulty_worker.py"
ACK_WAIT_S = 3.0
CONTENT = b"the same bytes, whoever makes them"


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    await migrate(settings.model_copy(update={"ack_wait_s": ACK_WAIT_S}))
    S3Store(settings).create_bucket()
    client = await nats.connect(settings.nats_url)
    await client.jetstream().purge_stream(FACTS_STREAM)
    await client.close()
    bus = Bus(settings, source="test")
    await bus.connect()
    yield bus
    await bus.close()


class Workers:
    """Worker processes of a test; all end with it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.mark = folder / "mark"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, fault: str = "", **said: str) -> subprocess.Popen[bytes]:
        s = self._settings
        environment = {
            "PATH": os.environ["PATH"],
            "HEATERS_NATS_URL": s.nats_url,
            "HEATERS_S3_ENDPOINT": s.s3_endpoint,
            "HEATERS_S3_BUCKET": s.s3_bucket,
            "HEATERS_S3_ACCESS_KEY": s.s3_access_key.get_secret_value(),
            "HEATERS_S3_SECRET_KEY": s.s3_secret_key.get_secret_value(),
            "HEATERS_CACHE_DIR": str(s.cache_dir),
            "HEATERS_FREE_SPACE_BYTES": "0",
            "HEATERS_LISTEN": f"127.0.0.1:{free_port()}",
            "HEATERS_ACK_WAIT_S": str(ACK_WAIT_S),
            "HEATERS_RETRY_BASE_S": "0.1",
            "FAULT": fault,
            "MARK": str(self.mark),
            **said,
        }
        with (self._folder / "worker.log").open("ab") as log:
            one = subprocess.Popen([sys.executable, str(WORKER)], env=environment, stdout=log, stderr=log)
        self.running.append(one)
        return one


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    found = Workers(settings, tmp_path)
    yield found
    for one in found.running:
        one.kill()
        one.wait(10)


@contextmanager
def patience(seconds: float = 60) -> Iterator[Any]:
    deadline = time.monotonic() + seconds

    def look(what: str) -> None:
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"

    yield look


async def ask(bus: Bus) -> Told[VideoRequested]:
    video_id = uuid4()
    fact = VideoRequested(source=UrlSource(url="https://a.example/a.mp4"), requester="t", request_id=str(video_id))
    told = tell(fact, video_id=video_id, lane="bulk", cause=None, time=datetime.now(UTC))
    await bus.publish(told)
    return told


async def told_of(bus: Bus, video_id: UUID) -> list[Told[Any]]:
    return [decode(m.subject, m.headers, m.data) for m in await bus.history(video_id)]


async def until_told(bus: Bus, video_id: UUID, kind: type[Any]) -> Told[Any]:
    with patience() as look:
        while True:
            for one in await told_of(bus, video_id):
                if isinstance(one.fact, kind):
                    return one
            look(kind.TYPE)
            await asyncio.sleep(0.05)


async def until_all_is_acknowledged(bus: Bus) -> None:
    with patience() as look:
        while True:
            info = await bus.jetstream.consumer_info(FACTS_STREAM, "download-bulk")
            if not (info.num_ack_pending or info.num_pending):
                return
            look("the last acknowledgement")
            await asyncio.sleep(0.05)


async def require_whole(bus: Bus, settings: Settings, asked: Told[Any], tmp_path: Path) -> int:
    """One result, its object as it should be, no message left; returns how many results too many there are."""
    await until_all_is_acknowledged(bus)
    results = [one for one in await told_of(bus, asked.video_id) if isinstance(one.fact, VideoDownloaded)]
    S3Store(settings).get(results[0].fact.source.key, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == CONTENT
    manifests = list(S3Store(settings).listed(f"videos/{asked.video_id}/manifests/"))
    assert len(manifests) == 1
    return len(results) - 1


@pytest.mark.parametrize("point", ["at work", "after the object", "after the fact"])
async def test_a_worker_killed_at_a_point_is_followed_by_another_and_the_fact_is_told_once(
    bus: Bus, settings: Settings, workers: Workers, tmp_path: Path, outcome: Any, point: str
) -> None:
    asked = await ask(bus)
    first = workers.start(point)
    code = await asyncio.to_thread(first.wait, 60)
    died = time.monotonic()

    workers.start(point)
    answer = await until_told(bus, asked.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - died
    doubled = await require_whole(bus, settings, asked, tmp_path)

    outcome(f"kill -9 of a worker {point}", tried=1, lost=0, doubled=doubled, recovered_s=recovered_s)
    assert code == -signal.SIGKILL
    assert doubled == 0
    assert answer.cause == asked.id
    assert workers.mark.read_text() == "died\n"


async def test_a_job_that_always_kills_its_worker_fails_once_and_the_stage_goes_on(
    bus: Bus, workers: Workers, outcome: Any
) -> None:
    poison = await ask(bus)
    for _ in range(5):  # the attempts of a download
        workers.start("at work, always")
        await asyncio.to_thread(workers.running[-1].wait, 60)
        await asyncio.sleep(0.5)
    began = time.monotonic()

    workers.start()
    failed = await until_told(bus, poison.video_id, StageFailed)
    good = await ask(bus)
    await until_told(bus, good.video_id, VideoDownloaded)
    await until_all_is_acknowledged(bus)
    failures = [one for one in await told_of(bus, poison.video_id) if isinstance(one.fact, StageFailed)]

    outcome(
        "a job that kills its worker, five times",
        tried=5,
        lost=0,
        doubled=len(failures) - 1,
        recovered_s=time.monotonic() - began,
    )
    assert "did not survive this message 5 times" in failed.fact.reason
    assert len(failures) == 1


async def test_a_zombie_that_finishes_late_changes_nothing(
    bus: Bus, settings: Settings, workers: Workers, tmp_path: Path, outcome: Any
) -> None:
    asked = await ask(bus)
    zombie = workers.start("asleep", ASLEEP_S="3")
    with patience() as look:
        while not workers.mark.exists():
            look("the work's beginning")
            await asyncio.sleep(0.02)
    zombie.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()

    workers.start("asleep", ASLEEP_S="3")
    first = await until_told(bus, asked.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - stopped
    zombie.send_signal(signal.SIGCONT)
    await asyncio.sleep(4)  # it wakes up, finishes its work and tells it
    doubled = await require_whole(bus, settings, asked, tmp_path)
    results = [one for one in await told_of(bus, asked.video_id) if isinstance(one.fact, VideoDownloaded)]

    outcome("SIGSTOP past the ack wait, then a late finish", tried=1, lost=0, doubled=doubled, recovered_s=recovered_s)
    assert doubled == 0
    assert results[0].id == first.id
    assert psutil.pid_exists(zombie.pid)


async def test_a_worker_cut_off_from_nats_in_mid_work_tells_its_result_once_when_it_is_back(
    bus: Bus, settings: Settings, workers: Workers, tmp_path: Path, outcome: Any
) -> None:
    address, _, port = settings.nats_url.rpartition(":")
    async with link("127.0.0.1", int(port)) as wire:
        asked = await ask(bus)
        workers.start("asleep", ASLEEP_S="1", HEATERS_NATS_URL=f"{address}:{wire.port}")
        with patience() as look:
            while not workers.mark.exists():
                look("the work's beginning")
                await asyncio.sleep(0.02)
        wire.turn(Weather.REFUSING)
        await asyncio.sleep(3)
        wire.turn(Weather.FINE)
        back = time.monotonic()
        await until_told(bus, asked.video_id, VideoDownloaded)
        recovered_s = time.monotonic() - back
        doubled = await require_whole(bus, settings, asked, tmp_path)

    outcome("the network to NATS cut in mid-work", tried=1, lost=0, doubled=doubled, recovered_s=recovered_s)
    assert doubled == 0
    assert wire.met


@pytest.mark.parametrize(
    "weather", [Weather.REFUSING, Weather.SLOW, Weather.CUTTING, Weather.UNAVAILABLE, Weather.LYING], ids=str
)
async def test_a_store_in_bad_weather_costs_no_attempt_and_loses_nothing(
    bus: Bus, settings: Settings, workers: Workers, tmp_path: Path, outcome: Any, weather: Weather
) -> None:
    host, _, port = settings.s3_endpoint.removeprefix("http://").partition(":")
    async with link(host, int(port)) as wire:
        wire.turn(weather)
        asked = await ask(bus)
        workers.start(HEATERS_S3_ENDPOINT=f"http://127.0.0.1:{wire.port}")
        with patience() as look:
            while not wire.met:
                look("a request to the store")
                await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        wire.turn(Weather.FINE)
        fine = time.monotonic()
        answer = await until_told(bus, asked.video_id, VideoDownloaded)
        recovered_s = time.monotonic() - fine
        doubled = await require_whole(bus, settings, asked, tmp_path)
        failures = [one for one in await told_of(bus, asked.video_id) if isinstance(one.fact, StageFailed)]

    outcome(f"S3 {weather}", tried=1, lost=0, doubled=doubled, recovered_s=recovered_s)
    assert doubled == 0
    assert failures == []
    assert answer.work is not None
    assert answer.work.attempt == 1
    assert not list((settings.cache_dir / "work").iterdir())
