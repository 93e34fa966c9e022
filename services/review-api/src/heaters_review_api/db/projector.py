"""The projector: applies the stream to the tables, in order, in batches, one projector among all replicas.

A batch, its rows and the checkpoint are one transaction, and the checkpoint moves only from where this projector left it. So a
projector that lost its lock without knowing writes nothing, and a crash repeats a batch or does not; it never does half of one.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import psycopg
from heaters_contracts.fact import Fact, Told, Unreadable, decode
from heaters_edges.bus import Stored
from heaters_edges.failure import Unavailable
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Counter, Gauge
from psycopg.pq import TransactionStatus
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from heaters_review_api.core.fold import Unread, fold
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import rows, schema
from heaters_review_api.db.bulk import Statement, to_json
from heaters_review_api.db.locks import PROJECTION, LockLost, held
from heaters_review_api.db.passed import CHANNEL, Passed

log = logging.getLogger(__name__)

APPLIED = Counter("heaters_projection_facts", "Facts that the projector has passed", registry=REGISTRY)
UNREADABLE = Counter(
    "heaters_projection_unreadable", "Messages that the projector kept without understanding them", registry=REGISTRY
)
POSITION = Gauge("heaters_projection_sequence", "The last sequence that the tables hold", registry=REGISTRY)
LEADING = Gauge("heaters_projection_leading", "1 while this replica projects", registry=REGISTRY)

MISFIT = "does not fit the tables: "
"""How the reason begins for which a fact that can be read was passed like one that cannot."""
_ROWS_KEPT = 50_000
_READ_AT_ONCE = 25
_RETRY_S = 1.0
_MOVE_CHECKPOINT = """
    WITH moved AS (UPDATE projection.checkpoint SET sequence = %s WHERE sequence = %s RETURNING 1)
    SELECT 1 / count(*) FROM moved
"""
"""Fails where the checkpoint lies elsewhere, and with it all that was sent behind it without waiting for an answer."""
_KEEP = """
    INSERT INTO facts.message AS kept (sequence, stored_at, subject, headers, data, unreadable)
    SELECT sequence, stored_at, subject, headers, decode(data, 'base64'), unreadable
    FROM json_to_recordset(%s::json)
    AS told (sequence bigint, stored_at timestamptz, subject text, headers jsonb, data text, unreadable text)
    ON CONFLICT (sequence) DO UPDATE SET unreadable = excluded.unreadable
    WHERE kept.unreadable IS DISTINCT FROM excluded.unreadable
"""


class Stream(Protocol):
    """Where facts come from."""

    def follow(self, after: int, *, most: int = 500) -> AsyncIterator[list[Stored]]:
        """Every message after a sequence, in order, for ever."""

    async def last_sequence(self) -> int:
        """The newest message's sequence."""


class LostLead(Exception):
    """Somebody else has moved the checkpoint."""


class StreamBehind(Exception):
    """The stream ends before the projection: it is not the stream that the tables were made from."""


