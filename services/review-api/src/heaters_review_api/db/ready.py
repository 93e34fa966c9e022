"""Questions that are asked often: compiled once, said in the driver's own form, and several of them in one round to the server.

Measured on two cores: for one row SQLAlchemy's own way takes three to four times the CPU; and what a question costs whoever waits for
it is less its work than the round to the server and back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Enum, Select, TypeDecorator
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

_DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]  # sqlalchemy's dialects have untyped constructors


class Ready:
    """A question whose text never changes: only the values that `bindparam` names do."""

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._convert = [
            (n, convert)
            for n, column in enumerate(statement.selected_columns)
            if isinstance(column.type, Enum | TypeDecorator)
            and (convert := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
        ]

    async def _say(self, driver: Any, values: Mapping[str, Any]) -> Any:
        return await driver.execute(self.sql, {**self._fixed, **values}, prepare=True)

    def _rows(self, found: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        converted: list[Sequence[Any]] = []
        for values in found:
            row = list(values)
            for n, convert in self._convert:
                row[n] = convert(row[n])
            converted.append(row)
        return converted


Asked = tuple[Ready, Mapping[str, Any]]


async def ask(connection: AsyncConnection, *asked: Asked) -> list[list[Sequence[Any]]]:
    """The rows of each question, converted as SQLAlchemy would; all questions in one round.

    Raises:
        psycopg.Error: as the driver says it.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if len(asked) == 1:
        ((question, values),) = asked
        return [question._rows(await (await question._say(driver, values)).fetchall())]
    async with driver.pipeline():
        answers = [await question._say(driver, values) for question, values in asked]
    return [question._rows(await answer.fetchall()) for (question, _), answer in zip(asked, answers, strict=True)]
