"""A client of HTTP/1.1 that costs next to nothing, so that what is measured is the server's time and not the client's."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, which must have come with a status of success."""
        if self.status >= 300:
            raise AssertionError(f"answered {self.status}: {self.body[:500]!r}")
        return json.loads(self.body)


class Connection:
    """One connection that is kept; one request at a time."""

    def __init__(self, address: str, token: str) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._head = f"Host: {address}\r\nAuthorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=1 << 22)
        return self._reader, self._writer

    async def ask(
        self, method: str, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and wait for the whole answer."""
        reader, writer = await self._open()
        data = b"" if body is None else json.dumps(body).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        if body is not None or method == "POST":
            more += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{more}\r\n".encode() + data)
        status, length = await self._header(reader)
        return Answer(status, await reader.readexactly(length))

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of an answer without an end, as they come; those that frame its chunks are among them."""
        reader, writer = await self._open()
        writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
        status, _ = await self._header(reader)
        if status != 200:
            raise AssertionError(f"{path} answered {status}")
        while line := await reader.readline():
            yield line

    @staticmethod
    async def _header(reader: asyncio.StreamReader) -> tuple[int, int]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next((int(line[15:]) for line in head if line.lower().startswith("content-length:")), 0)
        return int(head[0].split()[1]), length
