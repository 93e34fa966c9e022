"""Formats for datasets: WebDataset shards, and tables as CSV and as JSON lines."""

import csv
import io
import json
import tarfile
from collections.abc import Sequence
from typing import Any

from heaters_review_api.exports.body import Body, Piece
from heaters_review_api.exports.rows import COLUMNS, Row, as_json


def webdataset(rows: Sequence[Row]) -> Body:
    """A shard: a tar file (POSIX.1-2001) of pairs `<clip>.json` and `<clip>.mp4`, the bytes being those that the exporter proved."""
    pieces: list[Piece] = []
    for row in rows:
        exported = row.clip.export_object
        if exported is None:
            raise ValueError(f"clip {row.clip.id} is no file")
        about = json.dumps(as_json(row), ensure_ascii=False).encode()
        pieces.append(_header(f"{row.clip.id}.json", len(about)) + about + _padding(len(about)))
        pieces.append(_header(f"{row.clip.id}.mp4", exported.bytes))
        pieces += [exported, _padding(exported.bytes)]
    return Body("application/x-tar", ".tar", (*pieces, bytes(2 * tarfile.BLOCKSIZE)), len(rows))


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def as_csv(rows: Sequence[Row]) -> Body:
    """A table (RFC 4180), a header first. Tags are parted by semicolons, a fraction is `1/12800`, labels are JSON."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(name, value) for name, value in as_json(row).items()})
    return Body("text/csv; charset=utf-8", ".csv", (out.getvalue().encode(),), len(rows))


def _cell(name: str, value: Any) -> Any:
    match name:
        case "tags":
            value = ";".join(value)
        case "time_base" | "frame_rate":
            value = "/".join(map(str, value)) if value else None
        case "labels":
            value = json.dumps(value, ensure_ascii=False) if value else None
        case "variable_frame_rate":
            value = None if value is None else str(value).lower()
    # A spreadsheet takes a text that begins so for a formula (OWASP, CSV injection).
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def as_jsonl(rows: Sequence[Row]) -> Body:
    """A line of JSON a clip."""
    lines = "".join(json.dumps(as_json(row), ensure_ascii=False) + "\n" for row in rows)
    return Body("application/jsonl; charset=utf-8", ".jsonl", (lines.encode(),), len(rows))
