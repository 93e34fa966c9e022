"""How a query is asked."""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from heaters_review_api.db.ready import Asked, ask


class Reads:
    """The pool that reads are asked of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # A read is one statement: a transaction around it would be two more rounds to the server.
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def _all(self, query: Select[Any], **values: Any) -> Sequence[Any]:
        try:
            return await self._once(query, values)
        except DBAPIError as problem:
            if not problem.connection_invalidated:
                raise
        # The connection was broken while it rested; the pool has thrown away all of its age, and a read may be asked again.
        return await self._once(query, values)

    async def _once(self, query: Select[Any], values: dict[str, Any]) -> Sequence[Any]:
        async with self._reads.connect() as connection:
            rows: Sequence[Any] = (await connection.execute(query, values)).all()
            return rows

    async def _ask(self, *asked: Asked) -> list[list[Sequence[Any]]]:
        """The rows of each question, in one round to the server."""
        async with self._reads.connect() as connection:
            try:
                return await ask(connection, *asked)
            except psycopg.Error as problem:
                broken = await _is_broken(connection)
                await connection.invalidate()
                if not broken:
                    raise OperationalError(asked[0][0].sql, None, problem) from problem
        # The slow way knows what to do about broken connections, which are seldom alone, and says what is wrong in its own words.
        return [[tuple(row) for row in await self._all(one.statement, **values)] for one, values in asked]


async def _is_broken(connection: AsyncConnection) -> bool:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    return bool(driver.closed)
