"""Back-up and restore: every message with its sequence and time, what the database holds beside them, and the list of objects.

The projection is not in it: it follows from the facts. The objects themselves lie in the store, whose own copies are its operator's;
after a restore `fsck` says which of them are missing. Passwords and tokens are in it as hashes, so its files are their owner's alone.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from heaters_edges.bus import Bus, Stored
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.upkeep import give_back, ingest_messages
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.accounts.tables import account, audit, token
from heaters_review_api.db import schema
from heaters_review_api.ops.messages import kept_messages

log = logging.getLogger(__name__)

FORMAT = 2
_READ = (1, FORMAT)
"""Formats that are restored: the first had of the tables only those of uploads."""
_TABLES = (schema.upload, schema.upload_session, schema.setting, schema.webhook, account, token, audit)
"""What is no fact and outlives a restart, each after those that it refers to; sessions and leases expire by themselves."""
_ROOM = {
    # Facts name people by the ids of their accounts: of two with one login it is the back-up's that is theirs.
    str(account): (
        """
        DELETE FROM app.account a USING json_populate_recordset(NULL::app.account, CAST(:rows AS json)) kept
        WHERE a.id <> kept.id AND (a.login = kept.login OR (a.issuer, a.subject) = (kept.issuer, kept.subject))
        """,
    ),
    # What was done here before the restore comes after what is restored.
    str(audit): (
        """
        SELECT setval(seq.name, greatest(nextval(seq.name), (
            SELECT max(kept.id) FROM json_populate_recordset(NULL::app.audit, CAST(:rows AS json)) kept
        ))) FROM (SELECT pg_get_serial_sequence('app.audit', 'id') AS name) seq
        """,
        """
        UPDATE app.audit a SET id = DEFAULT FROM json_populate_recordset(NULL::app.audit, CAST(:rows AS json)) kept
        WHERE a.id = kept.id
        """,
    ),
}
"""What makes room for rows that are restored, where an installation has begun already."""
_BATCH = 5000


class BadBackup(ValueError):
    """A folder that is no back-up, or one whose files are not what was written."""


class NotEmpty(RuntimeError):
    """There is something already where a back-up is to be restored."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a back-up holds, or what was restored."""

    facts: int
    requests: int
    rows: int
    objects: int
    last_sequence: int


async def backup(folder: Path, *, bus: Bus, engine: AsyncEngine, store: S3Store) -> Summary:
    """Write a back-up into a new or empty folder. The system goes on meanwhile; what is told later is not in it.

    Raises:
        NotEmpty: the folder holds something.
        BusError: the stream cannot be read.
    """
    await asyncio.to_thread(_require_empty, folder)
    last = await bus.last_sequence()
    facts, requests = 0, 0
    with _Lines(folder / "facts.jsonl.gz") as lines:
        if last:
            async for message in _up_to(bus, last):
                lines.add(_line(message))
                facts += 1
    with _Lines(folder / "requests.jsonl.gz") as lines:
        async for message in ingest_messages(bus):
            lines.add(_line(message))
            requests += 1
    rows = 0
    with _Lines(folder / "rows.jsonl.gz") as lines:
        async with engine.connect() as connection:
            # As of one moment: no token without its account.
            await connection.execution_options(isolation_level="REPEATABLE READ")
            for table in _TABLES:
                found = await connection.stream(text(f"SELECT row_to_json(t) FROM {table} t"))  # noqa: S608 - our own table names
                async for (row,) in found:
                    lines.add({"table": str(table), "row": row})
                    rows += 1
    objects = await asyncio.to_thread(_list_objects, folder / "objects.jsonl.gz", store)
    names = ("facts", "requests", "rows", "objects")
    summary = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "counts": {"facts": facts, "requests": requests, "rows": rows, "objects": objects},
        "last_sequence": last,
        "sha256": {name: _sha256(folder / f"{name}.jsonl.gz") for name in names},
    }
    # Last: a folder without it is no back-up.
    (folder / "backup.json").write_text(json.dumps(summary, indent=2) + "\n")
    return Summary(facts, requests, rows, objects, last)


