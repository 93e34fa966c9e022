"""Erase a video: its facts, objects, rows, vectors and caches; one fact is left that says so. Safe to repeat at any point."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Unreadable, tell
from heaters_contracts.facts import VideoErased
from heaters_contracts.objects import content_key, video_prefix
from heaters_edges.bus import Bus
from heaters_edges.objects import Objects
from heaters_edges.store import S3Store
from heaters_edges.upkeep import delete_request, ingest_messages, purge_video
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.admission import read_request
from heaters_review_api.clip_cache import ClipCache
from heaters_review_api.db import schema
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import Queries
from heaters_review_api.ops.messages import forget_messages, kept_messages, objects_in
from heaters_review_api.telling import NoSuchVideo

log = logging.getLogger(__name__)

_BESIDE = (schema.player_error, schema.webhook)
"""Tables that tell of a video and follow from no fact."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was taken away, and the sequence of the fact that is left.

    Attributes:
        claims: keys of where it was written down that this video has its very bytes; another may have claimed them since.
    """

    video_id: UUID
    sequence: int
    facts: int
    objects: int
    requests: int
    uploads: Sequence[str]
    claims: Sequence[str]


class Eraser:
    """Erases videos."""

    def __init__(
        self,
        bus: Bus,
        engine: AsyncEngine,
        store: S3Store,
        queries: Queries,
        passed: Passed,
        objects: Objects,
        clips: ClipCache,
        *,
        timeout_s: float,
    ) -> None:
        self._bus = bus
        self._engine = engine
        self._store = store
        self._queries = queries
        self._passed = passed
        self._objects = objects
        self._clips = clips
        self._timeout_s = timeout_s

    async def erase(self, video_id: UUID, *, by: str, reason: str, idempotency_key: str) -> Erased:
        """Erase a video; asked again with the same key, finish what was begun.

        Raises:
            NoSuchVideo: nothing was ever told of it.
            Lagging: the fact is told, and the projection does not come to it in time: ask again.
        """
        video = await self._queries.video(video_id)
        if video is None:
            raise NoSuchVideo(f"there is no video {video_id}")
        uploads, claims = await self._elsewhere(video_id)
        fact = VideoErased(by=by, reason=reason, idempotency_key=idempotency_key)
        told = tell(fact, video_id=video_id, lane=video.lane, cause=None, time=datetime.now(UTC))
        sequence = (await self._bus.publish(told)).sequence
        await self._passed.wait_for(sequence, timeout_s=self._timeout_s)  # the rows are gone, and workers know
        await purge_video(self._bus, video_id, before=sequence)
        requests = await self._erase_requests(video_id)
        # The claims first: while the source is there, nobody takes one over.
        claimed = [key for key in claims if await self._is_claimed(key, video_id)]
        objects = await asyncio.to_thread(self._erase_objects, video_id, [*claimed, *uploads])
        await self._erase_uploads(uploads)
        async with self._engine.begin() as connection:
            for table in _BESIDE:
                await connection.execute(delete(table).where(table.c.video_id == video_id))
        # Last: as long as these are here, a second try knows what there was.
        facts = await forget_messages(self._engine, video_id, before=sequence)
        await asyncio.to_thread(self._objects.forget, video_prefix(video_id))
        await asyncio.to_thread(self._clips.clear)
        log.info("a video was erased", extra={"video_id": video_id, "by": by, "facts": facts, "objects": objects})
        return Erased(video_id, sequence, facts, objects, requests, uploads, claims)

    async def _elsewhere(self, video_id: UUID) -> tuple[list[str], list[str]]:
        """Keys outside of the video's own: uploaded files that it, and no other, was made of; and the claims of its bytes."""
        named, claims = set(), set()
        async for message in kept_messages(self._engine, video_id=video_id):
            for ref in objects_in(message.data):
                if ref.key.startswith("uploads/"):
                    named.add(ref.key)
                if ref.key.startswith(("uploads/", f"{video_prefix(video_id)}source-")):
                    claims.add(content_key(ref.sha256))
            source = _upload_of(message.data)
            if source is not None:
                named.add(source)
        v = schema.video.c
        kept = []
        async with self._engine.connect() as connection:
            for key in sorted(named):
                others = select(v.id).where(
                    v.id != video_id, (v.source_object["key"].astext == key) | (v.source["key"].astext == key)
                )
                if (await connection.execute(others.limit(1))).first() is None:
                    kept.append(key)
        return kept, sorted(claims)

    async def _is_claimed(self, key: str, video_id: UUID) -> bool:
        claim = await self._objects.read_json(key)
        return isinstance(claim, dict) and claim.get("video_id") == str(video_id)

    async def _erase_requests(self, video_id: UUID) -> int:
        """The requests of other teams that this video came of, which their stream keeps for a month."""
        gone = 0
        async for message in ingest_messages(self._bus):
            requester = message.subject.removeprefix("ingest.")
            try:
                request_id = read_request(message.data).identity()
            except Unreadable:
                request_id = ids.sha256_of(message.data.decode("utf-8", "replace"))
            if ids.video_id(requester, request_id) == video_id:
                await delete_request(self._bus, message.sequence)
                gone += 1
        return gone

    def _erase_objects(self, video_id: UUID, elsewhere: Sequence[str]) -> int:
        keys = [*elsewhere, *(one.key for one in self._store.listed(video_prefix(video_id)))]
        for key in keys:
            self._store.delete(key)
        return len(keys)

    async def _erase_uploads(self, keys: Sequence[str]) -> None:
        async with self._engine.begin() as connection:
            for table in (schema.upload, schema.upload_session):
                await connection.execute(delete(table).where(table.c.key.in_(keys)))

    async def traces(self, video_id: UUID, *, claims: Sequence[str]) -> list[str]:
        """Where anything of a video is still found, beside the facts that it was erased; empty when all is gone.

        Args:
            video_id: of the video.
            claims: as `erase` told them: nothing that is left says where they lie.
        """
        found = []
        for where, messages in (
            ("stream", await self._bus.history(video_id)),
            ("facts", [one async for one in kept_messages(self._engine, video_id=video_id)]),
        ):
            found += [
                f"{where}: {m.subject} at {m.sequence}"
                for m in messages
                if not m.subject.startswith(f"heaters.{VideoErased.TYPE}.")
            ]
        listed = await asyncio.to_thread(lambda: [one.key for one in self._store.listed(video_prefix(video_id))])
        listed += [key for key in claims if await self._is_claimed(key, video_id)]
        found += [f"store: {key}" for key in listed]
        found += [f"cache: {path}" for path in await asyncio.to_thread(self._objects.cached, video_prefix(video_id))]
        async with self._engine.connect() as connection:
            for table in (*schema.PROJECTION, schema.lease, *_BESIDE):
                if table is schema.video or "video_id" not in table.c:
                    continue
                query = select(table).where(table.c.video_id == video_id)
                rows = (await connection.execute(query)).all()
                found += [f"{table}: {row}" for row in rows if not _says_erased(row)]
        return found


def _says_erased(row: object) -> bool:
    return getattr(row, "type", None) == VideoErased.TYPE


def _upload_of(data: bytes) -> str | None:
    """The uploaded file that a message names as its source, if it does."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    source = body.get("source") if isinstance(body, dict) else None
    key = source.get("key") if isinstance(source, dict) else None
    return key if isinstance(key, str) and key.startswith("uploads/") else None
