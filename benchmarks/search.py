"""Search at scale: how long the nearest clips take and how many of them are the true ones, with filters and without.

A real Postgres with pgvector, the tables and the indexes that review-api makes, and the real review-api, asked over HTTP for clips like
another; the truth is a product of matrices. HEATERS_BENCH_VECTORS says how many clips. Growth is shown at a quarter, at half and at all of
them by the very queries of review-api, for vectors that are in no table, both ways that a search can go. Searches are measured warm, one after
the other, from the caller's side; client, servers and Postgres share this machine.

With HEATERS_BENCH_KEEP full tables stay in that folder: the next run of the same size asks them again, and leaves out what filled them.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from heaters_contracts.objects import ObjectRef
from heaters_edges.objects import Objects
from heaters_edges.store import S3Store
from heaters_media.ledger import FrameTable
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.indexes import Indexes, name_of
from heaters_review_api.db.locks import connect
from heaters_review_api.db.search import Filters, SearchQueries, Space, exact_most
from heaters_review_api.settings import Settings
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks._review import client, desk_servers, review_api
from benchmarks._vectors import DIMENSIONS, FRAMES, MODEL, SHARES, STRATEGY, Vectors, World, clip_of, fill, tagged
from benchmarks.harness import Claim, note, percentile

VECTORS = int(os.environ.get("HEATERS_BENCH_VECTORS", "60000"))
KEEP = os.environ.get("HEATERS_BENCH_KEEP")
QUERIES, WARM_UP, NEAREST = 60, 10, 20
_PARTS = 4, 2, 1
_LEAST = 16_000
"""One per cent of the first of the parts is more than the hits that are asked for."""
_BLOCK = 5_000
_SAME = 1e-4
"""Cosines of float16 differ in the last digits by the order in which they are summed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of search."""

    p50_ms: float
    p95_ms: float
    recall: float
    how: str


def claims() -> Iterator[Claim]:
    """See the module.

    Raises:
        ValueError: so few vectors are wanted that the narrowest filter leaves no twenty hits.
    """
    if VECTORS < _LEAST:
        raise ValueError(f"HEATERS_BENCH_VECTORS is {VECTORS}; at least {_LEAST} are needed")
    with _world() as (folder, settings):
        vectors = _vectors()
        filled = folder / "filled"
        direct = asyncio.run(_growth(settings, vectors, there=VECTORS if filled.exists() else 0))
        filled.touch()
        asked = _over_http(settings, vectors, folder / "review-api.log")
    yield Claim.absolute("search_p95", max(m.p95_ms for m in asked.values()), limit=50, unit="ms", better="lower")
    for name, tags in (("search_recall", {""}), ("search_filtered_recall", set(SHARES))):
        recall = min(found[tag].recall for found in (direct, asked) for tag in tags)
        yield Claim.absolute(name, recall, limit=0.95, unit="recall@20", better="higher")


@contextmanager
def _world() -> Iterator[tuple[Path, Settings]]:
    kept = Path(KEEP) / f"search-{VECTORS}" if KEEP else None
    with desk_servers(kept) as (folder, settings, _):
        yield folder, settings


def _vectors() -> Vectors:
    world, found = World.of(VECTORS), np.empty((VECTORS, DIMENSIONS), np.float32)
    for at in range(0, VECTORS, _BLOCK):
        some = found[at : at + _BLOCK]
        some[:] = world.vectors(len(some), seed=at)
    return found


async def _frame_table(settings: Settings) -> ObjectRef:
    """What a clip's times are told from; one for all videos."""
    path = settings.cache_dir.parent / "bench.npz"
    FrameTable(np.arange(FRAMES, dtype=np.int64), Fraction(1, 25), FRAMES).save(path)
    return await Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 30).put(path, "bench/frames.npz")


async def _growth(settings: Settings, vectors: Vectors, *, there: int) -> dict[str, Measured]:
    """Fill the tables, and show what becomes of searches as they grow; so many clips are there. Returns what was measured at last."""
    engine = make_engine(settings)
    queries = World.of(VECTORS).vectors(QUERIES + WARM_UP, seed=10**9)
    found: dict[str, Measured] = {}
    try:
        for part in _PARTS:
            clips = len(vectors) // part
            if clips < there:
                continue
            if clips > there:
                space = Space(MODEL, STRATEGY, DIMENSIONS, clips)
                async with await connect(engine) as connection:
                    await connection.execute(f"DROP INDEX IF EXISTS projection.{name_of(space)}")
                before_s = time.monotonic()
                blocks = (vectors[at : min(at + _BLOCK, clips)] for at in range(there, clips, _BLOCK))
                there = await fill(engine, await _frame_table(settings), there, blocks)
                note(f"{clips:,} clips x {DIMENSIONS}: the last part filled in {time.monotonic() - before_s:.0f} s")
                await _index(engine, space)
            found = await _at_size(engine, vectors[:clips], queries)
    finally:
        await engine.dispose()
    return found


