"""Rows in and out: loads the tables of videos, and writes what a fold changed."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from heaters_contracts.ids import NIL
from msgspec import Struct
from sqlalchemy import Row, Table, select
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

_KINDS: tuple[type[Struct], ...] = (core.Video, core.Stage, core.SearchModel, *(kind for _, kind, *_ in _OF_A_VIDEO))
_FIELDS = {kind: kind.__struct_fields__ for kind in _KINDS}


def to_row(kind: type[Any], row: Row[Any]) -> Any:
    """A row of the database as the frozen row of the core."""
    values = row._mapping
    return kind(*[values[name] for name in _FIELDS[kind]])


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
