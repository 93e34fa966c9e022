"""What review-api keeps, beside what was told: every fact of the stream, every row of the tables."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heaters_edges.bus import Stored
from heaters_review_api.db import schema
from heaters_review_api.db.engine import make_engine
from heaters_review_api.ops.fsck import Fsck
from heaters_review_api.ops.messages import kept_messages
from heaters_review_api.settings import Settings
from review_process import ReviewProcess
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """A pool of one's own."""
    engine = make_engine(settings)
    try:
        yield engine
    finally:
        await engine.dispose()


async def facts_told(review: ReviewProcess) -> list[str]:
    """Every message of the facts stream."""
    found = []
    async with review.bus() as bus:
        last = await bus.last_sequence()
        if not last:
            return []
        async for batch in bus.follow(0):
            found += [_named(message) for message in batch if message.sequence <= last]
            if batch[-1].sequence >= last:
                break
    return found


async def facts_kept(review: ReviewProcess) -> list[str]:
    """Every message that the database has kept, in the same words."""
    async with database(review.settings) as engine:
        return [_named(message) async for message in kept_messages(engine)]


async def disagreements(review: ReviewProcess) -> list[str]:
    """What differs between the stream, the facts that were kept, and the tables that follow from them."""
    async with database(review.settings) as engine, review.bus() as bus:
        fsck = Fsck(bus, engine, None, None, repair=False, deep=False)  # type: ignore[arg-type]  # these looks need no store
        return [
            f"{one.check}: {one.what}"
            for look in (fsck.stream_and_facts, fsck.facts_and_tables)
            async for one in look()
        ]


async def rows(review: ReviewProcess) -> dict[str, list[str]]:
    """The whole projection, as text, sorted."""
    found = {}
    async with database(review.settings) as engine, engine.connect() as connection:
        for table in schema.PROJECTION:
            read = await connection.execute(text(f"SELECT t::text FROM {table} t ORDER BY 1"))  # noqa: S608 - our own table names
            found[str(table)] = [row[0] for row in read]
    return found


async def until_shown(review: ReviewProcess, *, within_s: float = 60) -> None:
    """Wait until the tables hold all that the stream does."""
    async with asyncio.timeout(within_s), review.bus() as bus, database(review.settings) as engine:
        last = await bus.last_sequence()
        while True:
            async with engine.connect() as connection:
                if (await connection.execute(text("SELECT sequence FROM projection.checkpoint"))).scalar_one() >= last:
                    return
            await asyncio.sleep(0.05)


def _named(message: Stored) -> str:
    return f"{message.sequence} {message.subject} {hashlib.sha256(message.data).hexdigest()[:16]}"