async def _index(engine: AsyncEngine, space: Space) -> None:
    before_s = time.monotonic()
    await Indexes(engine).ensure(least=1)
    took_s = time.monotonic() - before_s
    async with await connect(engine) as connection:
        sizes = await (
            await connection.execute(
                "SELECT pg_relation_size(%s::regclass), pg_table_size('projection.embedding')",
                (f"projection.{name_of(space)}",),
            )
        ).fetchone()
    if sizes is None:
        raise AssertionError("there is no index")
    note(
        f"index built in {took_s:.0f} s ({1e6 * took_s / space.clips:.0f} us a clip),"
        f" {sizes[0] / 2**20:.0f} MiB beside a table of {sizes[1] / 2**20:.0f} MiB"
    )


async def _at_size(engine: AsyncEngine, vectors: Vectors, queries: Vectors) -> dict[str, Measured]:
    clips = len(vectors)
    space = Space(MODEL, STRATEGY, DIMENSIONS, clips)
    found = {}
    for tag in ("", *SHARES):
        has = await tagged(engine, tag, clips)
        truth = _truth(vectors, queries, has)
        best = await _searches(engine, space, queries, truth, tag)
        share = f"{has.mean():.1%} of {clips:,}"
        note(f"{share}: {_line(best)}")
        if tag:
            # Both sides of the rule, so that it can be seen where they meet.
            other: Literal["exact", "index"] = "index" if best.how == "exact" else "exact"
            note(f"{share}, instead: {_line(await _searches(engine, space, queries, truth, tag, how=other))}")
        found[tag] = best
    note(f"the rule compares one by one up to {exact_most(clips):,} clips")
    return found


def _line(one: Measured) -> str:
    return f"{one.how}, p50 {one.p50_ms:.1f} ms, p95 {one.p95_ms:.1f} ms, recall@{NEAREST} {one.recall:.4f}"


def _truth(vectors: Vectors, queries: Vectors, has: npt.NDArray[np.bool_], without: Sequence[int] = ()) -> list[float]:
    """The cosine of the last of the true nearest of each query: what is at least as near is true, too, where several are.

    Args:
        vectors: of all clips.
        queries: what is looked for.
        has: which clips may be found.
        without: of each query a clip that may not.
    """
    worst = []
    for start in range(0, len(queries), 10):
        cosines = queries[start : start + 10] @ vectors.T
        for row, number in zip(cosines, without[start : start + 10], strict=False):
            row[number] = -1
        worst += np.partition(cosines[:, has], -NEAREST, axis=1)[:, -NEAREST].tolist()
    return worst


async def _searches(
    engine: AsyncEngine,
    space: Space,
    queries: Vectors,
    truth: list[float],
    tag: str,
    *,
    how: Literal["exact", "index"] | None = None,
) -> Measured:
    searches, filters = SearchQueries(engine), Filters(tags=(tag,) if tag else ())
    took_ms, right, used = [], 0, ""
    for n, query in enumerate(queries):
        packed = query.astype("<f2").tobytes()
        before_s = time.perf_counter()
        answer = await searches.nearest(space, packed, filters, limit=NEAREST, how=how)
        if n >= WARM_UP:
            took_ms.append(1000 * (time.perf_counter() - before_s))
            right += sum(hit.score is not None and hit.score >= truth[n] - _SAME for hit in answer.hits)
        used = answer.how
    return Measured(percentile(took_ms, 50), percentile(took_ms, 95), right / (len(took_ms) * NEAREST), used)


def _over_http(settings: Settings, vectors: Vectors, log: Path) -> dict[str, Measured]:
    """More like this: as a person asks it on a clip's page, with tags and without."""
    chosen = np.random.default_rng(9).choice(len(vectors), QUERIES + WARM_UP, replace=False).tolist()
    found = {}
    with review_api(settings, log):
        for tag in ("", *SHARES):
            has = asyncio.run(_tagged(settings, tag, len(vectors)))
            # A clip is the nearest to itself, and not to be found.
            truth = _truth(vectors, vectors[chosen], has, without=chosen)
            found[tag] = asyncio.run(_asked(settings, chosen, truth, tag))
            note(f"over HTTP, {has.mean():.1%} of {len(vectors):,}: {_line(found[tag])}")
    return found


async def _tagged(settings: Settings, tag: str, clips: int) -> npt.NDArray[np.bool_]:
    engine = make_engine(settings)
    try:
        return await tagged(engine, tag, clips)
    finally:
        await engine.dispose()


async def _asked(settings: Settings, chosen: list[int], truth: list[float], tag: str) -> Measured:
    took_ms, right, used = [], 0, ""
    async with client(settings) as asking:
        for n, number in enumerate(chosen):
            wish = {"like": [str(clip_of(number))], "limit": NEAREST, "filters": {"tags": [tag] if tag else []}}
            before_s = time.perf_counter()
            answer = (await asking.ask("POST", "/api/search", body=wish)).json()
            if n >= WARM_UP:
                took_ms.append(1000 * (time.perf_counter() - before_s))
                right += sum(hit["similarity"] >= truth[n] - _SAME for hit in answer["items"])
            used = answer["how"]
    return Measured(percentile(took_ms, 50), percentile(took_ms, 95), right / (len(took_ms) * NEAREST), used)
