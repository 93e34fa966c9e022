"""Fetch exported clips into a folder, part by part; what was fetched before a break is not fetched again, not even by another command.

A `manifest.json` beside the parts says of what selection they are, and which clips left it while it was fetched.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from time import sleep
from typing import Any, TypeVar

import httpx

from heaters_local.client import Api, ApiError, Unreachable

__all__ = ["FORMATS", "AnotherExport", "Spoilt", "Summary", "export"]

FORMATS = {
    "webdataset": "tar",
    "parquet": "parquet",
    "csv": "csv",
    "jsonl": "jsonl",
    "edl": "edl",
    "fcpxml": "fcpxml",
    "otio": "otio",
}
_JOINED = {"csv", "jsonl"}
"""Tables are one file in the end, however many parts they came in."""
_STATE = ".heaters-export.json"
_SELECTED = ".heaters-export.ids"
_MANIFEST = "manifest.json"
_NO_FILTERS = {"media", "limit", "bytes_most"}
_NO_MORE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE)
_TRIES = 8
_PASSING = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

T = TypeVar("T")


class AnotherExport(RuntimeError):
    """The folder holds an export of something else."""


class Spoilt(RuntimeError):
    """A clip's file is not what was told of it."""


@dataclass
class _State:
    """How far an export is: what it is of, where it goes on, and what the part in hand is called."""

    wish: dict[str, Any]
    cursor: str | None = None
    etag: str | None = None
    parts: list[str] = field(default_factory=list)
    clips: int = 0
    complete: bool = False
    as_of: str | None = None


@dataclass(frozen=True)
class Summary:
    """What an export came to: its files in order, how many clips they are about, and which clips left the selection meanwhile.

    One leaves it by an undo, by other tags, or with its video. It is missing in the parts that were made after that, and still is in those
    that were made before.
    """

    files: list[Path]
    clips: int
    gone: list[str]


