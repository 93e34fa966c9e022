"""What is done to Postgres: connections and locks that somebody else holds, and a look at who waits for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]
_OURS = "fault"
_PATIENCE_S = 60.0


def plain(dsn: str) -> str:
    """An address without SQLAlchemy's word for the driver."""
    return dsn.replace("+psycopg", "")


def connected(dsn: str) -> Connection:
    return psycopg.connect(plain(dsn), autocommit=True, application_name=_OURS, connect_timeout=5)


@contextmanager
def every_connection(dsn: str) -> Iterator[int]:
    """Throw everybody out and take every connection that the server gives; yields how many."""
    with ExitStack() as stack:
        first = stack.enter_context(connected(dsn))
        count, deadline_s = 1, time.monotonic() + _PATIENCE_S
        while _others(first) and time.monotonic() < deadline_s:
            first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> %s",
                (_OURS,),
            )
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(connected(dsn))
                    count += 1
        assert not _others(first), "somebody else still holds a connection"
        yield count


def _others(connection: Connection) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> %s"
    found = connection.execute(query, (_OURS,)).fetchone()
    return int(found[0]) if found else 0


@contextmanager
def locked(dsn: str, statement: str) -> Iterator[Callable[[], None]]:
    """Hold what a statement locks. Yields a function that waits until somebody waits for it."""
    with connected(dsn) as looks, psycopg.connect(plain(dsn), application_name=_OURS) as holds:
        holds.execute(statement.encode())

        def until_awaited() -> None:
            query = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND application_name <> %s AND datname = current_database()"
            )
            deadline_s = time.monotonic() + _PATIENCE_S
            while True:
                found = looks.execute(query, (_OURS,)).fetchone()
                if found and found[0]:
                    return
                assert time.monotonic() < deadline_s, "nobody came to wait for the lock"
                time.sleep(0.05)

        yield until_awaited
        with suppress(psycopg.Error):  # the server may have been killed meanwhile: then nothing is locked any more
            holds.rollback()


def shape(dsn: str) -> list[str]:
    """Every column, constraint, index and enum of the database, in words."""
    queries = (
        "SELECT concat_ws(' ', table_schema, table_name, column_name, data_type, is_nullable, column_default)"
        " FROM information_schema.columns WHERE table_schema IN ('projection', 'facts', 'app')",
        "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint"
        " WHERE connamespace::regnamespace::text IN ('projection', 'facts', 'app')",
        "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('projection', 'facts', 'app')",
        "SELECT concat_ws(' ', enumtypid::regtype, enumlabel) FROM pg_enum",
        "SELECT concat('at ', version_num) FROM app.alembic_version",
    )
    with connected(dsn) as connection:
        return sorted(row[0] for query in queries for row in connection.execute(query.encode()).fetchall())
