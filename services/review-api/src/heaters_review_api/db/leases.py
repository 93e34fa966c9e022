"""Who reviews what: clips are handed out under a lease, a row with an expiry, so that no two reviewers get the same.

A lease is no fact: it is taken, lengthened and handed back here, and forgotten once it has expired.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Order = Literal["video", "oldest", "least_certain", "random"]

_ORDERS: dict[Order, str] = {
    "video": "c.video_sequence, c.start_frame, c.id",
    "oldest": "c.opened_sequence, c.id",
    "least_certain": "c.certainty, c.id",
    "random": "c.id",
}
"""Each follows an index of the pending clips. Ids are hashes: to begin at a random one is to choose at random."""

_AGAIN = """
    again AS (
        UPDATE app.lease l SET expires_at = now() + make_interval(secs => :lease_s)
        FROM projection.clip c
        WHERE l.holder = :holder AND l.idempotency_key = :key AND c.id = l.clip_id AND c.state = 'pending_review'
        RETURNING l.clip_id, l.place
    ),
"""
_TAKE = """
    WITH {again} free AS (
        SELECT c.id, c.video_id FROM projection.clip c
        WHERE c.state = 'pending_review' {where}
            AND c.id NOT IN (SELECT held.clip_id FROM app.lease held WHERE held.expires_at > now())
        ORDER BY {order} LIMIT :wanted
        FOR NO KEY UPDATE OF c SKIP LOCKED
    ), taken AS (
        INSERT INTO app.lease AS l (clip_id, video_id, holder, idempotency_key, place, taken_at, expires_at)
        SELECT id, video_id, :holder, :key, :first + row_number() OVER () - 1, now(), now() + make_interval(secs => :lease_s)
        FROM free
        ON CONFLICT (clip_id) DO UPDATE SET
            video_id = excluded.video_id, holder = excluded.holder, idempotency_key = excluded.idempotency_key,
            place = excluded.place, taken_at = excluded.taken_at, expires_at = excluded.expires_at
            WHERE l.expires_at <= now()
        RETURNING clip_id, place
    )
    SELECT looked.free, ours.clip_id, ours.place FROM (SELECT count(*) AS free FROM free) looked LEFT JOIN (
        SELECT clip_id, place FROM taken {and_again}
    ) ours ON true
"""
"""All in one statement: each more would be a round to the server that a reviewer waits for. What others hold is looked up once, in a
hash: beside an index of leases the planner may choose to read all of them for each clip that it passes by."""
_BEAT = """
    WITH kept AS (
        UPDATE app.lease SET expires_at = now() + make_interval(secs => :lease_s)
        WHERE holder = :holder AND expires_at > now()
        RETURNING clip_id
    ), free AS (
        SELECT c.id, c.video_id FROM projection.clip c
        WHERE c.id = ANY(:clips) AND c.state = 'pending_review'
            AND NOT EXISTS (SELECT FROM app.lease held WHERE held.clip_id = c.id AND held.expires_at > now())
        FOR NO KEY UPDATE OF c SKIP LOCKED
    ), taken AS (
        INSERT INTO app.lease AS l (clip_id, video_id, holder, idempotency_key, place, taken_at, expires_at)
        SELECT id, video_id, :holder, :key, 0, now(), now() + make_interval(secs => :lease_s)
        FROM free
        ON CONFLICT (clip_id) DO UPDATE SET
            video_id = excluded.video_id, holder = excluded.holder, idempotency_key = excluded.idempotency_key,
            place = excluded.place, taken_at = excluded.taken_at, expires_at = excluded.expires_at
            WHERE l.expires_at <= now()
        RETURNING clip_id
    )
    SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM taken) AS clips, ARRAY(
        SELECT l.clip_id FROM app.lease l WHERE l.clip_id = ANY(:clips) AND l.holder <> :holder AND l.expires_at > now()
    ) AS lost
"""
"""What has lapsed is taken as anybody would take it: it may be another's by now, or forgotten."""
_FORGET = """
    DELETE FROM app.lease WHERE clip_id IN (
        SELECT clip_id FROM app.lease WHERE expires_at <= now() - interval '1 minute' LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
"""
_FORGET_S = 10.0
_TRIES = 20
_SEEN = 1 / 2
"""The part of a lease's time for which who has decided all that they held is still there; pages show a sign of life each third of it."""


