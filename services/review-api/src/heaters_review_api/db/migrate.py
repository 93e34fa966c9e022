"""The database, brought to what this release wants. Safe to repeat, and to run twice at once."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db.locks import MIGRATION, held


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; the migrations lie in this package."""
    config = Config()
    config.set_main_option("script_location", "heaters_review_api.db:migrations")
    config.attributes["connection"] = connection
    return config


async def migrate(engine: AsyncEngine) -> None:
    """Run what migrations are missing, one migrator at a time."""
    async with held(engine, MIGRATION, wait=True), engine.connect() as connection:
        await connection.execute(text("CREATE SCHEMA IF NOT EXISTS app"))
        await connection.run_sync(lambda c: command.upgrade(alembic_config(c), "head"))
        await connection.commit()
