"""The pool of connections to Postgres, and how long it makes people wait."""

import logging
import time
from typing import Any

import msgspec
import psycopg
from heaters_edges.telemetry import REGISTRY, exemplar
from prometheus_client import Counter, Histogram
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from heaters_review_api.settings import Settings

log = logging.getLogger(__name__)

SECONDS = Histogram(
    "heaters_query_seconds",
    "Time of one statement to Postgres",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
SLOW = Counter("heaters_slow_queries", "Statements that took longer than HEATERS_SLOW_QUERY_S", registry=REGISTRY)
_RESTED_S = 1.0
_SHOWN_CHARACTERS = 300


def make_engine(settings: Settings, *, lock_wait_s: float = 0) -> AsyncEngine:
    """A pool; a connection that has rested is checked before use, so that a restarted server costs one reconnect and no error.

    Args:
        settings: name the database.
        lock_wait_s: a statement that waits so long for somebody else's lock fails; 0: it waits for as long as that is held.
    """
    engine = create_async_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_connections,
        max_overflow=0,
        pool_timeout=10,
        pool_use_lifo=True,  # few connections stay warm: each prepares statements for itself
        json_deserializer=msgspec.json.decode,
        connect_args={
            "application_name": f"heaters-review-api-{settings.service_instance}"[:63],
            "connect_timeout": 5,
            "options": f"-c lock_timeout={round(lock_wait_s * 1000)}",
        },
    )
    dialect = engine.sync_engine.dialect

    # The pool's own check is a round to the server before every query: as long as some of the queries themselves.
    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, record: Any, _proxy: Any) -> None:
        broken = connection.driver_connection.broken
        if broken or time.monotonic() - record.info.get("rests_since", 0.0) > _RESTED_S:
            try:
                dialect.do_ping(connection)
            except psycopg.Error as problem:
                raise InvalidatePoolError("the connection is broken") from problem

    @event.listens_for(engine.sync_engine, "checkin")
    def rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    _time_statements(engine, settings.slow_query_s)
    return engine


def _time_statements(engine: AsyncEngine, slow_s: float) -> None:
    """Measure every statement; tell the slow ones by their text, never by the values in them."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.began_s = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        took_s = time.perf_counter() - context.began_s
        SECONDS.observe(took_s, exemplar())
        if took_s > slow_s:
            SLOW.inc()
            said = " ".join(statement.split())[:_SHOWN_CHARACTERS]
            log.warning("a query was slow", extra={"seconds": round(took_s, 3), "statement": said})