def export(
    api: Api,
    folder: Path,
    kind: str,
    wish: Mapping[str, Any],
    *,
    with_files: bool,
    told: Callable[[str], None] = lambda _: None,
    pause_s: float = 0.5,
) -> Summary:
    """Fetch a selection.

    Args:
        api: whom to ask.
        folder: where to; it is made. One that holds the same export goes on where that one was.
        kind: one of FORMATS.
        wish: the selection, as the API's query has it.
        with_files: fetch the clips' own files too, to `clips/` in the folder.
        told: what has arrived.
        pause_s: before what broke off is tried again for the first time; it grows.

    Raises:
        AnotherExport: see there.
        Spoilt: see there.
        Unreachable: it broke off too often; the same command goes on from there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = FORMATS[kind]
    state = _begun(folder, {"format": kind, "files": with_files, **wish})
    while not state.complete:
        part, following, clips = _patiently(partial(_part, api, folder, name, wish, state), pause_s)
        _note_selected(api, folder, state, pause_s)
        if with_files:
            _files(api, folder, {**wish, "cursor": state.cursor}, clips, told, pause_s)
        state.parts.append(part.name)
        state.clips += clips
        state.cursor, state.etag, state.complete = following, None, following is None
        _keep(folder, state)
        told(part.name)
    files = [folder / part for part in state.parts]
    if name in _JOINED:
        files = [_join(folder / f"clips.{name}", files, header=name == "csv")]
        state.parts = [files[0].name]
        _keep(folder, state)
    return Summary(files, state.clips, _manifest(api, folder, state, pause_s))


def _selection(api: Api, state: _State) -> list[str]:
    """The clips that are in the selection now, and were when it was made."""
    filters = {name: value for name, value in state.wish.items() if name not in {"format", "files", *_NO_FILTERS}}
    return list(api.clip_ids({**filters, "exported_by": state.as_of}))


def _note_selected(api: Api, folder: Path, state: _State, pause_s: float) -> None:
    if not (folder / _SELECTED).exists():
        _write(folder / _SELECTED, "\n".join(_patiently(partial(_selection, api, state), pause_s)))


def _manifest(api: Api, folder: Path, state: _State, pause_s: float) -> list[str]:
    """Say what the export is of; written once, as it is complete. Returns the clips that left it."""
    if not (folder / _MANIFEST).exists():
        now = set(_patiently(partial(_selection, api, state), pause_s))
        gone = [clip for clip in (folder / _SELECTED).read_text().split() if clip not in now]
        said = {"of": state.wish, "as_of": state.as_of, "clips": state.clips, "files": state.parts}
        _write(folder / _MANIFEST, json.dumps({**said, "gone": gone}, indent=2))
        (folder / _SELECTED).unlink()
    found: list[str] = json.loads((folder / _MANIFEST).read_text())["gone"]
    return found


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def _begun(folder: Path, wish: dict[str, Any]) -> _State:
    wish = json.loads(json.dumps(wish))
    try:
        known = _State(**json.loads((folder / _STATE).read_text()))
    except FileNotFoundError:
        return _State(wish)
    except (ValueError, TypeError) as problem:
        raise AnotherExport(f"{folder / _STATE} cannot be read ({problem}): choose another folder") from problem
    if known.wish != wish:
        raise AnotherExport(f"{folder} holds another export, {json.dumps(known.wish)}: choose another folder")
    return known


def _keep(folder: Path, state: _State) -> None:
    _write(folder / _STATE, json.dumps(asdict(state)))


def _part(api: Api, folder: Path, name: str, wish: Mapping[str, Any], state: _State) -> tuple[Path, str | None, int]:
    """Fetch one part, or the rest of it; its file, the cursor of the next part, and how many clips it is about."""
    unfinished = folder / f"clips-{len(state.parts):05d}.{name}.part"
    has = unfinished.stat().st_size if unfinished.exists() and state.etag else 0
    headers = {"Range": f"bytes={has}-", "If-Range": state.etag or ""} if has else {}
    params = {**wish, **({"cursor": state.cursor} if state.cursor else {})}
    with (
        _anew_if_beyond_its_end(unfinished),
        api.stream(f"/api/exports/clips.{name}", params=params, headers=headers) as answer,
    ):
        # From here on this very part can be asked for again, though clips be exported meanwhile.
        state.cursor, state.etag = answer.headers["x-heaters-this"], answer.headers["etag"]
        state.as_of = answer.headers["x-heaters-as-of"]
        _keep(folder, state)
        _save(answer, unfinished)
        done = unfinished.with_suffix("")
        unfinished.replace(done)
        return done, answer.headers.get("x-heaters-next"), int(answer.headers["x-heaters-clips"])


@contextmanager
def _anew_if_beyond_its_end(unfinished: Path) -> Iterator[None]:
    """Where nothing of a part is left to fetch (a command was broken off right after its last byte), fetch it anew."""
    try:
        yield
    except ApiError as error:
        if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        unfinished.unlink()
        raise Unreachable(f"there is no more of {unfinished.name}") from error


def _save(answer: httpx.Response, unfinished: Path) -> None:
    with unfinished.open("ab" if answer.status_code == HTTPStatus.PARTIAL_CONTENT else "wb") as out:
        for chunk in answer.iter_bytes():
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())


def _patiently(attempt: Callable[[], T], pause_s: float) -> T:
    """Try again what broke off, with a growing pause."""
    for tried in range(_TRIES - 1):
        try:
            return attempt()
        except Unreachable:
            pass
        except ApiError as error:
            if error.status not in _PASSING:
                raise
        sleep(min(pause_s * 2**tried, 15.0))
    return attempt()


def _files(
    api: Api, folder: Path, wish: Mapping[str, Any], clips: int, told: Callable[[str], None], pause_s: float
) -> None:
    """The own files of the clips of a part: the first of its page."""

    def rows() -> list[dict[str, Any]]:
        with api.stream("/api/exports/clips.jsonl", params=wish) as answer:
            return [json.loads(line) for line in answer.iter_lines()][:clips]

    for row in _patiently(rows, pause_s):
        file = folder / row["file_name"]
        if not file.resolve().is_relative_to(folder.resolve()):
            raise Spoilt(f"{row['file_name']!r} is no name of a file in the folder")
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            try:
                _patiently(partial(_file, api, row, file), pause_s)
            except ApiError as error:
                if error.status not in _NO_MORE:
                    raise
                told(f"{row['file_name']}, which is no more: {error}")
            else:
                told(row["file_name"])


def _file(api: Api, row: Mapping[str, Any], file: Path) -> None:
    unfinished = file.with_name(f"{file.name}.part")
    has = unfinished.stat().st_size if unfinished.exists() else 0
    if has < row["bytes"]:
        headers = {"Range": f"bytes={has}-"} if has else {}
        with api.stream(f"/api/clips/{row['clip']}/download", headers=headers) as answer:
            _save(answer, unfinished)
    with unfinished.open("rb") as whole:
        digest = hashlib.file_digest(whole, "sha256").hexdigest()
    if digest != row["sha256"]:
        unfinished.unlink()
        raise Spoilt(f"the file of clip {row['clip']} is not what was told of it; the same command fetches it anew")
    unfinished.replace(file)


def _join(whole: Path, parts: list[Path], *, header: bool) -> Path:
    """One file of several, the first line of the later ones being left out where it is a header."""
    if parts == [whole]:
        return whole
    if whole.exists() and not all(part.exists() for part in parts):
        return whole  # a command was broken off while it took the parts away, which it does once the whole is there
    beside = whole.with_name(f"{whole.name}.part")
    with beside.open("wb") as out:
        for number, part in enumerate(parts):
            with part.open("rb") as lines:
                if header and number:
                    lines.readline()
                while chunk := lines.read(1024 * 1024):
                    out.write(chunk)
    beside.replace(whole)
    for part in parts:
        part.unlink()
    return whole
