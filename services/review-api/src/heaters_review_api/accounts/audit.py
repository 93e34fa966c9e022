"""Who did what, when, from where, and what came of it: appended by this service alone, and never changed."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db.texts import plain

log = logging.getLogger("heaters.audit")

_BATCH = 500
_GATHER_S = 0.25
"""Nobody waits for a deed to be written, and a transaction for each of them takes from those who wait for their verdicts."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that somebody did, or tried to."""

    actor: str
    via: str
    address: str
    action: str
    subject: str
    outcome: int
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed as it is kept."""

    id: int
    at: datetime
    deed: Deed


class Audit:
    """The log of deeds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: asyncio.Queue[Deed] = asyncio.Queue()

    def put_down(self, deed: Deed) -> None:
        """Have a deed written soon: nobody waits for it. It is in this service's log at once."""
        _tell(deed)
        self._waiting.put_nowait(deed)

    async def note(self, deed: Deed) -> None:
        """Write a deed, and return when it is written."""
        _tell(deed)
        await self._write([deed])

    async def run(self) -> None:
        """Write what is put down, for ever; when it is cancelled, all of it first."""
        try:
            while True:
                first = await self._waiting.get()
                try:
                    await asyncio.sleep(_GATHER_S)
                finally:
                    await _whole(self._write([first, *self._taken()]))
        finally:
            if rest := self._taken():
                await _whole(self._write(rest))

    def _taken(self) -> list[Deed]:
        taken: list[Deed] = []
        while not self._waiting.empty() and len(taken) < _BATCH:
            taken.append(self._waiting.get_nowait())
        return taken

    async def _write(self, deeds: Sequence[Deed]) -> None:
        query = """
            INSERT INTO app.audit (actor, via, address, action, subject, outcome, detail)
            VALUES (:actor, :via, :address, :action, :subject, :outcome, CAST(:detail AS jsonb))
        """
        # One text that Postgres does not store would take all that is written with it out of the log.
        rows = [{**said, "detail": json.dumps(said["detail"])} for said in (plain(asdict(deed)) for deed in deeds)]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(text(query), rows)
        except (SQLAlchemyError, OSError) as problem:
            log.error("deeds are in this log only", extra={"deeds": len(rows), "reason": type(problem).__name__})

    async def entries(self, *, before: int | None, actor: str | None, limit: int) -> list[Entry]:
        """The newest first."""
        query = """
            SELECT id, at, actor, via, address, action, subject, outcome, detail FROM app.audit
            WHERE (CAST(:before AS bigint) IS NULL OR id < :before) AND (CAST(:actor AS text) IS NULL OR actor = :actor)
            ORDER BY id DESC LIMIT :limit
        """
        async with self._engine.connect() as connection:
            rows = await connection.execute(text(query), {"before": before, "actor": actor, "limit": limit})
            return [
                Entry(r.id, r.at, Deed(r.actor, r.via, r.address, r.action, r.subject, r.outcome, r.detail))
                for r in rows
            ]


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, and be cancelled only then: what nobody waits for would outlive the pool whose connection it has."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await working
        raise


def _tell(deed: Deed) -> None:
    log.info("audit", extra=asdict(deed))
