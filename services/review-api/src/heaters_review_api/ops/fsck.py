"""Look whether all agrees: stream and tables, facts and objects, ledgers and proxies; and mend what can be mended.

Nothing is guessed. What is found is told with what was done or what a person can do about it.
"""

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from heaters_contracts.fact import Fact, Told, Unreadable, decode, parse_subject, tell
from heaters_contracts.facts import StageRequested, VideoErased
from heaters_contracts.objects import ObjectRef
from heaters_edges.bus import Bus, Stored
from heaters_edges.failure import Archived, MissingObject, WrongObject
from heaters_edges.objects import Objects
from heaters_edges.store import Listed, S3Store
from heaters_media.errors import BadLedger
from heaters_media.ledger import Packets
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.core.fold import Unread, fold
from heaters_review_api.core.fold.history import STAGE_OF
from heaters_review_api.core.states import VideoState
from heaters_review_api.core.tables import Segment, Tables
from heaters_review_api.db import rows, schema
from heaters_review_api.db.projector import MISFIT, video_of
from heaters_review_api.db.rebuild import ProjectorRuns, rebuild
from heaters_review_api.ops.messages import kept_messages, objects_in

log = logging.getLogger(__name__)

YOUNG_S = 24 * 3600.0
"""An object is stored before its fact is told: one this young may still be waiting for it."""
_HEADS_AT_ONCE = 16
_COMPARED = ("video", "segments", "cuts", "clips", "failures", "events", "decisions", "reversals", "discarded")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree.

    Attributes:
        check: which look found it.
        what: what is wrong, with names and values.
        advice: what mends it.
        mended: what was done about it; None where nothing was.
    """

    check: str
    what: str
    advice: str
    mended: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a fact names."""

    ref: ObjectRef
    fact_type: str
    cause: UUID | None
    video_id: UUID


