"""The pool of connections to Postgres."""

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from heaters_review_api.settings import Settings


def make_engine(settings: Settings) -> AsyncEngine:
    """A pool; connections are checked before use, so that a restarted server costs one reconnect and no error."""
    return create_async_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_connections,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={"application_name": f"heaters-review-api-{settings.service_instance}"[:63], "connect_timeout": 5},
    )
