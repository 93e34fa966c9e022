"""Drop the projection, and make it again from the facts that the database keeps verbatim."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from heaters_edges.bus import Stored
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db import schema
from heaters_review_api.db.bulk import Statement, to_json
from heaters_review_api.db.locks import PROJECTION, held
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.projector import Projector

log = logging.getLogger(__name__)

_BATCH = 500
_UNDERSTOOD = """
    UPDATE facts.message AS kept SET unreadable = now.reason
    FROM facts.message AS m
    LEFT JOIN json_to_recordset(%s::json) AS now (sequence bigint, reason text) USING (sequence)
    WHERE kept.sequence = m.sequence AND m.sequence BETWEEN %s AND %s AND m.unreadable IS DISTINCT FROM now.reason
"""


class ProjectorRuns(RuntimeError):
    """A projector holds the lock; two may not write the tables."""


class _Replaying(Projector):
    """Does not write again what it reads from there: only whether this release understands a message may be new."""

    def _keep(self, batch: Sequence[Stored], unreadable: Mapping[int, str]) -> Statement:
        first, last = batch[0].sequence, batch[-1].sequence
        said = [{"sequence": sequence, "reason": reason} for sequence, reason in unreadable.items()]
        return Statement(_UNDERSTOOD, (to_json(said), first, last))


async def rebuild(engine: AsyncEngine) -> int:
    """Replay all facts into empty tables.

    Returns:
        How many messages were replayed. Those that came to the stream meanwhile follow when a projector runs again.

    Raises:
        ProjectorRuns: a replica of review-api is projecting.
    """
    async with held(engine, PROJECTION, wait=False) as alone:
        if not alone:
            raise ProjectorRuns("a replica of review-api is projecting: stop all of them first")
        await _empty(engine)
        projector = _Replaying(engine, Passed())
        await projector.resume()
        replayed, batch = 0, await _next(engine, projector.position)
        while batch:
            async with asyncio.TaskGroup() as both:
                following = both.create_task(_next(engine, batch[-1].sequence))
                both.create_task(projector.apply(batch))
            replayed += len(batch)
            batch = following.result()
        log.info("the projection was made again", extra={"facts": replayed, "position": projector.position})
        return replayed


async def _empty(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        names = ", ".join(str(table) for table in schema.PROJECTION)
        await connection.execute(text(f"TRUNCATE {names}"))
        await connection.execute(update(schema.checkpoint).values(sequence=0))


async def _next(engine: AsyncEngine, after: int) -> list[Stored]:
    message = schema.message
    query = select(message).where(message.c.sequence > after).order_by(message.c.sequence).limit(_BATCH)
    async with engine.connect() as connection:
        return [
            Stored(row.sequence, row.stored_at, row.subject, row.headers, bytes(row.data))
            for row in await connection.execute(query)
        ]
