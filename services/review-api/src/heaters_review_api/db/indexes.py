"""Vector indexes: one for each model and strategy that has enough clips, made beside the projector and never by it.

Making one takes minutes where there are millions of clips. It is made CONCURRENTLY, so that clips go on being embedded and searched
meanwhile, by one replica at a time. `python -m heaters_review_api index` does it at once; a running review-api looks by itself.
"""

import asyncio
import hashlib
import logging

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db.locks import INDEXES, connect, held
from heaters_review_api.db.search import EXACT_ALWAYS, SearchQueries, Space

log = logging.getLogger(__name__)

PREFIX = "embedding_near_"
M, EF_CONSTRUCTION = 16, 96
_MOST_DIMENSIONS = 4000
_LOOK_S = 60.0
_MEMORY_EACH_BYTES = 3_000
"""What building takes for a vector of 768, about; with less memory than for all of them it is many times slower."""
_MEMORY_MOST_BYTES = 8 * 1024**3


def name_of(space: Space) -> str:
    """The name of a space's index: names of models are longer than names of indexes may be."""
    digest = hashlib.sha256(f"{space.model}\n{space.strategy}\n{space.dimensions}".encode()).hexdigest()
    return PREFIX + digest[:24]


class Indexes:
    """Makes the indexes that are missing, and takes away those that nobody needs."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._queries = SearchQueries(engine)

    async def names(self) -> set[Space]:
        """The spaces that have a whole index."""
        async with await connect(self._engine) as connection:
            whole = {name for name, valid in await _found(connection) if valid}
        return {row.space for row in await self._queries.models() if name_of(row.space) in whole}

    async def ensure(self, *, least: int = EXACT_ALWAYS) -> list[Space]:
        """Make what is missing for spaces of at least so many clips, and drop what no space has any more.

        Returns:
            The spaces that got an index. None, too, where another replica is at it.
        """
        async with held(self._engine, INDEXES, wait=False) as alone:
            if not alone:
                return []
            spaces = [row.space for row in await self._queries.models()]
            made = []
            async with await connect(self._engine) as connection:
                found = dict(await _found(connection))
                for name, valid in found.items():
                    if not valid or name not in {name_of(space) for space in spaces if space.clips}:
                        # Not valid: a build that was broken off leaves one behind that nobody can use.
                        await connection.execute(
                            sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS projection.{}").format(sql.Identifier(name))
                        )
                for space in spaces:
                    if space.clips >= max(1, least) and not found.get(name_of(space)):
                        await _build(connection, space)
                        made.append(space)
            return made

    async def keep(self) -> None:
        """Look once a minute, for ever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.ensure()
            except (SQLAlchemyError, psycopg.Error, OSError) as problem:
                log.warning("vector indexes were not looked after", extra={"reason": str(problem)})


async def _found(connection: psycopg.AsyncConnection[TupleRow]) -> list[tuple[str, bool]]:
    answer = await connection.execute(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'projection.embedding'::regclass AND starts_with(c.relname, %s)",
        (PREFIX,),
    )
    return [(str(name), bool(valid)) for name, valid in await answer.fetchall()]


async def _build(connection: psycopg.AsyncConnection[TupleRow], space: Space) -> None:
    if not 1 <= space.dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"an index holds 1 to {_MOST_DIMENSIONS} dimensions, not {space.dimensions}")
    wanted = space.clips * (_MEMORY_EACH_BYTES + 2 * space.dimensions)
    memory_mib = min(_MEMORY_MOST_BYTES, max(64 * 1024**2, wanted)) >> 20
    # Only what the build uses is taken; but a server with less than that would fall over, so ops may set less for the role.
    await connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (f"{memory_mib}MB",))
    log.info(
        "a vector index is being made", extra={"model": space.model, "strategy": space.strategy, "clips": space.clips}
    )
    await connection.execute(
        sql.SQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON projection.embedding"
            " USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops) WITH (m = {m}, ef_construction = {ef})"
            " WHERE model = {model} AND strategy = {strategy}"
        ).format(
            name=sql.Identifier(name_of(space)),
            dimensions=sql.Literal(space.dimensions),
            m=sql.Literal(M),
            ef=sql.Literal(EF_CONSTRUCTION),
            model=sql.Literal(space.model),
            strategy=sql.Literal(space.strategy),
        )
    )
    log.info("a vector index was made", extra={"model": space.model, "strategy": space.strategy})
