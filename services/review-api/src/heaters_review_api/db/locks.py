"""Advisory locks of the database, by name: each number is taken by one purpose only."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from heaters_edges.ending import end
from psycopg.rows import TupleRow
from sqlalchemy.ext.asyncio import AsyncEngine

log = logging.getLogger(__name__)

MIGRATION = 0x48454154_00000001
"""Held while migrations run."""
PROJECTION = 0x48454154_00000002
"""Held by the one projector among all replicas, for as long as it projects."""
INDEXES = 0x48454154_00000003
"""Held while vector indexes are looked after."""
EMBEDDINGS = 0x48454154_00000004
"""Held by the one replica that asks for embeddings that are lacking."""

_LOOK_S = 1.0
_FROZEN_S = 15.0
"""Whoever holds a lock says something every second. One who has not for so long is frozen, or cut off: the lock is taken from it."""
_END_THE_FROZEN = """
    WITH frozen AS MATERIALIZED (
        SELECT a.pid, host(a.client_addr) AS address FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = %s
        AND a.datname = current_database() AND a.state_change < clock_timestamp() - make_interval(secs => %s)
    )
    SELECT pid, address FROM frozen WHERE pg_terminate_backend(pid)
"""
ANSWER_S = 5.0
"""A database that has not answered a trifle by then is lost: the machine that it ran on may be gone without a word."""


class LockLost(Exception):
    """The connection that held a lock has ended, and the lock with it: somebody else may hold it by now."""


async def connect(engine: AsyncEngine) -> psycopg.AsyncConnection[TupleRow]:
    """A connection of one's own, beside the pool; its end ends what it holds: locks, and what it listens to."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(address, autocommit=True, connect_timeout=5)


@asynccontextmanager
async def held(engine: AsyncEngine, lock: int, *, wait: bool) -> AsyncIterator[bool]:
    """Hold a lock for as long as the context lasts; the database takes it back by itself when this process dies.

    Args:
        engine: names the database.
        lock: which one.
        wait: until it is free; else the context says whether it is held. A holder that is frozen is parted from it, for the next who comes:
            what a lock guards must be safe against one that thaws, and does not know yet.

    Raises:
        LockLost: out of the context, which is cancelled, once the connection that holds the lock has ended.
    """
    async with await connect(engine) as connection:
        if wait:
            await connection.execute("SELECT pg_advisory_lock(%s)", (lock,))
        else:
            answer = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,))).fetchone()
            if not (answer and answer[0]):
                await _end_the_frozen(connection, lock)
                yield False
                return
        async with _watched(connection):
            yield True


async def _end_the_frozen(connection: psycopg.AsyncConnection[TupleRow], lock: int) -> None:
    for pid, address in await (await connection.execute(_END_THE_FROZEN, (lock, _FROZEN_S))).fetchall():
        log.error(
            "a lock was taken from who held it, and was frozen",
            extra={"lock": lock, "backend": pid, "address": address},
        )


@asynccontextmanager
async def _watched(connection: psycopg.AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """Cancel whoever is in the context once the connection is lost."""
    holder = asyncio.current_task()
    lost: list[Exception] = []

    async def watch() -> None:
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                async with asyncio.timeout(ANSWER_S):
                    await connection.execute("SELECT")
        except (psycopg.Error, OSError) as problem:
            lost.append(problem)
            if holder is not None:
                holder.cancel()

    watching = asyncio.create_task(watch(), name="lock")
    try:
        yield
    except asyncio.CancelledError:
        if lost and holder is not None and holder.uncancel() == 0:
            raise LockLost(f"the connection that holds a lock has ended: {lost[0]}") from lost[0]
        raise
    finally:
        await end([watching])
