"""Rows in and out: loads the tables of videos, and writes what a fold changed."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from heaters_contracts.ids import NIL
from sqlalchemy import Enum, Row, Table, TypeDecorator, select
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from heaters_review_api.core import tables as core
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import bulk, schema
from heaters_review_api.db.bulk import Statement

Rows = dict[Any, Any]

_OF_A_VIDEO: tuple[tuple[Table, type[Any], Callable[[Tables], Rows], tuple[str, ...]], ...] = (
    (schema.segment, core.Segment, lambda t: t.segments, ("index",)),
    (schema.cut, core.CutRow, lambda t: t.cuts, ("frame",)),
    (schema.clip, core.Clip, lambda t: t.clips, ("id",)),
    (schema.failure, core.Failure, lambda t: t.failures, ("id",)),
    (schema.event, core.Event, lambda t: t.events, ("fact_id",)),
    (schema.decision, core.Decision, lambda t: t.decisions, ("fact_id", "part")),
    (schema.reversal, core.Reversal, lambda t: t.reversals, ("fact_id",)),
    (schema.discarded, core.Discarded, lambda t: t.discarded, ("key",)),
    (schema.embedding, core.Embedding, lambda t: t.embeddings, ("clip_id", "model", "strategy")),
)
"""Table, row type, where a fold keeps the rows, and which fields make the key there."""


def to_row(kind: type[Any], row: Row[Any]) -> Any:
    """A row of the database, which begins with the columns of the kind's table, as the frozen row of the core."""
    return kind(*row[: len(kind.__struct_fields__)])


class _Reader:
    """Reads rows of a table in the driver's own form, converted as SQLAlchemy would: for what must come in one round."""

    def __init__(self, table: Table, kind: type[Any], by: str, dialect: Dialect) -> None:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        self.sql = f"SELECT {columns} FROM {table} WHERE {by} = ANY(%s)"  # noqa: S608 - names of our own tables and columns
        self._kind = kind
        self._convert = [
            (n, convert)
            for n, column in enumerate(table.columns)
            if isinstance(column.type, Enum | TypeDecorator)
            and (convert := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def row(self, values: Sequence[Any]) -> Any:
        """A row of the core."""
        said = list(values)
        for n, convert in self._convert:
            said[n] = convert(said[n])
        return self._kind(*said)


@cache
def _readers(dialect: Dialect) -> tuple[_Reader, list[tuple[_Reader, Callable[[Tables], Rows], tuple[str, ...]]]]:
    video = _Reader(schema.video, core.Video, "id", dialect)
    return video, [
        (_Reader(table, kind, "video_id", dialect), rows_of, key)
        for table, kind, rows_of, key in _OF_A_VIDEO
        if table is not schema.embedding
    ]


async def load(connection: AsyncConnection, video_ids: Iterable[UUID]) -> dict[UUID, Tables]:
    """All rows of some videos, except embeddings, in one round to the server; a video that is not known yet is empty."""
    wanted = list(video_ids)
    found = {id_: Tables.empty(id_) for id_ in wanted}
    videos, others = _readers(connection.dialect)
    driver: Any = (await connection.get_raw_connection()).driver_connection
    async with driver.pipeline():
        answers = [await driver.execute(one.sql, (wanted,), prepare=True) for one in (videos, *(o for o, *_ in others))]
    for values in await answers[0].fetchall():
        video = videos.row(values)
        found[video.id].video = video
    for (reader, rows_of, key), answer in zip(others, answers[1:], strict=True):
        for values in await answer.fetchall():
            row = reader.row(values)
            rows_of(found[row.video_id])[_key(row, key)] = row
    if NIL in found:
        for row in await connection.execute(select(schema.stage)):
            found[NIL].stages[row.name] = to_row(core.Stage, row)
        for row in await connection.execute(select(schema.search_model)):
            found[NIL].search_models[row.model, row.strategy] = to_row(core.SearchModel, row)
    return found


def _key(row: Any, key: tuple[str, ...]) -> Any:
    parts = tuple(getattr(row, name) for name in key)
    return parts[0] if len(parts) == 1 else parts


def changes(pairs: Iterable[tuple[Tables, Tables]]) -> list[Statement]:
    """What brings the database from what each video was to what it is now, in order; only rows that changed are touched."""
    pairs = list(pairs)
    said = [bulk.upsert(schema.video, (after.video for before, after in pairs if after.video != before.video))]
    for table, _, rows_of, _key_names in _OF_A_VIDEO:
        gone: list[Any] = []
        new: list[Any] = []
        for before, after in pairs:
            old, now = rows_of(before), rows_of(after)
            gone += [row for key, row in old.items() if key not in now]
            new += [row for key, row in now.items() if old.get(key) is not row]
        if table is schema.embedding:
            said.append(_forget({id_ for _, after in pairs for id_ in after.forgotten}))
        said += [bulk.delete(table, gone), bulk.upsert(table, new)]
    stages = (row for before, after in pairs for name, row in after.stages.items() if before.stages.get(name) != row)
    models = (
        row
        for before, after in pairs
        for key, row in after.search_models.items()
        if before.search_models.get(key) != row
    )
    said += [bulk.upsert(schema.stage, stages), bulk.upsert(schema.search_model, models)]
    return [statement for statement in said if statement]


def _forget(clips: set[UUID]) -> Statement | None:
    """Delete the embeddings that clips had before this fold; a fold knows only those that it was told itself."""
    if not clips:
        return None
    return Statement("DELETE FROM projection.embedding WHERE clip_id = ANY(%s)", (sorted(clips),))
