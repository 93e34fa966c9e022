"""Twins of the edges for tests, held to the same contract suite as the real ones."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from heaters_contracts.fact import Fact, Told, encode

from heaters_edges.bus import Ack, Stale, Stored
from heaters_edges.failure import Archived, MissingObject
from heaters_edges.register import Decide
from heaters_edges.remote import Address

T = TypeVar("T")


class MemoryBus:
    """A facts stream in memory: deduplication, expectations and following, as the server does them."""

    def __init__(self, *, source: str = "test") -> None:
        self.source = source
        self.messages: list[Stored] = []
        self._by_id: dict[str, int] = {}
        self._more = asyncio.Condition()

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact; the expectation is checked before duplicates, as the server does."""
        message = encode(told, source=self.source)
        if expect is not None and self._version(told.video_id) != expect:
            raise Stale(f"the video of {message.subject} has moved on: {self._version(told.video_id)}, not {expect}")
        if (known := self._by_id.get(str(told.id))) is not None:
            return Ack(known, duplicate=True)
        stored = Stored(len(self.messages) + 1, datetime.now(UTC), message.subject, message.headers, message.data)
        async with self._more:
            self.messages.append(stored)
            self._by_id[str(told.id)] = stored.sequence
            self._more.notify_all()
        return Ack(stored.sequence, duplicate=False)

    def _version(self, video_id: UUID) -> int:
        return max((m.sequence for m in self.messages if m.subject.endswith(f".{video_id}")), default=0)

    async def follow(self, after: int, *, most: int = 500) -> AsyncIterator[list[Stored]]:
        """Every message after a sequence, in order, for ever."""
        position = after
        while True:
            async with self._more:
                await self._more.wait_for(lambda: len(self.messages) > position)  # noqa: B023 - waited for at once
                batch = self.messages[position : position + most]
            position += len(batch)
            yield batch

    async def last_sequence(self) -> int:
        """The newest message's sequence; 0 if there is none."""
        return len(self.messages)

    async def history(self, video_id: UUID) -> list[Stored]:
        """One video's facts, in order."""
        return [m for m in self.messages if m.subject.endswith(f".{video_id}")]


class FolderStore:
    """An object store in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sha256: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        """(operation, key) of every request, in order."""
        self.frozen: set[str] = set()
        """Keys in cold storage: a test puts them there and takes them out."""
        self._asked: set[str] = set()

    def put(self, path: Path, key: str, *, content_type: str, sha256: str, storage_class: str | None = None) -> None:
        """Copy a file in."""
        self.requests.append(("put", key))
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        self._sha256[key] = sha256

    def put_first(self, data: bytes, key: str) -> bool:
        """Write a new file."""
        self.requests.append(("put_first", key))
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def get(self, key: str, path: Path) -> None:
        """Copy a file out."""
        self.requests.append(("get", key))
        shutil.copyfile(self._readable(key), path)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Some bytes."""
        self.requests.append(("get_range", key))
        return self._readable(key).read_bytes()[offset : offset + length]

    def head(self, key: str) -> tuple[int, str | None] | None:
        """Size and sha256, or None."""
        self.requests.append(("head", key))
        target = self._folder / key
        return (target.stat().st_size, self._sha256[key]) if target.exists() else None

    def thaw(self, key: str, *, days: int) -> None:
        """Note that somebody asked."""
        self.requests.append(("restore", key))
        self._asked.add(key)

    def thawed(self, key: str) -> bool:
        """Whether it was asked for and is there again."""
        self.requests.append(("head", key))
        self._existing(key)
        return key in self._asked - self.frozen

    def delete(self, key: str) -> None:
        """Remove."""
        self.requests.append(("delete", key))
        (self._folder / key).unlink(missing_ok=True)

    def url(self, key: str, *, expires_s: int, name: str | None = None) -> str:
        """A file address."""
        return (self._folder / key).as_uri()

    def address(self, key: str, *, expires_s: int) -> Address | None:
        """A folder has none."""
        return None

    def check(self) -> None:
        """A folder is always there."""

    def _readable(self, key: str) -> Path:
        if key in self.frozen:
            raise Archived(f"{key} lies in cold storage")
        return self._existing(key)

    def _existing(self, key: str) -> Path:
        target = self._folder / key
        if not target.exists():
            raise MissingObject(f"there is no object {key} in {self._folder}")
        return target


class MemoryRegister:
    """Shared values in memory."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    async def change(self, key: str, decide: Decide[T]) -> T:
        """Change a value; nobody else can meanwhile."""
        new, answer = decide(self.values.get(key))
        if new is not None:
            self.values[key] = new
        return answer
