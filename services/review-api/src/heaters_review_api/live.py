"""What moves while people watch: progress of stages, and changes of the tables, the same from every replica."""

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from heaters_edges.bus import Progress
from heaters_edges.ending import end
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Histogram
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import Change

_STALE_S = 120.0
_PAGE = 500
_KEPT = 10_000
_POLL_S = 1.0
_REST_PER_WATCHER_S = 0.000_2

log = logging.getLogger(__name__)

BEHIND = Histogram(
    "heaters_live_seconds",
    "Time from a fact until those who watch are told of it",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
    registry=REGISTRY,
)


class ChangeLog(Protocol):
    """Where changes come from."""

    async def changes(self, *, after: int, up_to: int, limit: int) -> list[Change]:
        """What has changed the tables, in order: facts with a sequence in (after, up_to]."""


class ProgressStream(Protocol):
    """Where progress comes from."""

    def progress(self) -> AsyncIterator[Progress]:
        """The last word of each stage on each video, then every new one; for ever."""


class ProgressBoard:
    """The last word of each stage on each video, as long as it is news."""

    def __init__(self) -> None:
        self._last: dict[tuple[UUID, str], tuple[Progress, float]] = {}

    async def watch(self, bus: ProgressStream) -> None:
        """Take in what stages say, for ever."""
        async for said in bus.progress():
            self.take(said)

    def take(self, said: Progress) -> None:
        """A word of a stage; one that has ended is forgotten."""
        if said.fraction >= 1:
            self._last.pop((said.video_id, said.stage), None)
        else:
            age_s = max(0.0, time.time() - said.at.timestamp())
            self._last[said.video_id, said.stage] = (said, time.monotonic() - age_s)

    def now(self) -> list[Progress]:
        """What is being worked on; a stage that has said nothing for two minutes is not."""
        oldest = time.monotonic() - _STALE_S
        for key in [key for key, (_, at) in self._last.items() if at < oldest]:
            del self._last[key]
        return [said for said, _ in self._last.values()]


class TooSlow(Exception):
    """A watcher did not take what memory holds before newer changes took its place; `seen` is the last that it has."""

    def __init__(self, seen: int) -> None:
        super().__init__(f"change {seen} and those after it are no longer in memory")
        self.seen = seen


class Changes:
    """The facts as the tables have come to show them, for any number of watchers.

    They come from the projection, so any replica can go on where another left off. One reader a process asks the database, and only
    while somebody watches; every watcher holds no more than its place in what the reader keeps. Who asks for older ones is given them
    from the database, until it has come to what memory holds.
    """

    def __init__(self, queries: ChangeLog, passed: Passed, *, kept: int = _KEPT) -> None:
        self._queries = queries
        self._passed = passed
        self._kept = kept
        self._changes: list[Change] = []
        self._floor = self._last = 0
        """Memory holds the changes with a sequence in (floor, last]."""
        self._more = asyncio.Event()
        self._watchers = 0
        self._reader: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    async def since(self, sequence: int | None, *, pause_s: float) -> AsyncGenerator[Sequence[Change], None]:
        """Changes after a sequence (None: from now on), in order; an empty list after each pause in which nothing happened.

        Raises:
            TooSlow: whoever takes them had come to the newest, and has fallen behind what memory holds.
        """
        self._watchers += 1
        if self._reader is None:
            self._begin()
        try:
            seen = self._last if sequence is None else sequence
            while seen < self._floor and not self.closing.is_set():
                up_to = self._last
                changes = await self._queries.changes(after=seen, up_to=up_to, limit=_PAGE)
                seen = changes[-1].sequence if len(changes) == _PAGE else up_to
                if changes:
                    yield changes
            while not self.closing.is_set():
                if seen < self._floor:
                    raise TooSlow(seen)
                if seen < self._last:
                    new = self._changes[bisect_right(self._changes, seen, key=_sequence) :]
                    seen = self._last
                    if new:
                        yield new
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
                            await self._more.wait()
                        continue
                    yield []
        finally:
            self._watchers -= 1
            if self._watchers == 0 and self._reader is not None:
                reader, self._reader = self._reader, None
                await end([reader])

    def _begin(self) -> None:
        self._changes.clear()
        self._floor = self._last = self._passed.sequence
        self._reader = asyncio.create_task(self._read(), name="changes")

    async def _read(self) -> None:
        """Take in what the tables have come to show, until this process ends or nobody watches any more."""
        while not self.closing.is_set():
            if self._passed.sequence <= self._last:
                await self._passed.moved(_POLL_S, unless=self.closing)
                continue
            up_to = self._passed.sequence
            try:
                changes = await self._queries.changes(after=self._last, up_to=up_to, limit=_PAGE)
            except (SQLAlchemyError, OSError) as problem:
                log.warning("changes were not read yet", extra={"reason": str(problem)})
                await asyncio.sleep(_POLL_S)
                continue
            if changes:
                BEHIND.observe(max(0.0, time.time() - changes[-1].at.timestamp()))
            self._changes += changes
            self._last = changes[-1].sequence if len(changes) == _PAGE else up_to
            if (surplus := len(self._changes) - self._kept) > self._kept // 4:
                self._floor = self._changes[surplus - 1].sequence
                del self._changes[:surplus]
            self._wake()
            # To wake a watcher costs this process's time, which people who decide wait for too: the more of them, the more at a time.
            await asyncio.sleep(self._watchers * _REST_PER_WATCHER_S)
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


def _sequence(change: Change) -> int:
    return change.sequence
