"""Installations of their own beside the one that tests share: what two replicas of it do must not mix."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from heaters_local.servers import NatsServer, free_port
from heaters_review_api.__main__ import migrate_all
from heaters_review_api.settings import Settings
from pydantic import SecretStr


@dataclass
class Place:
    """An installation of its own: NATS, database, bucket and cache."""

    settings: Settings
    nats: NatsServer

    @property
    def dsn(self) -> str:
        return self.settings.database_url.get_secret_value().replace("+psycopg", "")


@asynccontextmanager
async def place(folder: Path, base: Settings, name: str) -> AsyncIterator[Place]:
    dsn = base.database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(dsn.replace("+psycopg", ""), autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]  # a name of our own
    with NatsServer(folder / f"nats-{name}", free_port()) as nats:
        settings = base.model_copy(
            update={
                "nats_url": nats.url,
                "database_url": SecretStr(f"{dsn.rpartition('/')[0]}/{name}"),
                "s3_bucket": f"heaters-{name}",
                "cache_dir": folder / f"cache-{name}",
            }
        )
        await migrate_all(settings)
        yield Place(settings, nats)