async def restore(folder: Path, *, settings: Settings, bus: Bus, engine: AsyncEngine) -> Summary:
    """Restore a back-up into an installation that was migrated and is empty; the projection follows by itself.

    Raises:
        BadBackup: it is none, or it was changed.
        NotEmpty: the database holds facts already.
        StreamNotEmpty: the stream does.
    """
    summary = _read_summary(folder)
    async with engine.connect() as connection:
        known = int((await connection.execute(select(func.count()).select_from(schema.message))).scalar_one())
    if known:
        raise NotEmpty(f"the database holds {known} facts: restore into an empty one")
    await give_back(settings, _messages(folder / "facts.jsonl.gz"))
    async with engine.begin() as connection:
        for table, rows in _batches(folder / "rows.jsonl.gz"):
            insert = f"""
                INSERT INTO {table} OVERRIDING SYSTEM VALUE
                SELECT * FROM json_populate_recordset(NULL::{table}, CAST(:rows AS json)) ON CONFLICT DO NOTHING
            """  # noqa: S608 - our own table names
            for statement in (*_ROOM.get(table, ()), insert):
                await connection.execute(text(statement), {"rows": json.dumps(rows)})
    requests = 0
    async for message in _messages(folder / "requests.jsonl.gz"):
        # Asked twice is asked once: what was admitted before is admitted as the same video.
        await bus.publish_raw(message.subject, message.headers, message.data, stream="INGEST")
        requests += 1
    counts = summary["counts"]
    return Summary(counts["facts"], requests, counts["rows"], counts["objects"], summary["last_sequence"])


async def refill(*, settings: Settings, engine: AsyncEngine) -> int:
    """Give the stream back from the `facts` table, after NATS has lost its data; returns how many facts.

    What the stream took and the projector had not yet seen is lost: run NATS with three replicas.
    """
    return await give_back(settings, kept_messages(engine))


def _require_empty(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise NotEmpty(f"{folder} is not empty: give a new folder")


async def _up_to(bus: Bus, last: int) -> AsyncIterator[Stored]:
    async for batch in bus.follow(0):
        for message in batch:
            if message.sequence <= last:
                yield message
        if batch[-1].sequence >= last:
            return


def _list_objects(path: Path, store: S3Store) -> int:
    count = 0
    with _Lines(path) as lines:
        for one in store.listed():
            lines.add({"key": one.key, "bytes": one.bytes, "changed_at": one.changed_at.isoformat()})
            count += 1
    return count


def _line(message: Stored) -> dict[str, Any]:
    return {
        "sequence": message.sequence,
        "stored_at": message.stored_at.isoformat(),
        "subject": message.subject,
        "headers": message.headers,
        "data": base64.b64encode(message.data).decode(),
    }


async def _messages(path: Path) -> AsyncIterator[Stored]:
    for said in _read(path):
        yield Stored(
            said["sequence"],
            datetime.fromisoformat(said["stored_at"]),
            said["subject"],
            said["headers"],
            base64.b64decode(said["data"]),
        )


def _read(path: Path) -> Iterable[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _batches(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Rows of one table after the other, as they were kept, not too many at once."""
    for table, kept in groupby(_read(path), lambda one: str(one["table"])):
        while table in map(str, _TABLES) and (rows := [one["row"] for one in islice(kept, _BATCH)]):
            yield table, rows


def _read_summary(folder: Path) -> Any:
    try:
        summary = json.loads((folder / "backup.json").read_text())
    except (OSError, ValueError) as problem:
        raise BadBackup(f"{folder} is no whole back-up: {problem}") from problem
    if not isinstance(summary, dict) or summary.get("format") not in _READ:
        raise BadBackup(f"{folder} was written in another format than {' or '.join(map(str, _READ))}")
    for name, digest in summary["sha256"].items():
        path = folder / f"{Path(name).name}.jsonl.gz"
        if not path.is_file() or _sha256(path) != digest:
            raise BadBackup(f"{path} is not what was written")
    return summary


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Lines:
    """A compressed file of one JSON value a line, for its owner's eyes alone."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file = gzip.open(path, "wt", encoding="utf-8")  # noqa: SIM115 - closed by the context that this is

    def add(self, value: Any) -> None:
        self._file.write(json.dumps(value, separators=(",", ":"), default=str) + "\n")

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
