"""A worker process as a whole: started, asked for its health, given work, and stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import edges_children
import httpx
import nats
import pytest
from heaters_contracts.fact import Fact, Told, decode, tell
from heaters_contracts.facts import VideoRequested
from heaters_contracts.ingest import UrlSource
from heaters_contracts.pipeline import FACTS_STREAM
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.streams import migrate

SUPPORT = Path(edges_children.__file__).parent


class TinyWorker:
    """The process of tests/support/tiny_worker.py, and what can be asked of it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log = log
        self._address = f"http://{environment['HEATERS_LISTEN']}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(SUPPORT / "tiny_worker.py")], env=environment, stderr=file, stdout=file
            )

    def get(self, path: str) -> httpx.Response | None:
        """An answer; None while nothing listens."""
        try:
            return httpx.get(f"{self._address}{path}", trust_env=False, timeout=5)
        except httpx.TransportError:
            return None

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def ended(self) -> None:
        """Wait until it has ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=60)
        assert self.process.returncode is not None, f"it did not end:\n{self.log}"

    def terminate(self) -> None:
        """Ask it to end, and wait for that: not as long as its slow work takes."""
        self.process.send_signal(signal.SIGTERM)
        self.ended()


@pytest.fixture
def started(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., TinyWorker]]:
    workers: list[TinyWorker] = []

    def start(**more: str) -> TinyWorker:
        names = {f"HEATERS_{name.upper()}": value for name, value in more.items()}
        inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SUPPORT)}
        workers.append(TinyWorker({**inherited, **environment, **names}, tmp_path / f"worker-{len(workers)}.log"))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


@pytest.fixture
async def bus(settings: Settings, bucket: S3Store) -> AsyncIterator[Bus]:
    await migrate(settings)
    client = await nats.connect(settings.nats_url)
    await client.jetstream().purge_stream(FACTS_STREAM)
    await client.close()
    bus = Bus(settings, source="test")
    await bus.connect()
    yield bus
    await bus.close()


@contextmanager
def patience(within_s: float, what: str, worker: TinyWorker) -> Iterator[Callable[[], bool]]:
    deadline = time.monotonic() + within_s

    def still() -> bool:
        assert time.monotonic() < deadline, f"{what} did not come about:\n{worker.log}"
        time.sleep(0.05)
        return True

    yield still


def wait(look: Callable[[], bool], what: str, worker: TinyWorker, *, within_s: float = 60) -> None:
    with patience(within_s, what, worker) as still:
        while not look():
            still()


async def request(bus: Bus, kind: str = "quick") -> UUID:
    video_id = uuid4()
    fact = VideoRequested(
        source=UrlSource(url="https://films.example/a"), requester="test", request_id=f"{kind}-{video_id}"
    )
    told: Told[Fact] = tell(fact, video_id=video_id, lane="bulk", cause=None, time=datetime.now(UTC))
    await bus.publish(told)
    return video_id


async def types_of(bus: Bus, video_id: UUID) -> list[str]:
    return [decode(m.subject, m.headers, m.data).fact.TYPE for m in await bus.history(video_id)]


async def answered(bus: Bus, video_id: UUID, worker: TinyWorker) -> None:
    with patience(60, f"a video.downloaded of {video_id}", worker) as still:
        while "video.downloaded" not in await types_of(bus, video_id):
            still()


async def test_a_service_tells_its_health_and_metrics_does_its_work_and_ends_cleanly(
    bus: Bus, started: Callable[..., TinyWorker]
) -> None:
    worker = started()
    wait(worker.ready, "readiness", worker)
    video_id = await request(bus)
    await answered(bus, video_id, worker)
    wait(lambda: any(line["message"] == "done" for line in worker.lines), "the log line", worker)
    health, metrics = worker.get("/healthz"), worker.get("/metrics")

    worker.terminate()

    assert health is not None
    assert (health.status_code, health.text) == (200, "ok")
    assert metrics is not None
    assert 'heaters_jobs_total{lane="bulk",outcome="done",stage="download"} 1.0' in metrics.text
    assert "process_open_fds" in metrics.text
    assert worker.process.returncode == 0
    assert "Traceback" not in worker.log
    assert {line["service"] for line in worker.lines} == {"tiny"}
    done = next(line for line in worker.lines if line["message"] == "done")
    assert (done["stage"], done["lane"], done["attempt"]) == ("download", "bulk", 1)
    assert len(done["trace_id"]) == 32


async def test_metrics_are_where_scrapers_look(bus: Bus, started: Callable[..., TinyWorker]) -> None:
    worker = started()
    wait(worker.ready, "readiness", worker)

    answer = worker.get("/metrics")

    assert answer is not None
    assert answer.status_code == 200
    assert "heaters_cache_bytes" in answer.text


async def test_a_service_that_is_asked_to_end_in_mid_work_hands_it_back(
    bus: Bus, started: Callable[..., TinyWorker]
) -> None:
    worker = started()
    wait(worker.ready, "readiness", worker)
    video_id = await request(bus, "slow")
    wait(lambda: 'heaters_working{stage="download"} 1.0' in getattr(worker.get("/metrics"), "text", ""), "work", worker)

    worker.terminate()

    info = await bus.jetstream.consumer_info(FACTS_STREAM, "download-bulk")
    assert "Traceback" not in worker.log
    assert any(line["message"] == "handed back unfinished" for line in worker.lines)
    assert await types_of(bus, video_id) == ["video.requested"]
    assert (info.num_pending or 0) + (info.num_ack_pending or 0) == 1


async def test_one_message_mode_does_one_and_exits(bus: Bus, started: Callable[..., TinyWorker]) -> None:
    first, second = await request(bus), await request(bus)

    worker = started(one_message="true")
    worker.ended()

    assert worker.process.returncode == 0
    assert await types_of(bus, first) == ["video.requested", "video.downloaded"]
    assert await types_of(bus, second) == ["video.requested"]
    assert "Traceback" not in worker.log
    with patience(20, "the second message to be free for another", worker) as still:
        while (await bus.jetstream.consumer_info(FACTS_STREAM, "download-bulk")).num_ack_pending:
            still()


async def test_a_service_without_its_consumer_ends_and_says_what_to_do(
    bus: Bus, started: Callable[..., TinyWorker]
) -> None:
    await bus.jetstream.delete_consumer(FACTS_STREAM, "download-interactive")

    worker = started()
    worker.ended()

    assert worker.process.returncode == 1
    said = [line for line in worker.lines if line["level"] == "error"]
    assert [(line["message"], line["reason"]) for line in said] == [
        (
            "cannot start, ending",
            "the stream HEATERS has no consumer download-interactive: run `migrate` first",
        )
    ]


def test_a_service_without_a_setting_ends_before_it_connects(started: Callable[..., TinyWorker]) -> None:
    worker = started(nats_url="")
    worker.ended()

    assert worker.process.returncode == 2
    assert worker.log.startswith("HEATERS_NATS_URL is not set (")
    assert len(worker.log.splitlines()) == 1


def test_a_service_waits_for_a_bus_that_is_not_there_yet_and_ends_when_it_is_asked(
    started: Callable[..., TinyWorker],
) -> None:
    worker = started(nats_url="nats://127.0.0.1:1")
    wait(lambda: "nats reported an error" in worker.log, "a word about it", worker)
    wait(lambda: worker.get("/readyz") is not None, "an answer", worker)
    health, readiness = worker.get("/healthz"), worker.get("/readyz")

    worker.terminate()

    assert health is not None
    assert health.status_code == 200
    assert readiness is not None
    assert (readiness.status_code, readiness.text) == (503, "starting")
    assert "Traceback" not in worker.log
