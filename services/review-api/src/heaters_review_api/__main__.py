"""`python -m heaters_review_api [serve | migrate | rebuild | index | fsck | backup | restore]`."""

import argparse
import asyncio
import gc
import logging
import signal
import socket
import sys
import time

import psycopg
import sqlalchemy.exc
import uvicorn
from heaters_edges import streams, telemetry
from heaters_edges.failure import reason_of
from heaters_edges.settings import load
from heaters_edges.store import S3Store

from heaters_review_api.accounts.first import make_keeper
from heaters_review_api.accounts.store import Taken
from heaters_review_api.app import Application
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.indexes import Indexes
from heaters_review_api.db.migrate import migrate
from heaters_review_api.db.rebuild import ProjectorRuns, rebuild
from heaters_review_api.ops import command as ops
from heaters_review_api.settings import Settings
from heaters_review_api.web.connection import patient

log = logging.getLogger(__name__)

_SERVERS_WITHIN_S = 120
"""On a first start everything is begun at once, and a database that has to be made takes longest."""


class Server(uvicorn.Server):
    """Tells open event streams to end before it waits for connections to do so."""

    def __init__(self, application: Application) -> None:
        settings = application.settings
        config = uvicorn.Config(
            application.asgi,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            http=patient(settings.client_patience_s),
            proxy_headers=False,  # the application looks at them itself, and believes named proxies only
            lifespan="on",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop answering."""
        self._application.desk.changes.closing.set()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Answer until SIGTERM, which is a clean end."""
    # The server stops cleanly and then raises the signal again, for whoever was there before it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The projector holds tens of thousands of frozen rows, which form no cycles: to look through them often is time that people wait.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    Server(Application(settings)).run()


async def migrate_all(settings: Settings) -> None:
    """Make streams, consumers and buckets, the database's tables and the S3 bucket, as far as they are missing."""
    await streams.migrate(settings, replicas=settings.nats_replicas)
    engine = make_engine(settings)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()
    await asyncio.to_thread(S3Store(settings).create_bucket)


async def migrate_when_they_answer(settings: Settings) -> None:
    """Migrate as soon as all three servers answer. What starts us need not know when they do.

    Raises:
        OSError, psycopg.OperationalError, sqlalchemy.exc.OperationalError: one does not, not even after two minutes.
    """
    deadline = time.monotonic() + _SERVERS_WITHIN_S
    while True:
        try:
            return await migrate_all(settings)
        except (OSError, psycopg.OperationalError, sqlalchemy.exc.OperationalError) as problem:
            if time.monotonic() > deadline:
                raise
            log.warning("a server does not answer yet", extra={"reason": reason_of(problem)[:300]})
        await asyncio.sleep(1)


async def rebuild_all(settings: Settings) -> int:
    """Make the projection again from the facts."""
    engine = make_engine(settings)
    try:
        return await rebuild(engine)
    finally:
        await engine.dispose()


async def index_all(settings: Settings) -> int:
    """Make the vector indexes that are missing."""
    engine = make_engine(settings)
    try:
        return len(await Indexes(engine).ensure())
    finally:
        await engine.dispose()


def main() -> None:
    """Read the command and do it."""
    parser = argparse.ArgumentParser(prog="heaters_review_api", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        choices=("serve", "migrate", "rebuild", "index", "account", *ops.OPERATIONS),
        default="serve",
    )
    parser.add_argument("--login", help="account: who keeps accounts from now on; the password is printed this once")
    ops.add_arguments(parser)
    options = parser.parse_args()
    command = options.command
    settings = load(Settings)
    telemetry.start("review-api", settings)
    if command == "serve":
        serve(settings)
    elif command in ops.OPERATIONS:
        sys.exit(ops.run(options, settings))
    elif command == "migrate":
        asyncio.run(migrate_when_they_answer(settings))
    elif command == "account":
        if not options.login:
            parser.error("account needs --login")
        try:
            sys.stdout.write(f"{asyncio.run(make_keeper(settings, options.login))}\n")
        except Taken as problem:
            sys.exit(str(problem))
    elif command == "index":
        sys.stdout.write(f"{asyncio.run(index_all(settings))} vector indexes made\n")
    else:
        try:
            replayed = asyncio.run(rebuild_all(settings))
        except ProjectorRuns as problem:
            sys.exit(str(problem))
        sys.stdout.write(f"{replayed} facts replayed\n")


if __name__ == "__main__":
    main()
