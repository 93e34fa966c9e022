"""The real review-api as a process of its own, and the way to ask it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heaters_local.process import tail
from heaters_local.servers import PostgresServer, free_port
from heaters_review_api.__main__ import migrate_all
from heaters_review_api.settings import Settings
from pydantic import SecretStr

from benchmarks._http import Connection
from benchmarks._servers import servers

TOKEN = "a-token-for-benchmarks"  # noqa: S105 - of a server that lives as long as the benchmark
_READY_WITHIN_S = 120


def client(settings: Settings) -> Connection:
    """A connection to it, with a token that may do everything."""
    return Connection(settings.listen, TOKEN)


@contextmanager
def desk_servers(kept: Path | None) -> Iterator[tuple[Path, Settings, PostgresServer]]:
    """NATS, S3 and Postgres with all their tables, for one review-api: their folder, and its settings.

    Args:
        kept: where they stay for the next run; None: they are gone with this one.
    """
    with servers(kept) as (folder, edges), PostgresServer(folder / "postgres", free_port()) as postgres:
        values = edges.model_dump() | {
            "listen": f"127.0.0.1:{free_port()}",
            "database_url": SecretStr(postgres.dsn),
            "token": SecretStr(TOKEN),
            "free_space_bytes": 0,
        }
        settings = Settings(**values)
        asyncio.run(migrate_all(settings))
        yield folder, settings, postgres


@contextmanager
def review_api(settings: Settings, log: Path) -> Iterator[None]:
    """It runs, and is ready.

    Raises:
        RuntimeError: it did not come up; the end of its log is told.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "heaters_review_api"], env=_environment(settings), stdout=out, stderr=out
        )
        try:
            asyncio.run(_until_ready(settings, process, log))
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _environment(settings: Settings) -> dict[str, str]:
    said = {}
    for name, value in settings.model_dump(exclude={"lanes"}).items():
        if value not in (None, ()):
            said[f"HEATERS_{name.upper()}"] = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **said}


async def _until_ready(settings: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            async with client(settings) as asking:
                if (await asking.ask("GET", "/readyz")).status == 200:
                    return
        except OSError:
            pass  # it does not listen yet
        await asyncio.sleep(0.2)
    raise RuntimeError(f"review-api is not ready (exit code {process.poll()}):\n{tail(log)}")
