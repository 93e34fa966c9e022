"""Fills the tables of review-api with films at once: the same fold as the projector's, every row written once, indexes made at the end."""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import psycopg
from heaters_contracts.fact import Fact, Told, encode
from heaters_review_api.core.fold import fold
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import rows

from benchmarks._corpus import Film, facts_of, stored_at, tell_all

_FILMS_AT_ONCE = 25
_PROCESSES = 2
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE NOT indisprimary AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'projection'::regnamespace)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
_EXCLUSIONS = """
    SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'x' AND connamespace = 'projection'::regnamespace
"""


def load(dsn: str, corpus: Sequence[Film]) -> int:
    """Fill empty tables.

    Args:
        dsn: of the database, migrated and empty.
        corpus: the films.

    Returns:
        How many facts there are of them: the sequence of the last.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        # A checkpoint every gigabyte would write each page many times; given back once the tables are full.
        connection.execute("ALTER SYSTEM SET max_wal_size = '16GB'")
        connection.execute("SELECT pg_reload_conf()")
        indexes = connection.execute(_INDEXES).fetchall()
        exclusions = connection.execute(_EXCLUSIONS).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        for name, table, _ in exclusions:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        half = len(corpus) // _PROCESSES
        parts = [corpus[:half], corpus[half:]]
        with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
            list(pool.map(_load, [dsn] * _PROCESSES, parts, [0, facts_of(parts[0])]))
        connection.execute("SET maintenance_work_mem = '512MB'")
        for name, table, definition in exclusions:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for _, definition in indexes:
            connection.execute(definition)
        last = facts_of(corpus)
        connection.execute("UPDATE projection.checkpoint SET sequence = %s", (last,))
        connection.execute("VACUUM ANALYZE")
        connection.execute("ALTER SYSTEM RESET max_wal_size")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CHECKPOINT")
    return last


def _load(dsn: str, corpus: Sequence[Film], after: int) -> None:
    """Write some films, whose facts lie behind a sequence."""
    sequence, heard = after, dict[UUID, list[Told[Fact]]]()
    whole: list[list[Told[Fact]]] = []
    messages: list[tuple[Any, ...]] = []
    with psycopg.connect(dsn) as connection:
        connection.execute("SET synchronous_commit = off")
        # A row's video is there: it need not be looked for.
        connection.execute("SET session_replication_role = replica")
        for film, told in tell_all(corpus):
            if told is None:
                whole.append(heard.pop(film.id))
                if len(whole) == _FILMS_AT_ONCE:
                    _write(connection, messages, whole)
                continue
            sequence += 1
            at, message = stored_at(sequence), encode(told, source="bench")
            heard.setdefault(film.id, []).append(told.stored(sequence, at))
            messages.append((sequence, at, message.subject, json.dumps(message.headers), message.data))
        _write(connection, messages, whole)


def _write(connection: psycopg.Connection[Any], messages: list[tuple[Any, ...]], whole: list[list[Told[Fact]]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY facts.message (sequence, stored_at, subject, headers, data) FROM STDIN") as copy,
    ):
        for message in messages:
            copy.write_row(message)
    empty = [Tables.empty(facts[0].video_id) for facts in whole]
    for statement in rows.changes((before, fold(before, facts)) for before, facts in zip(empty, whole, strict=True)):
        connection.execute(statement.sql, statement.parameters)
    connection.commit()
    messages.clear()
    whole.clear()