class Fsck:
    """Looks at everything, once."""

    def __init__(
        self,
        bus: Bus,
        engine: AsyncEngine,
        store: S3Store,
        objects: Objects,
        *,
        repair: bool,
        deep: bool,
        young_s: float = YOUNG_S,
    ) -> None:
        """Set up; nothing is looked at yet.

        Args:
            bus: connected.
            engine: of the database.
            store: the bucket.
            objects: the same, behind the node's cache.
            repair: mend what can be mended.
            deep: read every object and compare its content, not only what the store says of it; but for those in cold storage.
            young_s: objects and uploads younger than this are left alone.
        """
        self._bus = bus
        self._engine = engine
        self._store = store
        self._objects = objects
        self._repair = repair
        self._deep = deep
        self._before = datetime.now(UTC) - timedelta(seconds=young_s)

    async def run(self) -> AsyncIterator[Finding]:
        """All looks, one after the other; findings as they come."""
        for look in (self.unfinished_uploads, self.stream_and_facts, self.facts_and_tables, self.objects, self.ledgers):
            async for finding in look():
                yield finding

    async def unfinished_uploads(self) -> AsyncIterator[Finding]:
        """Uploads in parts that were begun long ago and neither completed nor aborted."""
        for one in await asyncio.to_thread(self._store.unfinished, ""):
            if one.begun_at >= self._before:
                continue
            found = Finding(
                "uploads",
                f"an upload of {one.key} was begun at {one.begun_at:%Y-%m-%d %H:%M} and never finished",
                "--repair drops it",
            )
            if self._repair:
                await asyncio.to_thread(self._store.abort_parts, one.key, one.upload_id)
                found = replace(found, mended="dropped")
            yield found

    async def stream_and_facts(self) -> AsyncIterator[Finding]:
        """Every message of the stream is kept in the database word for word, and none besides."""
        last = await self._bus.last_sequence()
        kept = kept_messages(self._engine)
        mine = await anext(kept, None)
        async for message in self._stream(last):
            while mine is not None and mine.sequence < message.sequence:
                yield self._not_in_stream(mine)
                mine = await anext(kept, None)
            if mine is None or mine.sequence > message.sequence:
                yield await self._not_kept(message)
                continue
            if (mine.subject, mine.data) != (message.subject, message.data):
                yield Finding(
                    "facts",
                    f"message {message.sequence} is {message.subject} in the stream and {mine.subject} in the database,"
                    " or says something else there",
                    "one of the two was changed by hand: restore it from a back-up",
                )
            mine = await anext(kept, None)
        while mine is not None and mine.sequence <= last:
            yield self._not_in_stream(mine)
            mine = await anext(kept, None)
        if mine is not None:
            yield Finding(
                "facts",
                f"the stream ends at {last}, the database at {mine.sequence} or later",
                "NATS has lost its data: stop review-api and run `heaters restore --stream`",
            )

    async def _stream(self, last: int) -> AsyncIterator[Stored]:
        if last == 0:
            return
        async for batch in self._bus.follow(0):
            for message in batch:
                if message.sequence <= last:
                    yield message
            if batch[-1].sequence >= last:
                return

    def _not_in_stream(self, message: Stored) -> Finding:
        return Finding(
            "facts",
            f"message {message.sequence} ({message.subject}) is in the database and not in the stream",
            "if its video was erased, erase it again; else restore the stream from a back-up",
        )

    async def _not_kept(self, message: Stored) -> Finding:
        found = Finding(
            "facts",
            f"message {message.sequence} ({message.subject}) of the stream is not in the database",
            "--repair copies it; then run `rebuild`",
        )
        if not self._repair:
            return found
        values = {
            "sequence": message.sequence,
            "stored_at": message.stored_at,
            "subject": message.subject,
            "headers": message.headers,
            "data": message.data,
        }
        async with self._engine.begin() as connection:
            await connection.execute(insert(schema.message).values(values).on_conflict_do_nothing())
        return replace(found, mended="copied from the stream")

    async def facts_and_tables(self) -> AsyncIterator[Finding]:
        """What each video's facts come to is what its rows say."""
        told: dict[UUID, list[Told[Fact] | Unread]] = {}
        position, misfits = await self._position(), await self._misfits()
        async for message in kept_messages(self._engine):
            video_id = video_of(message.subject)
            if video_id is None or message.sequence > position:
                continue
            if message.sequence in misfits:
                told.setdefault(video_id, []).append(Unread(message.sequence))
                continue
            try:
                one = decode(message.subject, message.headers, message.data)
                told.setdefault(video_id, []).append(one.stored(message.sequence, message.stored_at))
            except Unreadable:
                told.setdefault(video_id, []).append(Unread(message.sequence))
        wrong = []
        for video_id, messages in told.items():
            wanted = fold(Tables.empty(video_id), messages)
            async with self._engine.connect() as connection:
                have = (await rows.load(connection, [video_id]))[video_id]
            if await self._position() != position:
                position = await self._position()
                if have.video.version != wanted.video.version:
                    continue  # something was told of it meanwhile
            parts = [name for name in _COMPARED if getattr(wanted, name) != getattr(have, name)]
            if parts:
                wrong.append((video_id, parts))
        found = [
            Finding(
                "tables",
                f"the rows of video {video_id} are not what its facts come to: {', '.join(parts)}",
                "--repair makes the projection again, while no review-api runs",
            )
            for video_id, parts in wrong
        ]
        mended = None
        if found and self._repair:
            try:
                await rebuild(self._engine)
                mended = "the projection was made again"
            except ProjectorRuns as problem:
                log.warning("the projection was not made again", extra={"reason": str(problem)})
        for finding in found:
            yield replace(finding, mended=mended)

    async def _misfits(self) -> set[int]:
        """Messages that can be read, and that the tables could not hold: the projector passed them, and would again."""
        m = schema.message.c
        async with self._engine.connect() as connection:
            query = select(m.sequence).where(m.unreadable.is_not(None), m.unreadable.startswith(MISFIT))
            return set((await connection.execute(query)).scalars())

    async def _position(self) -> int:
        async with self._engine.connect() as connection:
            return int((await connection.execute(select(schema.checkpoint.c.sequence))).scalar_one())

    async def objects(self) -> AsyncIterator[Finding]:
        """Every object that a fact names is there as it was promised; every object there is named by a fact."""
        named = await self._named()
        listed = {one.key: one for one in await asyncio.to_thread(lambda: list(self._store.listed()))}
        gate = asyncio.Semaphore(_HEADS_AT_ONCE)

        async def look(one: Named) -> tuple[Named, str | None]:
            async with gate:
                there = listed.get(one.ref.key)
                if there is None:
                    return one, "is not in the store"
                if there.bytes != one.ref.bytes:
                    return one, f"has {there.bytes} bytes, its fact says {one.ref.bytes}"
                try:
                    digest = await asyncio.to_thread(self._digest, one.ref.key)
                except MissingObject:
                    return one, "is not in the store"  # any more: it was deleted since the list was made
                if digest is not None and digest != one.ref.sha256:
                    return one, f"has the sha256 {digest[:12]}, its fact says {one.ref.sha256[:12]}"
                return one, None

        for one, wrong in await asyncio.gather(*(look(one) for one in named.values())):
            if wrong:
                yield await self._make_again(one, f"{one.ref.key} {wrong}")
        async for finding in self._unnamed(named.keys(), listed.values()):
            yield finding

    def _digest(self, key: str) -> str | None:
        """What the store has, or, where that is not to be read or lies in cold storage, what it was stored as, if it says so."""
        if self._deep:
            with suppress(Archived), tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "object"
                self._store.get(key, path)
                with path.open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
        found = self._store.head(key)
        if found is None:
            raise MissingObject(f"there is no object {key}")
        return found[1]

    async def _named(self) -> dict[str, Named]:
        found: dict[str, Named] = {}
        async for message in kept_messages(self._engine):
            video_id = video_of(message.subject)
            if video_id is None:
                continue
            try:
                told = decode(message.subject, message.headers, message.data)
                fact_type, cause = told.fact.TYPE, told.cause
            except Unreadable:
                fact_type, cause = "", None
            for ref in objects_in(message.data):
                # The fact of the stage that made it comes first; later ones only hand it on.
                found.setdefault(ref.key, Named(ref, fact_type, cause, video_id))
        return found

    async def _make_again(self, one: Named, what: str) -> Finding:
        stage = STAGE_OF.get(one.fact_type)
        if stage is None:
            return Finding("objects", what, "nothing here can make it again: restore it from the store's own copies")
        found = Finding("objects", what, f"--repair has {stage} make it again")
        if not self._repair:
            return found
        e, m = schema.event.c, schema.message.c
        async with self._engine.connect() as connection:
            query = select(e.sequence, m.subject).join(schema.message, m.sequence == e.sequence)
            cause = (await connection.execute(query.where(e.fact_id == one.cause))).one_or_none()
        if cause is None:
            return replace(found, advice=f"{stage} cannot be asked again: what it worked on is not known any more")
        key = f"fsck-{one.ref.key}-{self._before:%Y%m%d%H}"
        request = StageRequested(
            stage=stage, message_sequence=cause.sequence, by="fsck", idempotency_key=key, replay=True, force=True
        )
        lane = parse_subject(cause.subject).lane
        await asyncio.to_thread(self._objects.forget, one.ref.key)  # a copy in the cache would not be sent again
        told = tell(request, video_id=one.video_id, lane=lane, cause=one.cause, time=datetime.now(UTC))
        await self._bus.publish(told)
        return replace(found, mended=f"{stage} was asked to make it again")

    async def _unnamed(self, named: Iterable[str], listed: Iterable[Listed]) -> AsyncIterator[Finding]:
        async with self._engine.connect() as connection:
            uploads = set((await connection.execute(select(schema.upload.c.key))).scalars())
            v, e = schema.video.c, schema.event.c
            erased = select(e.video_id).where(e.type == VideoErased.TYPE)
            there = select(v.id).where((v.state != VideoState.NEW) | v.id.not_in(erased))  # some are asked for again
            videos = {str(id_) for id_ in (await connection.execute(there)).scalars()}
        known = set(named) | uploads
        for one in listed:
            parts = one.key.split("/")
            is_manifest = len(parts) > 2 and parts[0] == "videos" and parts[2] == "manifests" and parts[1] in videos
            if one.key in known or is_manifest or one.changed_at >= self._before:
                continue
            if parts[0] == "content" and await self._claimant(one.key) in videos:
                continue
            found = Finding("objects", f"{one.key} is in the store, and no fact names it", "--repair deletes it")
            if self._repair:
                await asyncio.to_thread(self._store.delete, one.key)
                found = replace(found, mended="deleted")
            yield found

    async def _claimant(self, key: str) -> str | None:
        """The video that has claimed these very bytes, so that later ones of them are linked to it; no fact tells of the claim."""
        claim = await self._objects.read_json(key)
        return str(claim.get("video_id")) if isinstance(claim, dict) else None

    async def ledgers(self) -> AsyncIterator[Finding]:
        """Each segment's packet index speaks of its frames, and of bytes that its proxy has."""
        s = schema.segment.c
        async with self._engine.connect() as connection:
            found = await connection.execute(select(schema.segment).where(s.proxy.is_not(None)))
            segments: list[Segment] = [rows.to_row(Segment, row) for row in found]
        for segment in segments:
            where = f"segment {segment.index} of video {segment.video_id}"
            wrong = await self._wrong_ledger(segment)
            if wrong:
                yield Finding(
                    "ledgers",
                    f"the packet index of {where} does not agree with its proxy: {wrong}",
                    f"`heaters replay {segment.video_id} --from preprocess --force`",
                )

    async def _wrong_ledger(self, segment: Segment) -> str | None:
        if segment.packets is None or segment.proxy is None:
            return None
        try:
            packets = Packets.load(await self._objects.read(segment.packets))
        except (BadLedger, MissingObject, WrongObject) as problem:
            return str(problem)
        if (packets.first_frame, packets.frames) != (segment.first_frame, segment.frames):
            return f"frames {packets.first_frame} and {packets.frames} more, not {segment.first_frame} and {segment.frames}"
        end = int((packets.offset_bytes + packets.size_bytes).max())
        if end > segment.proxy.bytes:
            return f"its last packet ends at byte {end} of {segment.proxy.bytes}"
        return None
