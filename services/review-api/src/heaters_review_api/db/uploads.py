"""Uploads in parts that go on, and what became of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db import schema
from heaters_review_api.db.texts import printable

State = Literal["open", "done", "aborted", "refused"]

_s = schema.upload_session.c


@dataclass(frozen=True, slots=True)
class Session:
    """One upload in parts."""

    id: UUID
    by: str
    resume_key: str | None
    key: str
    store_id: str
    name: str
    content_type: str
    bytes: int
    part_bytes: int
    state: State
    reason: str | None
    begun_at: datetime
    touched_at: datetime


class Sessions:
    """The table of uploads in parts."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(
        self,
        *,
        id_: UUID,
        by: str,
        resume_key: str | None,
        key: str,
        store_id: str,
        name: str,
        content_type: str,
        total_bytes: int,
        part_bytes: int,
    ) -> Session | None:
        """Write an upload down. None where another one with this resume key was begun meanwhile: that one counts."""
        values = {
            "id": id_,
            "by": by,
            "resume_key": printable(resume_key),
            "key": key,
            "store_id": store_id,
            "name": printable(name),
            "content_type": printable(content_type),
            "bytes": total_bytes,
            "part_bytes": part_bytes,
            "state": "open",
        }
        made = insert(schema.upload_session).values(values).on_conflict_do_nothing().returning(schema.upload_session)
        async with self._engine.begin() as connection:
            row = (await connection.execute(made)).first()
        return _session(row)

    async def resumable(self, by: str, resume_key: str) -> Session | None:
        """The open upload that somebody may go on with."""
        wanted = select(schema.upload_session).where(
            _s.by == by, _s.resume_key == printable(resume_key), _s.state == "open"
        )
        async with self._engine.connect() as connection:
            return _session((await connection.execute(wanted)).first())

    async def get(self, id_: UUID, by: str) -> Session | None:
        """Somebody's upload; None where it is nobody's or somebody else's."""
        wanted = select(schema.upload_session).where(_s.id == id_, _s.by == by)
        async with self._engine.connect() as connection:
            return _session((await connection.execute(wanted)).first())

    async def touch(self, id_: UUID) -> None:
        """Somebody still works on it."""
        change = update(schema.upload_session).where(_s.id == id_, _s.state == "open").values(touched_at=func.now())
        async with self._engine.begin() as connection:
            await connection.execute(change)

    async def close(self, id_: UUID, state: State, *, reason: str | None = None) -> bool:
        """Put an open upload into its last state. False where it was not open any more."""
        change = (
            update(schema.upload_session)
            .where(_s.id == id_, _s.state == "open")
            .values(state=state, reason=printable(reason), touched_at=func.now())
            .returning(_s.id)
        )
        async with self._engine.begin() as connection:
            return (await connection.execute(change)).first() is not None

    async def finish(self, session: Session) -> None:
        """The object is whole: it may be asked for from now on. Safe to repeat."""
        stored = {
            "key": session.key,
            "bytes": session.bytes,
            "sha256": None,
            "name": session.name,
            "by": session.by,
        }
        async with self._engine.begin() as connection:
            await connection.execute(insert(schema.upload).values(stored).on_conflict_do_nothing())
            await connection.execute(
                update(schema.upload_session)
                .where(_s.id == session.id, _s.state == "open")
                .values(state="done", touched_at=func.now())
            )

    async def left_alone(self, *, longer_than_s: float, limit: int) -> list[Session]:
        """Open uploads that nobody has worked on for so long."""
        wanted = (
            select(schema.upload_session)
            .where(_s.state == "open", _s.touched_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, longer_than_s))
            .order_by(_s.touched_at)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [session for row in await connection.execute(wanted) if (session := _session(row))]

    async def open_store_ids(self) -> set[str]:
        """The store's ids of all open uploads."""
        async with self._engine.connect() as connection:
            return set((await connection.execute(select(_s.store_id).where(_s.state == "open"))).scalars())

    async def forget(self, *, older_than_s: float) -> int:
        """Delete what is said of uploads that ended long ago. Returns how many."""
        gone = text(
            "DELETE FROM app.upload_session WHERE state <> 'open' AND touched_at < now() - make_interval(secs => :s)"
        )
        async with self._engine.begin() as connection:
            return (await connection.execute(gone, {"s": older_than_s})).rowcount


def _session(row: Any) -> Session | None:
    return None if row is None else Session(**row._mapping)
