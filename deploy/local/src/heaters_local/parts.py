"""Uploads in parts, straight to the store: what was sent before a break is not sent again, not even by another command."""

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any, cast

import httpx

from heaters_local.views import Upload

__all__ = ["PARTS_FROM_BYTES", "Lost", "upload_in_parts"]

PARTS_FROM_BYTES = 64 * 1024**2
"""Smaller files go in one request."""
_HEAD_BYTES = 4096
_AT_ONCE = 4
_TRIES = 6


class Lost(RuntimeError):
    """The store did not take a part, several times over; what it took stays, and the same command goes on with it."""


def upload_in_parts(ask: Callable[..., Any], file: Path, sent: Callable[[int], None]) -> Upload:
    """Upload a file in parts, or the rest of one that was begun before.

    Args:
        ask: asks the API: method, path and what httpx takes.
        file: what to upload.
        sent: told the count of bytes after each part; those that were there already, at once.

    Raises:
        Lost: see there.
    """
    about = file.stat()
    with file.open("rb") as source:
        head = base64.b64encode(source.read(_HEAD_BYTES)).decode()
    wish = {
        "name": file.name,
        "bytes": about.st_size,
        "head": head,
        # The same file is recognised by what changes when it does.
        "resume_key": f"{file.name[-100:]}:{about.st_size}:{about.st_mtime_ns}",
    }
    upload = ask("POST", "/api/uploads/parts", json=wish)
    done = set(upload["done"])
    missing = [number for number in range(1, upload["parts"] + 1) if number not in done]
    sent(about.st_size - sum(_bytes_of(upload, number) for number in missing))
    with ThreadPoolExecutor(_AT_ONCE) as pool, httpx.Client(timeout=httpx.Timeout(300, connect=10)) as store:
        for begin in range(0, len(missing), _AT_ONCE):
            batch = missing[begin : begin + _AT_ONCE]
            for size in pool.map(lambda number: _send(ask, store, upload, number, file), batch):
                sent(size)
    return cast("Upload", ask("POST", f"/api/uploads/parts/{upload['id']}/complete"))


def _bytes_of(upload: dict[str, Any], number: int) -> int:
    return int(min(upload["part_bytes"], upload["bytes"] - (number - 1) * upload["part_bytes"]))


def _send(ask: Callable[..., Any], store: httpx.Client, upload: dict[str, Any], number: int, file: Path) -> int:
    """Send one part, with a new address each time: one may have expired while the connection was gone."""
    problems: list[str] = []
    for attempt in range(_TRIES):
        wanted = ask("POST", f"/api/uploads/parts/{upload['id']}/urls", json={"parts": [number]})["items"][0]
        with file.open("rb") as source:
            source.seek((number - 1) * upload["part_bytes"])
            data = source.read(wanted["bytes"])
        try:
            answer = store.put(wanted["url"], content=data)
        except httpx.TransportError as problem:
            problems.append(str(problem))
        else:
            if answer.is_success:
                return len(data)
            problems.append(f"{answer.status_code}")
        sleep(min(2.0**attempt / 2, 15.0))
    raise Lost(f"part {number} of {file.name} was not taken ({_last(problems)}); the same command goes on from here")


def _last(problems: Sequence[str]) -> str:
    return problems[-1] if problems else "no attempt"
