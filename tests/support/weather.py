"""A TCP proxy between a service and a server, whose weather a test makes: fine, refusing, silent, slow, cutting off, or lying."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

_CHUNK = 16 * 1024
_LENGTH = re.compile(rb"(?i)(content-length: )(\d+)")


class Weather(StrEnum):
    """What happens to a connection."""

    FINE = "fine"
    REFUSING = "refusing"  # the connection is closed at once
    SILENT = "silent"  # nothing comes back, nothing is closed
    SLOW = "slow"  # some kilobytes a second
    CUTTING = "cutting off in the middle"  # closed after the first bytes of an answer
    UNAVAILABLE = "answering 503"
    LYING = "lying about length"  # the answer says fewer bytes than the object has, and gives no more
    TEARING = "tearing uploads in the middle"  # closed after half of what is sent


class Link:
    """The proxy. Connections that stand when the weather turns are cut."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.weather = Weather.FINE
        self.port = 0
        self.met = 0
        """How many connections have met bad weather."""

    def turn(self, weather: Weather) -> None:
        """Let the weather turn; connections that stand are cut."""
        self.weather = weather
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._writers.add(back)
        weather = self.weather
        self.met += weather != Weather.FINE
        far_writer = None
        try:
            if weather == Weather.REFUSING:
                return
            if weather == Weather.SILENT:
                await asyncio.sleep(3600)
            if weather == Weather.UNAVAILABLE:
                await near.read(_CHUNK)
                back.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await back.drain()
                return
            far, far_writer = await asyncio.open_connection(self._host, self._port)
            self._writers.add(far_writer)
            there = Weather.CUTTING if weather == Weather.TEARING else Weather.FINE
            back_again = Weather.FINE if weather == Weather.TEARING else weather
            await asyncio.gather(self._pipe(near, far_writer, there), self._pipe(far, back, back_again))
        except OSError:
            pass
        finally:
            for writer in (back, far_writer):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.close()

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, weather: Weather) -> None:
        with suppress(OSError):
            while data := await source.read(2048 if weather == Weather.SLOW else _CHUNK):
                if weather == Weather.SLOW:
                    await asyncio.sleep(0.05)
                if weather == Weather.LYING:
                    data = _shorter(data)
                target.write(data[: len(data) // 2] if weather == Weather.CUTTING else data)
                await target.drain()
                if weather in (Weather.CUTTING, Weather.LYING):
                    break
        target.close()

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(near, back))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shorter(answer: bytes) -> bytes:
    """An HTTP answer whose body is half as long, and says so."""
    head, parted, body = answer.partition(b"\r\n\r\n")
    found = _LENGTH.search(head)
    if not found or not body:
        return answer
    half = int(found[2]) // 2
    return _LENGTH.sub(rb"\g<1>" + str(half).encode(), head) + parted + body[:half]


@asynccontextmanager
async def link(host: str, port: int) -> AsyncIterator[Link]:
    """A proxy to a server, on a free port of this host."""
    one = Link(host, port)
    server = await asyncio.start_server(one._accept, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        one.turn(Weather.REFUSING)
        for task in list(one._tasks):
            task.cancel()
        await asyncio.gather(*one._tasks, return_exceptions=True)
