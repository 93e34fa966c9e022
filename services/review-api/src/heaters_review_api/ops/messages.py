"""Every message of the stream, as the database keeps it verbatim; and the objects that facts name."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from heaters_contracts.objects import ObjectRef
from heaters_edges.bus import Stored
from pydantic import ValidationError
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db import schema

_BATCH = 500
_m = schema.message.c


async def kept_messages(engine: AsyncEngine, *, video_id: UUID | None = None) -> AsyncIterator[Stored]:
    """The messages that the `facts` table keeps, in stream order; all, or one video's."""
    after = 0
    while True:
        query = select(schema.message).where(_m.sequence > after)
        if video_id is not None:
            query = query.where(_m.subject.like(f"%.{video_id}"))
        async with engine.connect() as connection:
            rows = (await connection.execute(query.order_by(_m.sequence).limit(_BATCH))).all()
        if not rows:
            return
        for row in rows:
            yield Stored(row.sequence, row.stored_at, row.subject, dict(row.headers), bytes(row.data))
        after = rows[-1].sequence


async def forget_messages(engine: AsyncEngine, video_id: UUID, *, before: int) -> int:
    """Delete one video's messages before a sequence; returns how many."""
    async with engine.begin() as connection:
        gone = await connection.execute(
            delete(schema.message).where(_m.subject.like(f"%.{video_id}"), _m.sequence < before)
        )
        return int(gone.rowcount)


def objects_in(data: bytes) -> Iterator[ObjectRef]:
    """The objects that a message names, wherever in its body; none where it is no JSON."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    waiting: list[Any] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.keys() >= {"key", "bytes", "sha256"}:
                try:
                    yield ObjectRef.model_validate(value)
                except ValidationError:
                    pass
                else:
                    continue
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