@cache
def _taking(order: Order, where: str, first: bool) -> TextClause:
    return text(
        _TAKE.format(
            order=_ORDERS[order],
            where=f"{where} AND NOT EXISTS (SELECT FROM again)" if first else where,
            again=_AGAIN if first else "",
            and_again="UNION ALL SELECT clip_id, place FROM again" if first else "",
        )
    )


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who reviews a video now: how many clips of it they hold that still wait, since when, and until when without a sign of life."""

    video_id: UUID
    by: str
    clips: int
    since: datetime
    until: datetime


class Leases:
    """Hands clips out."""

    def __init__(self, engine: AsyncEngine, *, lease_s: float) -> None:
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lease_s = lease_s
        self._forget_at = 0.0

    async def take(
        self, holder: str, key: str, *, order: Order, limit: int, video_id: UUID | None = None
    ) -> list[UUID]:
        """Clips that wait for a verdict and that nobody holds, for one reviewer, in the order that was asked for.

        Asked again with the same key, it is the same clips as far as they still wait, for as long again.
        """
        async with self._single.connect() as connection:
            if time.monotonic() >= self._forget_at:
                self._forget_at = time.monotonic() + _FORGET_S
                await connection.execute(text(_FORGET))
            taken: list[UUID] = []
            start, asked = uuid4(), 0
            for where in [" AND c.id >= :start", " AND c.id < :start"] if order == "random" else [""]:
                for _ in range(_TRIES):
                    if len(taken) >= limit:
                        return taken
                    values = {"wanted": limit - len(taken), "first": len(taken)} | ({"start": start} if where else {})
                    free, found = await self._take(
                        connection, holder, key, order, video_id, where, values, first=not asked
                    )
                    asked += 1
                    taken += found
                    if len(found) > free:
                        return taken  # held under this key already
                    if len(found) == free:
                        break  # else somebody took the same clip between our look and our lock: we look again
            return taken

    async def _take(
        self,
        connection: AsyncConnection,
        holder: str,
        key: str,
        order: Order,
        video_id: UUID | None,
        where: str,
        values: Mapping[str, object],
        *,
        first: bool,
    ) -> tuple[int, list[UUID]]:
        """How many clips looked free, and those that are ours now, in order.

        With `first`, where the holder has clips under this key already, those are lengthened, and none looks free.
        """
        said = {**values, "holder": holder, "key": key, "lease_s": self._lease_s}
        if video_id is not None:
            where += " AND c.video_id = :video_id"
            said["video_id"] = video_id
        rows = (await connection.execute(_taking(order, where, first), said)).all()
        ours = sorted((row.place, row.clip_id) for row in rows if row.clip_id is not None)
        return int(rows[0].free), [clip_id for _, clip_id in ours]

    async def beat(self, holder: str, key: str, clip_ids: Collection[UUID] = ()) -> tuple[int, list[UUID]]:
        """A sign of life: keep all that a reviewer holds for as long again, and have back what they name, if nobody has taken it.

        Args:
            holder: who.
            key: under which what had lapsed is held from now on.
            clip_ids: what they think they hold.

        Returns:
            How many clips they hold, and which of those named somebody else holds.
        """
        values = {"holder": holder, "key": key, "clips": list(clip_ids), "lease_s": self._lease_s}
        async with self._engine.begin() as connection:
            row = (await connection.execute(text(_BEAT), values)).one()
            return int(row.clips), list(row.lost)

    async def release(self, holder: str, clip_ids: Collection[UUID] | None = None) -> int:
        """Hand clips back; all that a reviewer holds where none are named. Returns how many they were."""
        query = "DELETE FROM app.lease WHERE holder = :holder"
        values: dict[str, object] = {"holder": holder}
        if clip_ids is not None:
            query += " AND clip_id = ANY(:clips)"
            values["clips"] = list(clip_ids)
        async with self._engine.begin() as connection:
            return int((await connection.execute(text(query), values)).rowcount)

    async def present(self) -> list[Present]:
        """Who is on which video: whoever holds clips of it that still wait, or has shown a sign of life beside it just now."""
        query = """
            SELECT l.video_id, l.holder, min(l.taken_at) AS since, max(l.expires_at) AS until,
                count(*) FILTER (WHERE c.state = 'pending_review') AS clips
            FROM app.lease l LEFT JOIN projection.clip c ON c.id = l.clip_id
            WHERE l.expires_at > now()
            GROUP BY l.video_id, l.holder
            HAVING count(*) FILTER (WHERE c.state = 'pending_review') > 0
                OR max(l.expires_at) > now() + make_interval(secs => :unseen_s)
            ORDER BY since, l.holder, l.video_id
        """
        async with self._single.connect() as connection:
            rows = await connection.execute(text(query), {"unseen_s": self._lease_s * (1 - _SEEN)})
            return [Present(row.video_id, row.holder, row.clips, row.since, row.until) for row in rows]
