"""The real review-api as a process of its own, on servers of its own: for tests that kill it, or send it anything whatever."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
from heaters_contracts.fact import Fact, Told
from heaters_edges.bus import Bus
from heaters_local.servers import NatsServer, PostgresServer, S3Server, free_port
from heaters_review_api.settings import Settings
from pydantic import SecretStr

TOKEN = "a-token-for-tests"
SUPPORT = Path(__file__).parent


class ReviewProcess:
    """NATS, Postgres, S3 and one review-api."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        try:
            self.nats = enter(NatsServer(self._folder / "nats", free_port()))
            self.postgres = enter(PostgresServer(self._folder / "postgres", free_port()))
            s3 = enter(S3Server(self._folder / "s3", free_port()))
            wanted: dict[str, Any] = {
                "nats_url": self.nats.url,
                "s3_endpoint": s3.endpoint,
                "s3_bucket": "heaters",
                "s3_access_key": s3.access_key,
                "s3_secret_key": s3.secret_key,
                "cache_dir": self._folder / "cache",
                "free_space_bytes": 0,
                "listen": f"127.0.0.1:{free_port()}",
                "database_url": self.postgres.dsn,
                "token": TOKEN,
            }
            self.settings = Settings(**wanted)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stack.close()

    def start(self, *words: str, **said: str) -> None:
        """Start it and wait until it is ready.

        Args:
            *words: to be run instead of `-m heaters_review_api`.
            **said: more of its environment.
        """
        with (self._folder / "review-api.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(*words),
                env=self.environment() | said,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.address}/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"review-api is not ready:\n{self.log()[-3000:]}")

    def clients(self) -> set[tuple[str, int]]:
        """The addresses of those whose connections it holds just now."""
        if self._process is None:
            return set()
        return {tuple(one.raddr) for one in psutil.Process(self._process.pid).net_connections("tcp") if one.raddr}

    def freeze(self) -> None:
        """It stands still, and its connections live on."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(60)
            self._process = None
            self.kills += 1

    async def died(self, within_s: float = 60) -> int:
        """Wait until it has ended by itself; returns its exit code, negative for the signal that ended it."""
        assert self._process is not None
        code = await asyncio.to_thread(self._process.wait, within_s)
        self._process = None
        return code

    def stop(self) -> None:
        """As an operator would."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def log(self) -> str:
        """What it has said so far."""
        return (self._folder / "review-api.log").read_text()

    @property
    def runs(self) -> bool:
        """Whether there is a review-api just now."""
        return self._process is not None and self._process.poll() is None

    @staticmethod
    def command(*words: str) -> list[str]:
        """What starts one."""
        return [sys.executable, *(words or ("-m", "heaters_review_api"))]

    @property
    def signed(self) -> dict[str, str]:
        """The headers of who is signed in."""
        return {"authorization": f"Bearer {TOKEN}"}

    @property
    def address(self) -> str:
        return f"http://{self.settings.listen}"

    def client(self) -> httpx.AsyncClient:
        """Signed in."""
        return httpx.AsyncClient(base_url=self.address, headers=self.signed, trust_env=False, timeout=30)

    @asynccontextmanager
    async def another(self) -> AsyncIterator[httpx.AsyncClient]:
        """A second replica on the same servers, ready; its client. It must end well."""
        address = f"127.0.0.1:{free_port()}"
        process = await asyncio.create_subprocess_exec(
            *self.command(), env=self.environment() | {"HEATERS_LISTEN": address}, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with httpx.AsyncClient(
                base_url=f"http://{address}", headers=self.signed, trust_env=False, timeout=30
            ) as client:
                await _until_ready(client)
                yield client
        finally:
            process.terminate()
            code = await asyncio.wait_for(process.wait(), 60)
        assert code == 0

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        bus = Bus(self.settings, source="tests")
        await bus.connect()
        try:
            yield bus
        finally:
            await bus.close()

    async def tell(self, facts: Iterable[Told[Fact]]) -> None:
        """Tell facts to the stream."""
        async with self.bus() as bus:
            for told in facts:
                await bus.publish(told)

    def environment(self) -> dict[str, str]:
        """The settings, as a process takes them."""
        said = {}
        for name, value in self.settings.model_dump(exclude={"lanes"}).items():
            if value not in (None, ()):
                text = value.get_secret_value() if isinstance(value, SecretStr) else value
                said[f"HEATERS_{name.upper()}"] = ",".join(text) if isinstance(text, tuple) else str(text)
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **said}


async def _until_ready(client: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        await asyncio.sleep(0.05)
    raise AssertionError("a second review-api is not ready")
