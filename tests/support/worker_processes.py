"""Workers as processes that a test kills, stops and starts, and what is to be found when all is over."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from faulty_worker import content_of
from heaters_contracts.fact import Lane, Told, Unreadable, decode, tell
from heaters_contracts.facts import StageFailed, VideoDownloaded, VideoRequested
from heaters_contracts.ingest import UrlSource
from heaters_contracts.pipeline import FACTS_STREAM
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_local.servers import free_port

SUPPORT = Path(__file__).parent
ACK_WAIT_S = 3.0


class Worker:
    """One worker process."""

    def __init__(self, script: str, environment: dict[str, str], log: Path) -> None:
        self._address = f"http://{environment['HEATERS_LISTEN']}"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(SUPPORT / script)], env=environment, stdout=file, stderr=file
            )

    async def ended(self, within_s: float = 60) -> int:
        """Wait for its end; returns its exit code, negative for the signal that ended it."""
        return await asyncio.to_thread(self.process.wait, within_s)

    def readiness(self) -> tuple[int, str]:
        """What it says of itself; (0, "") while it does not listen."""
        try:
            answer = httpx.get(f"{self._address}/readyz", trust_env=False, timeout=5)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    async def until_ready(self) -> None:
        await until(self._is_ready, "a worker that is ready")

    async def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.poll()}"
        return (await asyncio.to_thread(self.readiness))[0] == 200


class Workers:
    """Worker processes of a test; all end with it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.mark = folder / "mark"
        self.running: list[Worker] = []

    def start(self, fault: str = "", *, script: str = "faulty_worker.py", **said: str) -> Worker:
        """Start one.

        Args:
            fault: where it is to fail, see `faulty_worker.py`.
            script: which worker, of this folder.
            **said: more of its environment.
        """
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
        self.running.append(Worker(script, environment, self._folder / "worker.log"))
        return self.running[-1]

    @property
    def log(self) -> str:
        """What all of them have said."""
        return (self._folder / "worker.log").read_text()

    async def until_at_work(self) -> None:
        """Until one of them has begun a job on which it was told to sleep."""

        async def begun() -> bool:
            return self.mark.exists()

        await until(begun, "the work's beginning")

    def stop(self) -> None:
        """End all that run, as a power cut would."""
        for one in self.running:
            one.process.kill()
            one.process.wait(60)


@contextmanager
def patience(seconds: float = 60) -> Iterator[Callable[[str], None]]:
    """Gives a function that fails, with what was awaited, once the time is up."""
    deadline_s = time.monotonic() + seconds

    def look(what: str) -> None:
        assert time.monotonic() < deadline_s, f"{what} did not come within {seconds:g} s"

    yield look


async def until(look: Callable[[], Awaitable[bool]], what: str, *, within_s: float = 60) -> None:
    """Look again and again until it is so."""
    with patience(within_s) as still:
        while not await look():
            still(what)
            await asyncio.sleep(0.05)


async def ask(bus: Bus, kind: str = "plain", *, lane: Lane = "bulk") -> Told[VideoRequested]:
    """Ask for a video; its kind says what becomes of it in `faulty_worker.py`."""
    video_id = uuid4()
    fact = VideoRequested(
        source=UrlSource(url="https://a.example/a.mp4"), requester="t", request_id=f"{kind}-{video_id}"
    )
    told = tell(fact, video_id=video_id, lane=lane, cause=None, time=datetime.now(UTC))
    return told.stored((await bus.publish(told)).sequence, datetime.now(UTC))


async def told_of(bus: Bus, video_id: UUID) -> list[Told[Any]]:
    """All facts of a video that this release can read."""
    found = []
    for message in await bus.history(video_id):
        try:
            found.append(decode(message.subject, message.headers, message.data))
        except Unreadable:
            continue  # it was told so on purpose
    return found


async def until_told(bus: Bus, video_id: UUID, kind: type[Any], *, within_s: float = 60) -> Told[Any]:
    """Wait for a fact of a kind; the first one."""
    found: list[Told[Any]] = []

    async def told() -> bool:
        found.extend(one for one in await told_of(bus, video_id) if isinstance(one.fact, kind))
        return bool(found)

    await until(told, kind.TYPE, within_s=within_s)
    return found[0]


async def until_all_is_acknowledged(bus: Bus, consumer: str = "download-bulk") -> None:
    """Wait until no message is left, nor in anybody's hands."""

    async def nothing_is_left() -> bool:
        info = await bus.jetstream.consumer_info(FACTS_STREAM, consumer)
        return not (info.num_ack_pending or info.num_pending)

    await until(nothing_is_left, "the last acknowledgement")


def expected(*asked: Told[VideoRequested]) -> list[str]:
    """What each of these must have come to, exactly once."""
    found = []
    for one in asked:
        digest = hashlib.sha256(content_of(one.fact.request_id)).hexdigest()
        found += [
            f"video.downloaded, attempt 1, of {one.id}",
            f"object of {one.video_id}: {digest}",
            f"manifest of {one.video_id}",
        ]
    return found


async def found(bus: Bus, settings: Settings, *asked: Told[VideoRequested], attempts: bool = True) -> list[str]:
    """What they have come to: facts of the stream, and every object of the store by the hash of its content.

    Args:
        bus: connected.
        settings: name the store.
        *asked: the requests.
        attempts: whether the number of attempts is told, too; else each counts as the first.
    """
    store = S3Store(settings)
    seen = []
    for one in asked:
        for told in await told_of(bus, one.video_id):
            if isinstance(told.fact, VideoDownloaded):
                attempt = told.work.attempt if attempts and told.work else 1
                seen.append(f"video.downloaded, attempt {attempt}, of {told.cause}")
            elif isinstance(told.fact, StageFailed):
                seen.append(failure(told))
        for listed in await asyncio.to_thread(lambda one=one: list(store.listed(f"videos/{one.video_id}/"))):
            if "/manifests/" in listed.key:
                seen.append(f"manifest of {one.video_id}")
                continue
            copy = settings.cache_dir.parent / "read-back"
            await asyncio.to_thread(store.get, listed.key, copy)
            seen.append(f"object of {one.video_id}: {hashlib.sha256(copy.read_bytes()).hexdigest()}")
    return seen


def failure(told: Told[StageFailed]) -> str:
    """A failure in the words of `found`."""
    return f"stage.failed ({told.fact.failure_class}) of {told.video_id}"


def desks_left(settings: Settings) -> list[str]:
    """Folders of jobs that are over: none should be left by workers that were not killed."""
    return [path.name for path in (settings.cache_dir / "work").iterdir()]
