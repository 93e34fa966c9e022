"""Search at scale: how long the nearest clips take and how many of them are the true ones, with filters and without.

A real Postgres with pgvector, the tables and the indexes that review-api makes, and the very queries that it asks; the truth is a product
of matrices. Queries are vectors that are not in the tables, from where those are. HEATERS_BENCH_VECTORS says how many clips; growth
is shown from a quarter of them on. The search is measured warm, one after the other, from the caller's side.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from heaters_local.servers import PostgresServer, free_port
from heaters_review_api.db.indexes import Indexes, name_of
from heaters_review_api.db.locks import connect
from heaters_review_api.db.migrate import migrate
from heaters_review_api.db.search import Filters, SearchQueries, Space, exact_most
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks._vectors import DIMENSIONS, SHARES, Vectors, World, fill, tagged
from benchmarks.harness import Claim, note, percentile

VECTORS = int(os.environ.get("HEATERS_BENCH_VECTORS", "60000"))
QUERIES, WARM_UP, NEAREST = 60, 10, 20
_BLOCK = 5_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of search."""

    p50_ms: float
    p95_ms: float
    recall: float
    how: str


def claims() -> Iterator[Claim]:
    """See the module."""
    with tempfile.TemporaryDirectory(prefix="heaters-bench-", ignore_cleanup_errors=True) as name:
        with PostgresServer(Path(name) / "postgres", free_port()) as postgres:
            found = asyncio.run(_measure(postgres.dsn))
    plain, filtered = found[""], [found[tag] for tag in SHARES]
    yield Claim.absolute("search_p95", max(m.p95_ms for m in (plain, *filtered)), limit=50, unit="ms", better="lower")
    yield Claim.absolute("search_recall", plain.recall, limit=0.95, unit="recall@20", better="higher")
    yield Claim.absolute(
        "search_filtered_recall", min(m.recall for m in filtered), limit=0.95, unit="recall@20", better="higher"
    )


async def _measure(dsn: str) -> dict[str, Measured]:
    engine = create_async_engine(dsn, pool_size=4)
    try:
        await migrate(engine)
        world = World.of(VECTORS)
        blocks = [world.vectors(min(_BLOCK, VECTORS - at), seed=at) for at in range(0, VECTORS, _BLOCK)]
        queries = world.vectors(QUERIES + WARM_UP, seed=10**9)
        found: dict[str, Measured] = {}
        filled = 0
        for upto in (len(blocks) // 4, len(blocks)):
            if upto == 0:
                continue
            before_s = time.monotonic()
            filled = await fill(engine, filled, iter(blocks[filled // _BLOCK : upto]))
            note(f"{filled:,} clips x {DIMENSIONS}: filled in {time.monotonic() - before_s:.0f} s")
            found = await _at_size(engine, np.concatenate(blocks[:upto]), queries)
    finally:
        await engine.dispose()
    return found


async def _at_size(engine: AsyncEngine, vectors: Vectors, queries: Vectors) -> dict[str, Measured]:
    clips = len(vectors)
    space = Space("bench@1", "spread", DIMENSIONS, clips)
    async with await connect(engine) as connection:
        await connection.execute(f"DROP INDEX IF EXISTS projection.{name_of(space)}")
        before_s = time.monotonic()
        await Indexes(engine).ensure(least=1)
        took_s = time.monotonic() - before_s
        sizes = await (
            await connection.execute(
                "SELECT pg_relation_size(%s::regclass), pg_table_size('projection.embedding')",
                (f"projection.{name_of(space)}",),
            )
        ).fetchone()
    assert sizes is not None
    note(
        f"index built in {took_s:.0f} s ({1e6 * took_s / clips:.0f} us a clip),"
        f" {sizes[0] / 2**20:.0f} MiB beside a table of {sizes[1] / 2**20:.0f} MiB"
    )
    found = {}
    for tag in ("", *SHARES):
        has = await tagged(engine, tag, clips) if tag else np.ones(clips, np.bool_)
        truth = _truth(vectors, queries, has)
        best = await _searches(engine, space, queries, truth, tag)
        share = f"{has.mean():.1%} of them" if tag else "all of them"
        note(_line(share, best, by_rule=True))
        if tag:
            # Both sides of the rule, so that it can be seen where they meet.
            other: Literal["exact", "index"] = "index" if best.how == "exact" else "exact"
            note(_line(share, await _searches(engine, space, queries, truth, tag, how=other), by_rule=False))
        found[tag] = best
    note(f"the rule compares one by one up to {exact_most(clips):,} clips")
    return found


def _line(share: str, one: Measured, *, by_rule: bool) -> str:
    chosen = "chosen" if by_rule else "instead"
    return f"{share}: {one.how}, {chosen}: p50 {one.p50_ms:.1f} ms, p95 {one.p95_ms:.1f} ms, recall@{NEAREST} {one.recall:.4f}"


def _truth(vectors: Vectors, queries: Vectors, has: npt.NDArray[np.bool_]) -> list[float]:
    """The cosine of the last of the true nearest of each query: what is at least as near is true, too, where several are."""
    places = np.flatnonzero(has)
    worst = []
    for start in range(0, len(queries), 10):
        cosines = queries[start : start + 10] @ vectors[places].T
        worst += np.partition(cosines, -NEAREST, axis=1)[:, -NEAREST].tolist()
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
            # Cosines of float16 differ in the last digit by the order in which they are summed.
            right += sum(hit.score is not None and hit.score >= truth[n] - 1e-4 for hit in answer.hits)
        used = answer.how
    asked = len(took_ms) * NEAREST
    return Measured(percentile(took_ms, 50), percentile(took_ms, 95), right / asked, used)
