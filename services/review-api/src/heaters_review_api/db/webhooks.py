"""What was told to requesters at their addresses: so that each milestone is taken once, whoever of us sends it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db import schema
from heaters_review_api.db.texts import printable

_w = schema.webhook.c


@dataclass(frozen=True, slots=True)
class Sending:
    """A webhook: since when it is tried, how often it was, whether that has ended, and whether the attempt is ours to make."""

    first_tried_at: datetime
    attempts: int
    ended: bool
    ours: bool


class Webhooks:
    """The table of webhooks."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def attempt(self, id_: UUID, video_id: UUID, *, claim_s: float) -> Sending:
        """Write down that an attempt begins, before it does; one that has ended, or that another makes now, is left as it is.

        Args:
            id_: of the webhook.
            video_id: of the video that it is about.
            claim_s: for so long nobody else makes an attempt, unless this one is released.
        """
        until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, claim_s)
        row = insert(schema.webhook).values(id=id_, video_id=video_id, attempts=1, claimed_until=until)
        counted = row.on_conflict_do_update(
            index_elements=[_w.id],
            set_={"attempts": _w.attempts + 1, "claimed_until": until},
            where=_w.ended_at.is_(None) & (_w.claimed_until.is_(None) | (_w.claimed_until < func.now())),
        ).returning(_w.first_tried_at, _w.attempts)
        async with self._engine.begin() as connection:
            found = (await connection.execute(counted)).first()
            if found is None:
                known = await connection.execute(
                    schema.webhook.select()
                    .with_only_columns(_w.first_tried_at, _w.attempts, _w.ended_at)
                    .where(_w.id == id_)
                )
                first, attempts, ended = known.one()
                return Sending(first, attempts, ended=ended is not None, ours=False)
            return Sending(found.first_tried_at, found.attempts, ended=False, ours=True)

    async def release(self, id_: UUID) -> None:
        """The attempt has failed: the next may be anybody's."""
        async with self._engine.begin() as connection:
            await connection.execute(update(schema.webhook).where(_w.id == id_).values(claimed_until=None))

    async def end(self, id_: UUID, answer: str) -> None:
        """It was taken, or given up."""
        change = update(schema.webhook).where(_w.id == id_).values(ended_at=func.now(), answer=printable(answer)[:500])
        async with self._engine.begin() as connection:
            await connection.execute(change)
