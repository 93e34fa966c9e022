"""Rows in and out: loads the tables of videos, and writes what a fold changed."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

from heaters_contracts.ids import NIL
from sqlalchemy import Row, Table, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heaters_review_api.core import tables as core
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import schema
from heaters_review_api.db.texts import printable

Rows = dict[Any, Any]

_OF_A_VIDEO: tuple[tuple[Table, type[Any], Callable[[Tables], Rows], tuple[str, ...]], ...] = (
    (schema.segment, core.Segment, lambda t: t.segments, ("index",)),
    (schema.cut, core.CutRow, lambda t: t.cuts, ("frame",)),
    (schema.clip, core.Clip, lambda t: t.clips, ("id",)),
    (schema.failure, core.Failure, lambda t: t.failures, ("id",)),
    (schema.event, core.Event, lambda t: t.events, ("fact_id",)),
    (schema.decision, core.Decision, lambda t: t.decisions, ("fact_id",)),
    (schema.discarded, core.Discarded, lambda t: t.discarded, ("key",)),
    (schema.embedding, core.Embedding, lambda t: t.embeddings, ("clip_id", "model", "strategy")),
)
"""Table, row type, where a fold keeps the rows, and which fields make the key there."""


def to_row(kind: type[Any], row: Row[Any]) -> Any:
    """A row of the database as the frozen row of the core."""
    values = row._mapping
    return kind(**{f.name: values[f.name] for f in fields(kind)})


async def load(connection: AsyncConnection, video_ids: Iterable[UUID]) -> dict[UUID, Tables]:
    """All rows of some videos, except embeddings; a video that is not known yet is empty."""
    wanted = list(video_ids)
    found = {id_: Tables.empty(id_) for id_ in wanted}
    for row in await connection.execute(select(schema.video).where(schema.video.c.id.in_(wanted))):
        found[row.id].video = to_row(core.Video, row)
    for table, kind, rows_of, key in _OF_A_VIDEO:
        if table is schema.embedding:
            continue
        for row in await connection.execute(select(table).where(table.c.video_id.in_(wanted))):
            values = to_row(kind, row)
            rows_of(found[row.video_id])[_key(values, key)] = values
    if NIL in found:
        for row in await connection.execute(select(schema.stage)):
            found[NIL].stages[row.name] = to_row(core.Stage, row)
    return found


def _key(row: Any, key: tuple[str, ...]) -> Any:
    parts = tuple(getattr(row, name) for name in key)
    return parts[0] if len(parts) == 1 else parts


async def write(connection: AsyncConnection, changes: Iterable[tuple[Tables, Tables]]) -> None:
    """Bring the database from what each video was to what it is now; only rows that changed are touched."""
    pairs = list(changes)
    await _upsert(connection, schema.video, (after.video for before, after in pairs if after.video != before.video))
    for table, _, rows_of, _key_names in _OF_A_VIDEO:
        gone: list[Any] = []
        new: list[Any] = []
        for before, after in pairs:
            old, now = rows_of(before), rows_of(after)
            gone += [row for key, row in old.items() if key not in now]
            new += [row for key, row in now.items() if old.get(key) is not row]
        await _delete(connection, table, gone)
        await _upsert(connection, table, new)
    changed = (row for before, after in pairs for name, row in after.stages.items() if before.stages.get(name) != row)
    await _upsert(connection, schema.stage, changed)


async def _delete(connection: AsyncConnection, table: Table, rows: list[Any]) -> None:
    if rows:
        key = list(table.primary_key.columns)
        gone = [tuple(getattr(row, column.name) for column in key) for row in rows]
        await connection.execute(delete(table).where(tuple_(*key).in_(gone)))


async def _upsert(connection: AsyncConnection, table: Table, rows: Iterable[Any]) -> None:
    values = [{column.name: printable(getattr(row, column.name)) for column in table.columns} for row in rows]
    if not values:
        return
    statement = insert(table)
    key = {column.name for column in table.primary_key.columns}
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: statement.excluded[column.name] for column in table.columns if column.name not in key},
    )
    await connection.execute(statement, values)
