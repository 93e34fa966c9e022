"""Whether this replica can do its work, and if not, why."""

import asyncio
from typing import Protocol

from heaters_edges.failure import MissingObject, TryLater, Unavailable
from heaters_edges.objects import Objects
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.db.passed import Passed
from heaters_review_api.db.projector import Projector
from heaters_review_api.db.queries import Queries

_MOST_BEHIND = 5000


class Connection(Protocol):
    """The bus, as far as readiness asks."""

    @property
    def connected(self) -> bool:
        """Whether it is connected."""

    async def last_sequence(self) -> int:
        """The newest message's sequence."""


class Readiness:
    """Asks the bus, the database, the store and the projector."""

    def __init__(
        self, bus: Connection, queries: Queries, objects: Objects, projector: Projector, passed: Passed
    ) -> None:
        self._bus = bus
        self._queries = queries
        self._objects = objects
        self._projector = projector
        self._passed = passed

    async def troubles(self) -> dict[str, str]:
        """What is wrong, by part; empty when all is well."""
        wrong: dict[str, str] = {}
        if not self._bus.connected:
            wrong["bus"] = "not connected to NATS"
        else:
            try:
                lag = await self._bus.last_sequence() - self._passed.sequence
                if lag > _MOST_BEHIND:
                    wrong["projection"] = f"{lag} facts behind the stream"
            except Unavailable as problem:
                wrong["bus"] = str(problem)
        try:
            await self._queries.check()
        except (SQLAlchemyError, OSError) as problem:
            wrong["database"] = str(getattr(problem, "orig", problem)).strip().splitlines()[0]
        try:
            async with asyncio.timeout(5):
                await asyncio.to_thread(self._objects.store.check)
        except (TryLater, MissingObject, Unavailable, TimeoutError) as problem:
            wrong["store"] = str(problem) or "the object store does not answer"
        if short := self._objects.no_space():
            wrong["space"] = short
        if self._projector.trouble:
            wrong["projector"] = self._projector.trouble
        return wrong
