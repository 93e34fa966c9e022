"""What moves while people watch: progress of stages, and changes of the tables, the same from every replica."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from heaters_edges.bus import Progress

from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import Change, Queries

_STALE_S = 120.0
_PAGE = 500


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


class Changes:
    """The facts as the tables have come to show them, for any number of watchers. They come from the projection, so any replica
    can go on where another left off."""

    def __init__(self, queries: Queries, passed: Passed) -> None:
        self._queries = queries
        self._passed = passed
        self.closing = asyncio.Event()

    async def since(self, sequence: int | None, *, pause_s: float) -> AsyncIterator[list[Change]]:
        """Changes after a sequence (None: from now on), in order; an empty list after each pause in which nothing happened."""
        seen = self._passed.sequence if sequence is None else sequence
        while not self.closing.is_set():
            up_to = self._passed.sequence
            if seen < up_to:
                changes = await self._queries.changes(after=seen, up_to=up_to, limit=_PAGE)
                seen = changes[-1].sequence if len(changes) == _PAGE else up_to
                if changes:
                    yield changes
                continue
            if not await self._passed.moved(pause_s, unless=self.closing):
                yield []
