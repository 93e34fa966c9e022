"""Clips that look alike."""

from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Double, cast, literal, select

from heaters_review_api.core.states import ClipState
from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.types import HalfVectorBytes

_c = schema.clip.c


class LikenessReads(Reads):
    """What is asked about embeddings."""

    async def similar(self, clip_id: UUID, *, limit: int) -> list[tuple[UUID, float]] | None:
        """The embedded clips nearest to one by cosine, the nearest first, without itself; None if it has no embedding."""
        e = schema.embedding.c
        own = await self._all(select(e.model, e.strategy, e.dimensions, e.vector).where(e.clip_id == clip_id).limit(1))
        if not own:
            return None
        model, strategy, dimensions, vector = own[0]
        kind = HALFVEC(dimensions)
        nearness: Any = cast(e.vector, kind).op("<=>", return_type=Double())
        distance = nearness(cast(literal(vector, HalfVectorBytes()), kind))
        query = (
            select(e.clip_id, (1 - distance).label("similarity"))
            .join(schema.clip, _c.id == e.clip_id)
            .where(
                e.dimensions == dimensions,
                e.model == model,
                e.strategy == strategy,
                e.clip_id != clip_id,
                _c.state == ClipState.EMBEDDED,
            )
            .order_by(distance, e.clip_id)
            .limit(limit)
        )
        return [(row.clip_id, float(row.similarity)) for row in await self._all(query)]
