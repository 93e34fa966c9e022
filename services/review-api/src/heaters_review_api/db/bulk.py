"""Many rows in one statement: rows of the core go to Postgres as one JSON text a table, which it takes apart by column name.

Measured on two cores beside an executemany of the same upserts: a third of the client's CPU, and one statement to plan and send
instead of hundreds.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from pydantic import BaseModel
from sqlalchemy import Table

from heaters_review_api.db.texts import plain
from heaters_review_api.db.types import HalfVectorBytes

_NUL = rb"\u0000"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one round to the database says, in the driver's own form."""

    sql: str
    parameters: Sequence[Any] = ()


def upsert(table: Table, rows: Iterable[Any]) -> Statement | None:
    """Insert rows, or bring those that are there to the same values; None where there are no rows.

    Args:
        table: of the projection.
        rows: frozen rows of the core whose fields are named like the table's columns; no two of them with one key.
    """
    text = _json(table, list(rows))
    return Statement(_upsert_sql(table), (text,)) if text else None


def delete(table: Table, rows: Iterable[Any]) -> Statement | None:
    """Delete rows, by their keys; None where there are no rows."""
    text = _json(table, list(rows))
    return Statement(_delete_sql(table), (text,)) if text else None


def to_json(rows: Sequence[Any]) -> str:
    """Rows as a JSON array that Postgres takes apart; bytes in base64."""
    text = msgspec.json.encode(rows, enc_hook=_model)
    if _NUL in text:
        # The one character that Postgres does not store; rare, so it is looked for in the text and not in each value.
        text = msgspec.json.encode(plain(msgspec.json.decode(text)))
    return text.decode()


def _json(table: Table, rows: list[Any]) -> str | None:
    if not rows:
        return None
    vectors = _vectors(table)
    return to_json([_with_vectors(row, vectors) for row in rows] if vectors else rows)


def _model(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return msgspec.Raw(value.model_dump_json().encode())
    raise NotImplementedError(f"no JSON for {type(value).__name__}")


def _with_vectors(row: Any, vectors: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    for name in vectors:
        values[name] = _halfvec(values[name])
    return values


def _halfvec(value: bytes) -> str:
    return str(list(struct.unpack(f"<{len(value) // 2}e", value)))


@cache
def _vectors(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if isinstance(column.type, HalfVectorBytes))


@cache
def _upsert_sql(table: Table) -> str:
    columns = [f'"{column.name}"' for column in table.columns]
    key = [f'"{column.name}"' for column in table.primary_key.columns]
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return (
        f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 - names of our own tables and columns
        f" SELECT {', '.join(columns)} FROM json_populate_recordset(NULL::{table}, %s::json)"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    )


@cache
def _delete_sql(table: Table) -> str:
    key = [f'"{column.name}"' for column in table.primary_key.columns]
    same = " AND ".join(f"t.{name} = gone.{name}" for name in key)
    return (
        f"DELETE FROM {table} t USING json_populate_recordset(NULL::{table}, %s::json) gone"  # noqa: S608 - as above
        f" WHERE {same}"
    )
