"""How a query is asked."""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

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
        try:
            async with self._reads.connect() as connection:
                try:
                    return await ask(connection, *asked)
                except psycopg.Error:
                    await connection.invalidate()
                    raise
        except psycopg.Error:
            # The slow way knows what to do about a broken connection, and says what is wrong in its own words.
            return [[tuple(row) for row in await self._all(one.statement, **values)] for one, values in asked]
