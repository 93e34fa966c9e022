"""Look at an installation: servers, streams, permissions, clocks, disk, versions; each finding says in plain words what to do."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from alembic.script import ScriptDirectory
from heaters_contracts.pipeline import ATTEMPTS_BUCKET, FACTS_STREAM, INGEST_STREAM, PAUSED_BUCKET, PROGRESS_STREAM
from heaters_edges.bus import Bus, BusError
from heaters_edges.failure import MissingObject, TryLater, Unavailable, reason_of
from heaters_edges.objects import Objects
from heaters_edges.store import S3Store
from heaters_edges.upkeep import missing_consumers, missing_streams
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db.migrate import alembic_config
from heaters_review_api.db.passed import Passed

_MOST_SKEW_S = 2.0
_PATIENCE_S = 10.0
_MIGRATE = "run `heaters migrate` (`python -m heaters_review_api migrate`)"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one look has found; `advice` is empty where all is well."""

    part: str
    ok: bool
    what: str
    advice: str = ""


class Doctor:
    """Looks at everything that review-api can reach."""

    def __init__(self, bus: Bus, engine: AsyncEngine, store: S3Store, objects: Objects, passed: Passed) -> None:
        self._bus = bus
        self._engine = engine
        self._store = store
        self._objects = objects
        self._passed = passed

    async def look(self) -> list[Diagnosis]:
        """All looks; none waits for a server that is silent longer than some seconds."""
        looks = (self._nats, self._streams, self._projection, self._database, self._clock, self._s3, self._disk)
        found: list[Diagnosis] = []
        for one in looks:
            found.append(await _patiently(one))
        return found

    async def _nats(self) -> Diagnosis:
        if self._bus.denied:
            return Diagnosis(
                "permissions",
                False,
                f"NATS denies us something: {self._bus.denied}",
                "make the users again with `heaters nats-auth`, and load them into the server",
            )
        if not self._bus.connected:
            return Diagnosis("nats", False, "not connected to NATS", "start NATS, or mend HEATERS_NATS_URL")
        return Diagnosis("nats", True, "connected, and nothing was denied")

    async def _streams(self) -> Diagnosis:
        wanted = (FACTS_STREAM, INGEST_STREAM, PROGRESS_STREAM, f"KV_{ATTEMPTS_BUCKET}", f"KV_{PAUSED_BUCKET}")
        try:
            gone = [*await missing_streams(self._bus, wanted), *await missing_consumers(self._bus)]
        except BusError as problem:
            return Diagnosis("streams", False, str(problem), "see what NATS's own log says")
        if gone:
            return Diagnosis("streams", False, f"missing: {', '.join(gone)}", _MIGRATE)
        return Diagnosis("streams", True, "all streams, buckets and consumers are there")

    async def _projection(self) -> Diagnosis:
        last = await self._bus.last_sequence()
        behind = last - self._passed.sequence
        if behind < 0:
            return Diagnosis(
                "projection",
                False,
                f"the stream ends at {last}, the tables are at {self._passed.sequence}: NATS has lost data",
                "stop review-api and run `heaters restore --stream`",
            )
        if behind > 1000:
            return Diagnosis("projection", False, f"{behind} facts behind", "wait; if it does not shrink, see the log")
        return Diagnosis("projection", True, f"at fact {self._passed.sequence}, {behind} behind the stream")

    async def _database(self) -> Diagnosis:
        head = ScriptDirectory.from_config(alembic_config()).get_current_head()
        async with self._engine.connect() as connection:
            have = (await connection.execute(text("SELECT version_num FROM app.alembic_version"))).scalar_one_or_none()
        if have != head:
            return Diagnosis(
                "database", False, f"the tables are of version {have}, this release wants {head}", _MIGRATE
            )
        return Diagnosis("database", True, f"answers; its tables are of version {have}")

    async def _clock(self) -> Diagnosis:
        before = datetime.now(UTC)
        async with self._engine.connect() as connection:
            theirs: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        after = datetime.now(UTC)
        skew_s = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
        if skew_s > _MOST_SKEW_S:
            return Diagnosis(
                "clock",
                False,
                f"our clock and the database's are {skew_s:.1f} s apart",
                "let a time service (chrony, ntpd) keep the clocks; signed addresses and leases depend on them",
            )
        return Diagnosis("clock", True, "agrees with the database's")

    async def _s3(self) -> Diagnosis:
        key = f"doctor/{uuid4()}"
        data = os.urandom(16)
        try:
            with self._objects.desk() as desk:
                path = desk / "probe"
                path.write_bytes(data)
                await asyncio.to_thread(self._store.put, path, key, content_type="application/octet-stream", sha256="")
                came = await asyncio.to_thread(self._store.get_range, key, 0, len(data))
        except (Unavailable, MissingObject, TryLater) as problem:
            return Diagnosis(
                "s3", False, reason_of(problem), f"start S3, or mend HEATERS_S3_*; without a bucket {_MIGRATE}"
            )
        finally:
            await asyncio.to_thread(self._forget, key)
        if came != data:
            return Diagnosis("s3", False, "what was stored came back as something else", "do not trust this store")
        return Diagnosis("s3", True, "stores, gives back and deletes")

    def _forget(self, key: str) -> None:
        try:
            self._store.delete(key)
        except (Unavailable, MissingObject):
            return  # said already by what went wrong before

    async def _disk(self) -> Diagnosis:
        free = await asyncio.to_thread(self._objects.free_bytes)
        if short := self._objects.no_space():
            return Diagnosis("disk", False, short, "make room, or lower HEATERS_CACHE_LIMIT_BYTES")
        return Diagnosis("disk", True, f"{free >> 20} MiB free at the cache")


async def _patiently(look: Callable[[], Awaitable[Diagnosis]]) -> Diagnosis:
    name = look.__name__.strip("_")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await look()
    except TimeoutError:
        return Diagnosis(
            name, False, f"no answer within {_PATIENCE_S:g} s", "see whether the server runs and is reachable"
        )
    except (SQLAlchemyError, Unavailable, OSError) as problem:
        what = (
            str(getattr(problem, "orig", problem)).strip().splitlines()[0] if str(problem) else type(problem).__name__
        )
        return Diagnosis(name, False, what, "see whether the server runs and is reachable")
