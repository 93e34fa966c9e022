"""`python -m heaters_review_api fsck | backup | restore`: what needs the database, for the command line and for jobs."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from heaters_edges import streams
from heaters_edges.bus import Bus
from heaters_edges.objects import Objects
from heaters_edges.store import S3Store
from heaters_edges.upkeep import StreamNotEmpty
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db.engine import make_engine
from heaters_review_api.ops.backup import BadBackup, NotEmpty, backup, refill, restore
from heaters_review_api.ops.fsck import YOUNG_S, Fsck
from heaters_review_api.settings import Settings

OPERATIONS = ("fsck", "backup", "restore")


@dataclass(frozen=True, slots=True)
class _Edges:
    bus: Bus
    engine: AsyncEngine
    store: S3Store
    objects: Objects


@asynccontextmanager
async def _edges(settings: Settings) -> AsyncIterator[_Edges]:
    bus, engine, store = Bus(settings, source="review-api"), make_engine(settings), S3Store(settings)
    objects = Objects(store, settings.cache_dir, limit_bytes=settings.cache_limit_bytes)
    await bus.connect()
    try:
        yield _Edges(bus, engine, store, objects)
    finally:
        await bus.close()
        await engine.dispose()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What these commands take."""
    parser.add_argument("folder", nargs="?", type=Path, help="of a back-up")
    parser.add_argument("--repair", action="store_true", help="fsck: mend what can be mended")
    parser.add_argument("--deep", action="store_true", help="fsck: read every object")
    parser.add_argument("--json", action="store_true", help="fsck: one finding a line, as JSON")
    parser.add_argument("--young-s", type=float, default=YOUNG_S, help="fsck: leave objects alone that are younger")
    parser.add_argument("--stream", action="store_true", help="restore: the stream, from the database's own copy")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked; returns the exit code: 1 where something is left to be done."""
    try:
        if options.command == "fsck":
            return asyncio.run(_fsck(options, settings))
        if options.command == "restore" and options.stream:
            return asyncio.run(_refill(settings))
        if options.folder is None:
            sys.stderr.write(f"{options.command} needs a folder\n")
            return 2
        return asyncio.run(_backup(options.folder, settings, restoring=options.command == "restore"))
    except (BadBackup, NotEmpty, StreamNotEmpty) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


async def _fsck(options: argparse.Namespace, settings: Settings) -> int:
    left = 0
    async with _edges(settings) as e:
        fsck = Fsck(
            e.bus, e.engine, e.store, e.objects, repair=options.repair, deep=options.deep, young_s=options.young_s
        )
        count = 0
        async for finding in fsck.run():
            count += 1
            left += finding.mended is None
            if options.json:
                sys.stdout.write(json.dumps(asdict(finding)) + "\n")
            else:
                sys.stdout.write(f"{finding.check}: {finding.what}: {finding.mended or finding.advice}\n")
    if not options.json:
        sys.stdout.write(f"{count} findings, {count - left} mended\n" if count else "all agrees\n")
    return 1 if left else 0


async def _backup(folder: Path, settings: Settings, *, restoring: bool) -> int:
    async with _edges(settings) as e:
        if restoring:
            done = await restore(folder, settings=settings, bus=e.bus, engine=e.engine)
        else:
            done = await backup(folder, bus=e.bus, engine=e.engine, store=e.store)
    if restoring:
        await streams.migrate(settings, replicas=settings.nats_replicas)  # the consumers of a stream that was made anew
    what = ", ".join(f"{count} {name}" for name, count in asdict(done).items() if name != "last_sequence")
    sys.stdout.write(f"{'restored' if restoring else 'kept'}: {what}; the last fact is {done.last_sequence}\n")
    return 0


async def _refill(settings: Settings) -> int:
    engine = make_engine(settings)
    try:
        count = await refill(settings=settings, engine=engine)
    finally:
        await engine.dispose()
    await streams.migrate(settings, replicas=settings.nats_replicas)
    sys.stdout.write(f"{count} facts given back to the stream\n")
    return 0
