"""Everything, running, with a proxy between the services and each server: so that a test can spoil the network for all of them."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from heaters_local.files import kept_secret
from heaters_local.ports import free_port
from weather import Link, Weather, link

SERVERS = ("nats", "postgres", "s3")


class Links:
    """The proxies, by the server's name; they live in a thread of their own."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._loop = asyncio.new_event_loop()
        self._ports = ports
        self._links: dict[str, Link] = {}
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def turn(self, weather: Weather, *servers: str) -> None:
        """Let the weather turn between the services and some servers; connections that stand are cut."""
        for name in servers:
            self._loop.call_soon_threadsafe(self._links[name].turn, weather)

    def port(self, server: str) -> int:
        """Where the proxy to a server listens."""
        return self._links[server].port

    @contextmanager
    def running(self) -> Iterator["Links"]:
        """All of them, until the end of the context."""
        self._thread.start()
        ready: Future[None] = Future()
        serving = asyncio.run_coroutine_threadsafe(self._serve(ready), self._loop)
        ready.result(30)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            serving.result(30)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(30)
            self._loop.close()

    async def _serve(self, ready: "Future[None]", *, _names: tuple[str, ...] = SERVERS) -> None:
        if not _names:
            ready.set_result(None)
            await self._end.wait()
            return
        name, *rest = _names
        async with link("127.0.0.1", self._ports[name]) as one:
            self._links[name] = one
            await self._serve(ready, _names=tuple(rest))


@contextmanager
def behind_links(home: Path) -> Iterator[tuple[Links, Path]]:
    """Prepare a folder for `desk.whole`: the ports of its servers, and a table whose services reach them through proxies only.

    Yields:
        The proxies, and the table.
    """
    home.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in (*SERVERS, "review-api-1")}
    (home / "ports.json").write_text(json.dumps(ports))
    with Links(ports).running() as links:
        table = resources.files("heaters_local").joinpath("table.toml").read_text()
        password = {name: kept_secret(home / name / "password") for name in ("nats", "postgres")}
        reached: dict[str, Any] = {
            "nats_url": f"nats://heaters:{password['nats']}@127.0.0.1:{links.port('nats')}",
            "database_url": f"postgresql+psycopg://heaters:{password['postgres']}@127.0.0.1:{links.port('postgres')}/heaters",
        }
        for place, address in reached.items():
            assert f"{{{place}}}" in table, f"the table does not say {place}"
            table = table.replace(f"{{{place}}}", address)
        # Browsers and uploads keep the server's own address: only the services' way is spoilt.
        inner = 'HEATERS_S3_ENDPOINT = "{s3_endpoint}"'
        assert inner in table, "the table does not say s3_endpoint"
        table = table.replace(inner, f'HEATERS_S3_ENDPOINT = "http://127.0.0.1:{links.port("s3")}"')
        file = home / "table.toml"
        file.write_text(table)
        yield links, file
