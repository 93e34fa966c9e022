"""The projector: applies the stream to the tables, in order, in batches, one projector among all replicas.

A batch, its rows and the checkpoint are one transaction, and the checkpoint moves only from where this projector left it. So a
projector that lost its lock without knowing writes nothing, and a crash repeats a batch or does not; it never does half of one.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol
from uuid import UUID

import psycopg
from heaters_contracts.fact import Fact, Told, Unreadable, decode
from heaters_edges.bus import Stored
from heaters_edges.failure import Unavailable
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Counter, Gauge
from sqlalchemy import CursorResult, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from heaters_review_api.core.fold import Unread, fold
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import rows, schema
from heaters_review_api.db.locks import PROJECTION, held
from heaters_review_api.db.passed import CHANNEL, Passed
from heaters_review_api.db.texts import plain, printable

log = logging.getLogger(__name__)

APPLIED = Counter("heaters_projection_facts", "Facts that the projector has passed", registry=REGISTRY)
UNREADABLE = Counter(
    "heaters_projection_unreadable", "Messages that the projector kept without understanding them", registry=REGISTRY
)
POSITION = Gauge("heaters_projection_sequence", "The last sequence that the tables hold", registry=REGISTRY)
LEADING = Gauge("heaters_projection_leading", "1 while this replica projects", registry=REGISTRY)

_ROWS_KEPT = 50_000
_RETRY_S = 1.0


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
        self._engine = engine
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
            except (SQLAlchemyError, psycopg.Error, Unavailable, OSError, LostLead, StreamBehind) as problem:
                self.trouble = str(problem)
                log.error("projecting broke off", extra={"reason": str(problem), "position": self.position})
            finally:
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
            LEADING.set(1)
            async for batch in stream.follow(self.position):
                await self.apply(batch)

    async def resume(self) -> None:
        """Take up where the tables are."""
        async with self._engine.connect() as connection:
            self.position = int((await connection.execute(select(schema.checkpoint.c.sequence))).scalar_one())
        self._forget()
        self._passed.advance(self.position)

    async def apply(self, batch: Sequence[Stored]) -> None:
        """Apply messages in order, all in one transaction. What the tables refuse is kept as unreadable, and passed.

        Raises:
            LostLead: the checkpoint is not where this projector left it.
        """
        try:
            await self._transaction(batch)
        except (DataError, IntegrityError, ValueError) as problem:
            self._forget()
            if len(batch) > 1:
                # One of them cannot be stored: find it, so that the others are.
                for message in batch:
                    await self.apply([message])
                return
            reason = str(getattr(problem, "orig", None) or problem).splitlines()[0]
            log.error("a fact does not fit the tables", extra={"sequence": batch[0].sequence, "reason": reason})
            await self._transaction(batch, refused=f"does not fit the tables: {reason}")
        except BaseException:
            self._forget()
            raise

    async def _transaction(self, batch: Sequence[Stored], *, refused: str | None = None) -> None:
        last = batch[-1].sequence
        by_video, unreadable = _read(batch, refused)
        async with self._engine.begin() as connection:
            await self._move_checkpoint(connection, last)
            await _keep(connection, batch, unreadable)
            before = await self._tables(connection, by_video)
            after = {id_: fold(before[id_], messages) for id_, messages in by_video.items()}
            await rows.write(connection, ((before[id_], after[id_]) for id_ in by_video))
            await connection.execute(
                text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(last)}
            )
        self._remember(after)
        self.position = last
        self._passed.advance(last)
        APPLIED.inc(len(batch))
        UNREADABLE.inc(len(unreadable))
        POSITION.set(last)

    async def _move_checkpoint(self, connection: AsyncConnection, to: int) -> None:
        checkpoint = schema.checkpoint
        moved: CursorResult[Any] = await connection.execute(
            update(checkpoint).where(checkpoint.c.sequence == self.position).values(sequence=to)
        )
        if moved.rowcount != 1:
            raise LostLead(f"the checkpoint is no longer at {self.position}: another replica projects")

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


def _read(batch: Sequence[Stored], refused: str | None) -> tuple[dict[UUID, list[Told[Fact] | Unread]], dict[int, str]]:
    by_video: dict[UUID, list[Told[Fact] | Unread]] = {}
    unreadable: dict[int, str] = {}
    for message in batch:
        told: Told[Fact] | Unread
        try:
            if refused:
                raise Unreadable(refused)
            told = decode(message.subject, message.headers, message.data).stored(message.sequence, message.stored_at)
        except Unreadable as problem:
            unreadable[message.sequence] = problem.reason
            told = Unread(message.sequence)
        if (video_id := _video_of(message.subject)) is not None:
            by_video.setdefault(video_id, []).append(told)
    return by_video, unreadable


def _video_of(subject: str) -> UUID | None:
    """Whose version a message counts for: the server's filter looks at the last token, whatever stands before it."""
    tokens = subject.split(".")
    try:
        return UUID(tokens[5]) if len(tokens) == 6 else None
    except ValueError:
        return None


async def _keep(connection: AsyncConnection, batch: Sequence[Stored], unreadable: dict[int, str]) -> None:
    statement = insert(schema.message)
    statement = statement.on_conflict_do_update(
        index_elements=[schema.message.c.sequence],
        set_={"unreadable": statement.excluded.unreadable},
        where=schema.message.c.unreadable.is_distinct_from(statement.excluded.unreadable),
    )
    values = [
        {
            "sequence": message.sequence,
            "stored_at": message.stored_at,
            "subject": printable(message.subject),
            "headers": plain(message.headers),
            "data": message.data,
            "unreadable": printable(unreadable.get(message.sequence)),
        }
        for message in batch
    ]
    await connection.execute(statement, values)
