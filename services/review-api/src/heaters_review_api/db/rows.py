"""Rows in and out: loads the tables of videos, and writes what a fold changed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from heaters_contracts.ids import NIL
from sqlalchemy import Table, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from heaters_review_api.core import tables as core
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import bulk, schema
from heaters_review_api.db.bulk import Statement
from heaters_review_api.db.ready import Ready, ask

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


def to_row(kind: type[Any], row: Sequence[Any]) -> Any:
    """A row of the database, which begins with the columns of the kind's table, as the frozen row of the core."""
    return kind(*row[: len(kind.__struct_fields__)])


def _of_videos(table: Table, by: str) -> Ready:
    return Ready(select(table).where(table.c[by] == any_(bindparam("wanted", type_=ARRAY(Uuid())))))


_VIDEOS = _of_videos(schema.video, "id")
_OTHERS = [
    (_of_videos(table, "video_id"), kind, rows_of, key)
    for table, kind, rows_of, key in _OF_A_VIDEO
    if table is not schema.embedding
]


async def load(connection: AsyncConnection, video_ids: Iterable[UUID]) -> dict[UUID, Tables]:
    """All rows of some videos, except embeddings, in one round to the server; a video that is not known yet is empty."""
    values = {"wanted": list(video_ids)}
    found = {id_: Tables.empty(id_) for id_ in values["wanted"]}
    videos, *others = await ask(connection, (_VIDEOS, values), *((question, values) for question, *_ in _OTHERS))
    for row in videos:
        video = core.Video(*row)
        found[video.id].video = video
    for (_, kind, rows_of, key), answer in zip(_OTHERS, others, strict=True):
        for row in answer:
            one = kind(*row)
            rows_of(found[one.video_id])[_key(one, key)] = one
    if NIL in found:
        for stage in await connection.execute(select(schema.stage)):
            found[NIL].stages[stage.name] = to_row(core.Stage, stage)
        for model in await connection.execute(select(schema.search_model)):
            found[NIL].search_models[model.model, model.strategy] = to_row(core.SearchModel, model)
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
