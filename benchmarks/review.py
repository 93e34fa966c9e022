"""Review: how long people wait for the real review-api on a full database, and how fast facts become tables.

HEATERS_BENCH_CLIPS says how full: 50,000 clips of 500 videos unless it says otherwise; 1,000,000 is the size of a large team's
corpus. Most of it is written at once; of the last 400 videos the real projector makes the tables, as it would from a stream. Then the
real process is asked over HTTP. Load is open: a request is sent when its time has come, however long earlier ones take, and it is late
from that time on. Client, servers and Postgres share this machine. At last a rebuild makes all tables again, which are compared row by
row with what was there.

With HEATERS_BENCH_KEEP a full database stays in that folder: the next run of the same size asks it again, and leaves out what filled it.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
from heaters_contracts.objects import ObjectRef
from heaters_contracts.pipeline import FACTS_STREAM
from heaters_edges.bus import Bus
from heaters_edges.objects import Objects
from heaters_edges.store import S3Store
from heaters_edges.wanted import stream_configs
from heaters_local.servers import PostgresServer
from heaters_media.ledger import FrameTable
from heaters_review_api.db import schema
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.projector import Projector
from heaters_review_api.db.rebuild import rebuild
from heaters_review_api.settings import Settings

from benchmarks._corpus import FRAMES, TICKS_PER_FRAME, TIME_BASE, Film, facts_of, films, stream
from benchmarks._http import Connection
from benchmarks._load import load
from benchmarks._review import client, desk_servers, review_api
from benchmarks.harness import Claim, note, percentile

CLIPS = int(os.environ.get("HEATERS_BENCH_CLIPS", "50000"))
KEEP = os.environ.get("HEATERS_BENCH_KEEP")
PROJECTED = 400
"""Films of which the projector makes the tables while it is timed; others are there before."""
REVIEWERS, PER_S, SECONDS = 20, 2.0, 20.0
WATCHERS, CHANGES, CHANGES_PER_S = 200, 100, 10.0
PAGES, NEXTS, NEXT_CLIPS = 200, 400, 10
_BATCH = 500
_FILMS_A_RUN = 2 * REVIEWERS + 2
"""Those that a run decides on: two for each reviewer, one for who is watched, one for the plans."""
_TABLES = 16
_VERDICTS = ("skip",) * 16 + ("archive",) * 3 + ("approve",)


@dataclass(frozen=True, slots=True)
class _World:
    """What is there while the claims are measured."""

    folder: Path
    settings: Settings
    postgres: PostgresServer
    corpus: Sequence[Film]
    runs: int
    """How many have used it before; each takes other films."""

    def has(self, what: str) -> bool:
        """Whether a run before this one did it in this folder."""
        return (self.folder / what).exists()

    def mark(self, what: str) -> None:
        """It is done."""
        (self.folder / what).touch()

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.postgres.libpq_dsn, autocommit=True)


@contextmanager
def _world() -> Iterator[_World]:
    kept = Path(KEEP) / f"review-{CLIPS}" if KEEP else None
    with desk_servers(kept) as (folder, settings, postgres):
        runs = folder / "runs"
        count = len(runs.read_text()) if runs.exists() else 0
        yield _World(folder, settings, postgres, films(CLIPS, asyncio.run(_frame_tables(folder, settings))), count)
        with runs.open("a") as marks:
            marks.write("1")


async def _frame_tables(folder: Path, settings: Settings) -> list[ObjectRef]:
    """Real frame tables in the store; films take them in turn."""
    objects = Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 30)
    path = folder / "frames.npz"
    made = []
    for n in range(_TABLES):
        pts = np.arange(FRAMES, dtype=np.int64) * TICKS_PER_FRAME
        FrameTable(pts, Fraction(*TIME_BASE), FRAMES * TICKS_PER_FRAME).save(path)
        made.append(await objects.put(path, f"bench/frames-{n}.npz"))
    return made


# Facts become tables.


async def _position(world: _World) -> int:
    """Up to which fact the tables are filled."""
    async with await psycopg.AsyncConnection.connect(world.postgres.libpq_dsn) as connection:
        found = await (await connection.execute("SELECT sequence FROM projection.checkpoint")).fetchone()
        return int(found[0]) if found else 0


async def _project(world: _World) -> tuple[int, float]:
    """Fill the tables. Returns how many facts the projector took, and the seconds that it took for them."""
    there = world.corpus[:-PROJECTED]
    began_s = time.perf_counter()
    last = load(world.postgres.libpq_dsn, there) if there else 0
    note(f"{last} facts of {len(there)} videos loaded in {time.perf_counter() - began_s:.0f} s")
    engine = make_engine(world.settings)
    projector = Projector(engine, Passed())
    await projector.resume()
    facts, took_s, told = 0, 0.0, stream(world.corpus[-PROJECTED:], after=last)
    while batch := list(islice(told, _BATCH)):
        began_s = time.perf_counter()
        await projector.apply(batch)
        took_s += time.perf_counter() - began_s
        facts += len(batch)
    await engine.dispose()
    return facts, took_s


async def _rebuild(world: _World) -> tuple[int, float]:
    engine = make_engine(world.settings)
    began_s = time.perf_counter()
    facts = await rebuild(engine)
    took_s = time.perf_counter() - began_s
    await engine.dispose()
    return facts, took_s


def _keep_copy(connection: psycopg.Connection[Any]) -> None:
    connection.execute("DROP SCHEMA IF EXISTS before CASCADE")
    connection.execute("CREATE SCHEMA before")
    for table in schema.PROJECTION:
        connection.execute(f"CREATE UNLOGGED TABLE before.{table.name} AS SELECT t::text AS row FROM {table} t")  # noqa: S608 - our own tables


def _rows_differing(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """How many rows there were, and how many are not in both."""
    rows = differing = 0
    for table in schema.PROJECTION:
        now, then = f"SELECT t::text FROM {table} t", f"SELECT row FROM before.{table.name}"  # noqa: S608 - as above
        for one, other in ((now, then), (then, now)):
            counted = connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other}) d").fetchone()  # noqa: S608 - as above
            differing += counted[0] if counted else 0
        counted = connection.execute(f"SELECT count(*) FROM before.{table.name}").fetchone()  # noqa: S608 - as above
        rows += counted[0] if counted else 0
    connection.execute("DROP SCHEMA before CASCADE")
    return rows, differing


async def _anchor(world: _World, facts: int) -> None:
    """Begin a real stream where the tables are, and tell there the last fact of each film that waits: decisions are checked against it."""
    bus = Bus(world.settings, source="bench")
    await bus.connect()
    config = next(each for each in stream_configs(1) if each.name == FACTS_STREAM)
    await bus.jetstream.delete_stream(FACTS_STREAM)
    await bus.jetstream.add_stream(replace(config, first_seq=facts + 1))
    waiting = [film for film in world.corpus if not film.reviewed]
    for first in range(0, len(waiting), 200):
        await asyncio.gather(*(bus.publish(film.anchor()) for film in waiting[first : first + 200]))
    await bus.close()


# The real process.


def _review_api(world: _World) -> AbstractContextManager[None]:
    return review_api(world.settings, world.folder / "review-api.log")


def _client(world: _World) -> Connection:
    return client(world.settings)


async def _until_projected(world: _World) -> None:
    """Wait until the tables hold all that the stream does."""
    bus = Bus(world.settings, source="bench")
    await bus.connect()
    last = await bus.last_sequence()
    await bus.close()
    async with await psycopg.AsyncConnection.connect(world.postgres.libpq_dsn, autocommit=True) as connection:
        for _ in range(3000):
            found = await (await connection.execute("SELECT sequence FROM projection.checkpoint")).fetchone()
            if found and found[0] >= last:
                return
            await asyncio.sleep(0.1)
    raise TimeoutError(f"the tables have not come to {last}")


async def _open_loop(tasks: int, per_s: float, count: int, act: Callable[[int, int], Awaitable[None]]) -> list[float]:
    """Act `count` times in each of `tasks`, each `per_s` a second and evenly beside each other.

    Returns:
        How long after its time each act had ended, milliseconds.
    """
    waited_ms: list[float] = []
    start_s = time.perf_counter() + 0.2

    async def one(task: int) -> None:
        for n in range(count):
            due_s = start_s + (n + task / tasks) / per_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            await act(task, n)
            waited_ms.append((time.perf_counter() - due_s) * 1000)

    await asyncio.gather(*(one(task) for task in range(tasks)))
    return waited_ms


async def _decide(client: Connection, clip_id: object, verdict: str) -> None:
    answer = await client.ask(
        "POST",
        f"/api/clips/{clip_id}/verdict",
        body={"verdict": verdict},
        headers={"Idempotency-Key": str(uuid4())},
    )
    answer.json()


async def _verdicts(world: _World, waiting: Sequence[Film]) -> list[float]:
    """Reviewers decide, each on films of their own: one that they have begun already, and from some moment on the next, which nobody
    has touched yet."""
    count, dice = int(PER_S * SECONDS), Random(4)
    plans = []
    for begun, fresh in zip(waiting[:REVIEWERS], waiting[REVIEWERS : 2 * REVIEWERS], strict=True):
        turn = dice.randrange(1, count)
        clips = [begun.clip_id(span) for span in begun.spans()[: turn + 1]]
        plans.append(clips + [fresh.clip_id(span) for span in fresh.spans()[: count - turn]])
    async with _clients(world, REVIEWERS) as clients:
        for client, plan in zip(clients, plans, strict=True):
            await _decide(client, plan[0], "skip")

        async def act(reviewer: int, n: int) -> None:
            await _decide(clients[reviewer], plans[reviewer][n + 1], dice.choice(_VERDICTS))

        return await _open_loop(REVIEWERS, PER_S, count, act)


async def _bare(world: _World, reviewers: Sequence[Film]) -> list[float]:
    """The floor: at the same pace, the same message to the stream, and one row committed."""
    bus = Bus(world.settings, source="bench")
    await bus.connect()
    connections = [
        await psycopg.AsyncConnection.connect(world.postgres.libpq_dsn, autocommit=True) for _ in range(REVIEWERS)
    ]
    await connections[0].execute("CREATE TABLE IF NOT EXISTS app.bare (id uuid PRIMARY KEY, data bytea)")
    data = b"x" * 600

    async def act(reviewer: int, _: int) -> None:
        await bus.jetstream.publish(f"bare.{uuid4()}", data, headers={"Nats-Msg-Id": str(uuid4())})
        await connections[reviewer].execute("INSERT INTO app.bare VALUES (%s, %s)", (uuid4(), data))

    config = next(each for each in stream_configs(1) if each.name == FACTS_STREAM)
    await bus.jetstream.add_stream(replace(config, name="BARE", subjects=["bare.>"]))
    waited_ms = await _open_loop(len(reviewers), PER_S, 10, act)
    await connections[0].execute("DROP TABLE app.bare")
    for connection in connections:
        await connection.close()
    await bus.jetstream.delete_stream("BARE")
    await bus.close()
    return waited_ms


@asynccontextmanager
async def _clients(world: _World, count: int) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_client(world)) for _ in range(count)]


async def _take(client: Connection) -> None:
    """Have the next clips handed out."""
    headers = {"Idempotency-Key": str(uuid4())}
    (await client.ask("POST", "/api/queue/next", body={"limit": NEXT_CLIPS}, headers=headers)).json()


async def _asked(world: _World, count: int, per_s: float, ask: Callable[[Connection], Awaitable[None]]) -> list[float]:
    """Four people ask for something; each has asked for it before, so that no first time is measured."""
    async with _clients(world, 4) as clients:
        for client in clients:
            await ask(client)

        async def act(task: int, _: int) -> None:
            await ask(clients[task])

        return await _open_loop(4, per_s / 4, count // 4, act)


async def _watched(world: _World, film: Film) -> list[float]:
    """Everybody watches while decisions come in: how long after the stream had a change each watcher had it, milliseconds."""
    waited_ms: list[float] = []
    missing = dict.fromkeys(range(WATCHERS), CHANGES)
    at, identity = re.compile(rb'"at":"([^"]+)"'), str(film.id).encode()

    async def watch(number: int, client: Connection, watching: asyncio.Event) -> None:
        async for line in client.lines("/api/events"):
            watching.set()
            if line.startswith(b"data: ") and identity in line:
                now = time.time()
                stored = datetime.fromisoformat(at.findall(line)[0].decode())
                waited_ms.append((now - stored.astimezone(UTC).timestamp()) * 1000)
                missing[number] -= 1
                if missing[number] == 0:
                    return

    async with _clients(world, WATCHERS) as watchers, _clients(world, 1) as clients:
        ready = [asyncio.Event() for _ in watchers]
        tasks = [asyncio.create_task(watch(n, *both)) for n, both in enumerate(zip(watchers, ready, strict=True))]
        await asyncio.gather(*(one.wait() for one in ready))
        spans = film.spans()

        async def act(_: int, n: int) -> None:
            await _decide(clients[0], film.clip_id(spans[n]), "skip")

        await _open_loop(1, CHANGES_PER_S, CHANGES, act)
        await asyncio.wait(tasks, timeout=20)
    if lost := sum(missing.values()):
        raise AssertionError(f"{lost} of {WATCHERS * CHANGES} changes did not come")
    return waited_ms


# Plans.


async def _touch_everything(world: _World, waiting: Film, decided: Film) -> None:
    """One of each hot request."""
    first, *_, last = waiting.spans()
    async with _client(world) as client:
        for path in (
            "/api/videos?limit=50",
            f"/api/videos/{waiting.id}",
            f"/api/videos/{decided.id}",
            f"/api/clips?video={waiting.id}&limit=50",
            "/api/clips?state=pending_review&limit=50",
            "/api/clips?limit=50",
            f"/api/clips/{waiting.clip_id(first)}",
        ):
            (await client.ask("GET", path)).json()
        await _take(client)
        await _decide(client, waiting.clip_id(first), "approve")
        await _decide(client, waiting.clip_id(last), "skip")


def _plans(world: _World, waiting: Film, decided: Film) -> dict[str, str]:
    """The plans of the statements over clips, as Postgres really carried them out for the real process; by statement."""
    with world.connect() as connection:
        for setting in (
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_analyze = on",
        ):
            connection.execute(f"ALTER DATABASE heaters SET {setting}")
        begin = world.postgres.log.stat().st_size
        with _review_api(world):
            asyncio.run(_touch_everything(world, waiting, decided))
        for setting in ("session_preload_libraries", "auto_explain.log_min_duration", "auto_explain.log_analyze"):
            connection.execute(f"ALTER DATABASE heaters RESET {setting}")
    log = world.postgres.log.read_bytes()[begin:].decode(errors="replace")
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?!\t)", log):
        _, _, said = entry.partition("Query Text: ")
        lines = said.replace("\t", "").splitlines()
        top = next((n for n, line in enumerate(lines) if re.search(r"\(cost=", line)), None)
        if top is not None and any(re.search(r" on (projection\.)?clip\b", line) for line in lines[top:]):
            statement = " ".join(" ".join(lines[:top]).partition("Query Parameters:")[0].split())
            found.setdefault(statement, "\n".join(lines[top:]))
    return found


_SEQUENTIAL = re.compile(r"Seq Scan on (projection\.)?clip\b")


def _tell_plans(plans: dict[str, str]) -> int:
    for statement, plan in plans.items():
        kind = " ".join(re.sub(r"^SELECT .*? FROM", "SELECT ... FROM", statement).split())
        note(f"plan of {kind[:300]}")
        for line in plan.splitlines():
            if re.search(r"\(cost=|Index Cond|Filter", line):
                note(f"    {line[:180]}")
    return sum(bool(_SEQUENTIAL.search(plan)) for plan in plans.values())


def _spread(name: str, values: Sequence[float]) -> None:
    shown = ", ".join(f"p{p} {percentile(values, p):.1f}" for p in (50, 90, 99))
    note(f"{name}: {shown}, max {max(values):.1f} ms of {len(values)}")


def claims() -> Iterator[Claim]:
    """Nine claims; see the module."""
    with _world() as world:
        if not world.has("filled"):
            yield from _fill(world)
            world.mark("filled")
        waiting = [film for film in world.corpus if not film.reviewed]
        begin = world.runs * _FILMS_A_RUN
        if begin + _FILMS_A_RUN > len(waiting):
            raise ValueError(f"{CLIPS} clips have no films left that nobody has decided on: begin with an empty folder")
        waiting = waiting[begin:]
        decided = [film for film in world.corpus if film.reviewed]
        note(f"{len(world.corpus)} videos, {CLIPS} clips; load of this machine {os.getloadavg()[0]:.1f}")
        plans = _plans(world, waiting[_FILMS_A_RUN - 1], decided[-1])
        if not plans:
            raise AssertionError("no plans were logged")
        yield Claim.absolute(
            "clip_scans", _tell_plans(plans), limit=0.5, unit="sequential scans over clips", better="lower"
        )
        with _review_api(world):
            yield from _ask(world, waiting)
        if not world.has("rebuilt"):
            yield _rebuilt(world)
            world.mark("rebuilt")


def _fill(world: _World) -> Iterator[Claim]:
    facts = facts_of(world.corpus)
    if asyncio.run(_position(world)) < facts:
        projected, took_s = asyncio.run(_project(world))
        note(f"{facts} facts of {len(world.corpus)} videos, {CLIPS} clips; the last {projected} by the projector")
        yield Claim.absolute("projection", projected / took_s, limit=2000, unit="facts/s", better="higher")
    asyncio.run(_anchor(world, asyncio.run(_position(world))))
    with _review_api(world):
        asyncio.run(_until_projected(world))
    with world.connect() as connection:
        connection.execute("VACUUM ANALYZE")


def _rebuilt(world: _World) -> Claim:
    with world.connect() as connection:
        _keep_copy(connection)
        again, took_s = asyncio.run(_rebuild(world))
        rows, differing = _rows_differing(connection)
    note(f"rebuilt from {again} facts, {again / took_s:.0f} facts/s; {rows} rows compared")
    return Claim.absolute("rebuild", differing, limit=0.5, unit="rows differing", better="lower")


def _ask(world: _World, waiting: Sequence[Film]) -> Iterator[Claim]:
    floor_ms = asyncio.run(_bare(world, waiting[:REVIEWERS]))
    _spread("a bare publish + commit", floor_ms)
    decided_ms = asyncio.run(_verdicts(world, waiting))
    _spread("a verdict", decided_ms)
    yield Claim.absolute("verdict_p50", percentile(decided_ms, 50), limit=10, unit="ms", better="lower")
    yield Claim.absolute("verdict_p99", percentile(decided_ms, 99), limit=50, unit="ms", better="lower")

    next_ms = asyncio.run(_asked(world, NEXTS, 20.0, _take))
    _spread(f"the next {NEXT_CLIPS} clips", next_ms)
    yield Claim.absolute("next_p99", percentile(next_ms, 99), limit=20, unit="ms", better="lower")

    dice = Random(5)

    async def look(client: Connection) -> None:
        (await client.ask("GET", f"/api/videos/{dice.choice(world.corpus).id}")).json()

    page_ms = asyncio.run(_asked(world, PAGES, 8.0, look))
    _spread("a video's page", page_ms)
    yield Claim.absolute("video_page_p99", percentile(page_ms, 99), limit=50, unit="ms", better="lower")

    heard_ms = asyncio.run(_watched(world, waiting[2 * REVIEWERS]))
    _spread(f"a change at each of {WATCHERS} watchers", heard_ms)
    yield Claim.absolute("sse_p99", percentile(heard_ms, 99), limit=100, unit="ms", better="lower")