class Projector:
    """Writes the projection. `apply` is one batch; `run` leads for as long as the lock is its own."""

    def __init__(self, engine: AsyncEngine, passed: Passed) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._passed = passed
        self._known: OrderedDict[UUID, Tables] = OrderedDict()
        self._rows_known = 0
        self.position = 0
        self.trouble: str | None = None
        """Why nothing is projected just now, for /readyz; None while all is well."""

    async def run(self, stream: Stream) -> None:
        """Project for ever: wait for the lock, follow the stream, begin again after trouble."""
        while True:
            try:
                await self._lead(stream)
                self.trouble = None
            except (SQLAlchemyError, psycopg.Error, Unavailable, OSError, LockLost, LostLead, StreamBehind) as problem:
                self.trouble = str(problem)
                log.error("projecting broke off", extra={"reason": str(problem), "position": self.position})
            finally:
                self._passed.leading = False
                LEADING.set(0)
            await asyncio.sleep(_RETRY_S)

    async def _lead(self, stream: Stream) -> None:
        async with held(self._engine, PROJECTION, wait=False) as alone:
            if not alone:
                return
            await self.resume()
            last = await stream.last_sequence()
            if last < self.position:
                raise StreamBehind(
                    f"the facts stream ends at {last}, the projection is at {self.position}:"
                    " give the stream back from the facts table before going on"
                )
            self.trouble = None
            self._passed.leading = True
            LEADING.set(1)
            async for batch in stream.follow(self.position):
                await self.apply(batch)

    async def resume(self) -> None:
        """Take up where the tables are."""
        async with self._engine.connect() as connection:
            self.position = int((await connection.execute(select(schema.checkpoint.c.sequence))).scalar_one())
        self._forget()
        self._passed.restart(self.position)

    def tables(self, video_id: UUID) -> Tables | None:
        """What this projector wrote of a video last, if it still has it; somebody else may have gone on since."""
        return self._known.get(video_id)

    async def apply(self, batch: Sequence[Stored]) -> None:
        """Apply messages in order, all in one transaction. What the tables refuse is kept as unreadable, and passed.

        Raises:
            LostLead: the checkpoint is not where this projector left it.
        """
        try:
            await self._transaction(batch)
        except (psycopg.DataError, psycopg.IntegrityError, ValueError) as problem:
            self._forget()
            if len(batch) > 1:
                # One of them cannot be stored: find it, so that the others are.
                for message in batch:
                    await self.apply([message])
                return
            reason = str(problem).splitlines()[0]
            log.error("a fact does not fit the tables", extra={"sequence": batch[0].sequence, "reason": reason})
            await self._transaction(batch, refused=MISFIT + reason)
        except BaseException:
            self._forget()
            raise

    async def _transaction(self, batch: Sequence[Stored], *, refused: str | None = None) -> None:
        last = batch[-1].sequence
        by_video, unreadable = await _read(batch, refused)
        async with self._engine.connect() as connection:
            # Nobody else writes these rows: whoever does so after they are read moves the checkpoint, and then nothing is written here.
            before = await self._tables(connection, by_video)
            after = {}
            for id_, messages in by_video.items():
                after[id_] = fold(before[id_], messages)
                await asyncio.sleep(0)  # people wait for this event loop too
            statements = [
                self._keep(batch, unreadable),
                *rows.changes((before[id_], after[id_]) for id_ in by_video),
                Statement("SELECT pg_notify(%s, %s)", (CHANNEL, str(last))),
            ]
            await self._write(connection, last, statements)
        self._remember(after)
        self.position = last
        self._passed.advance(last)
        APPLIED.inc(len(batch))
        UNREADABLE.inc(len(unreadable))
        POSITION.set(last)

    async def _write(self, connection: AsyncConnection, last: int, statements: Iterable[Statement]) -> None:
        """Move the checkpoint and say all statements: one transaction, and one round to the server for all of it."""
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            async with driver.pipeline(), driver.cursor() as cursor:
                await cursor.execute("BEGIN")
                await cursor.execute(_MOVE_CHECKPOINT, (last, self.position), prepare=True)
                for statement in statements:
                    await cursor.execute(statement.sql, statement.parameters, prepare=True)
                await cursor.execute("COMMIT")
        except psycopg.errors.DivisionByZero:
            raise LostLead(f"the checkpoint is no longer at {self.position}: another replica projects") from None
        finally:
            if driver.info.transaction_status != TransactionStatus.IDLE:
                await driver.rollback()

    def _keep(self, batch: Sequence[Stored], unreadable: Mapping[int, str]) -> Statement:
        """What keeps the messages verbatim, and what nobody could understand of them."""
        kept = [
            {
                "sequence": message.sequence,
                "stored_at": message.stored_at,
                "subject": message.subject,
                "headers": message.headers,
                "data": message.data,
                "unreadable": unreadable.get(message.sequence),
            }
            for message in batch
        ]
        return Statement(_KEEP, (to_json(kept),))

    async def _tables(self, connection: AsyncConnection, wanted: dict[UUID, Any]) -> dict[UUID, Tables]:
        missing = [id_ for id_ in wanted if id_ not in self._known]
        loaded = await rows.load(connection, missing) if missing else {}
        return {id_: loaded[id_] if id_ in loaded else self._known[id_] for id_ in wanted}

    def _remember(self, after: dict[UUID, Tables]) -> None:
        for id_, tables in after.items():
            if id_ in self._known:
                self._rows_known -= _size(self._known.pop(id_))
            tables.embeddings = {}
            self._known[id_] = tables
            self._rows_known += _size(tables)
        while self._rows_known > _ROWS_KEPT and len(self._known) > 1:
            self._rows_known -= _size(self._known.popitem(last=False)[1])

    def _forget(self) -> None:
        self._known.clear()
        self._rows_known = 0


def _size(tables: Tables) -> int:
    return 1 + len(tables.segments) + len(tables.clips) + len(tables.cuts) + len(tables.events)


async def _read(
    batch: Sequence[Stored], refused: str | None
) -> tuple[dict[UUID, list[Told[Fact] | Unread]], dict[int, str]]:
    by_video: dict[UUID, list[Told[Fact] | Unread]] = {}
    unreadable: dict[int, str] = {}
    for n, message in enumerate(batch, start=1):
        if n % _READ_AT_ONCE == 0:
            await asyncio.sleep(0)  # people wait for this event loop too
        told: Told[Fact] | Unread
        try:
            if refused:
                raise Unreadable(refused)
            told = decode(message.subject, message.headers, message.data).stored(message.sequence, message.stored_at)
        except Unreadable as problem:
            unreadable[message.sequence] = problem.reason
            told = Unread(message.sequence)
        if (video_id := video_of(message.subject)) is not None:
            by_video.setdefault(video_id, []).append(told)
    return by_video, unreadable


def video_of(subject: str) -> UUID | None:
    """Whose version a message counts for: the server's filter looks at the last token, whatever stands before it."""
    tokens = subject.split(".")
    try:
        video_id = UUID(tokens[5]) if len(tokens) == 6 else None
    except ValueError:
        return None
    # `UUID` reads more than we write (capitals, braces), and the server's filter does not.
    return video_id if str(video_id) == tokens[-1] else None
