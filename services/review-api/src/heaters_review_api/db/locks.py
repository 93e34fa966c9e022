"""Advisory locks of the database, by name: each number is taken by one purpose only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy.ext.asyncio import AsyncEngine

MIGRATION = 0x48454154_00000001
"""Held while migrations run."""
PROJECTION = 0x48454154_00000002
"""Held by the one projector among all replicas, for as long as it projects."""
INDEXES = 0x48454154_00000003
"""Held while vector indexes are looked after."""


async def connect(engine: AsyncEngine) -> psycopg.AsyncConnection[TupleRow]:
    """A connection of one's own, beside the pool; its end ends what it holds: locks, and what it listens to."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(address, autocommit=True)


@asynccontextmanager
async def held(engine: AsyncEngine, lock: int, *, wait: bool) -> AsyncIterator[bool]:
    """Hold a lock for as long as the context lasts; the database takes it back by itself when this process dies.

    Args:
        engine: names the database.
        lock: which one.
        wait: until it is free; else the context says whether it is held.
    """
    async with await connect(engine) as connection:
        if wait:
            await connection.execute("SELECT pg_advisory_lock(%s)", (lock,))
            yield True
        else:
            answer = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,))).fetchone()
            yield bool(answer and answer[0])
