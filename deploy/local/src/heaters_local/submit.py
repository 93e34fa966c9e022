"""Ask for a video by what a person types: a path, which is uploaded, or an address."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from heaters_local.client import Api
from heaters_local.views import Admission

__all__ = ["NotThere", "Rejected", "check", "submit"]


class NotThere(RuntimeError):
    """What was typed is neither an address nor a file."""


class Rejected(RuntimeError):
    """The request was refused, with the reason."""


_NOT_YET = {"kind": "upload", "key": "uploads/dry-run/not-uploaded"}


def check(what: str) -> None:
    """See that something can be asked for.

    Raises:
        NotThere: it is neither an address nor a readable file with something in it.
    """
    if _kind(what) != "path":
        return
    file = Path(what)
    try:
        if file.is_dir():
            raise NotThere(f"{what} is a folder: name the files in it")
        if not file.is_file():
            raise NotThere(f"there is no file {what} (an address begins with http://, https:// or s3://)")
        with file.open("rb") as readable:
            if not readable.read(1):
                raise NotThere(f"{what} is empty")
    except OSError as error:
        raise NotThere(f"{what[:200]} cannot be read: {error.strerror}") from error


def submit(
    api: Api,
    console: Console,
    what: str,
    *,
    lane: str,
    options: Mapping[str, object] | None = None,
    request_id: str | None = None,
    dry_run: bool = False,
) -> Admission:
    """Ask for one video.

    Args:
        api: whom to ask.
        console: where the upload's progress is shown.
        what: a path, or an http, https or s3 address.
        lane: interactive or bulk.
        options: wishes, as the contract has them.
        request_id: None: the same video asked for twice is one request.
        dry_run: only ask what would happen. A file is not uploaded then.

    Raises:
        NotThere: see `check`.
        Rejected: it was not admitted.
    """
    check(what)
    kind = _kind(what)
    source = {"kind": "url", "url": what} if kind == "url" else {"kind": "s3", "uri": what}
    if kind == "path":
        source = _NOT_YET if dry_run else _uploaded(api, console, Path(what))
    answer = api.ingest(source, lane=lane, options=options or {}, request_id=request_id, dry_run=dry_run)
    if kind == "path" and dry_run and answer["reason"] == f"nothing was uploaded as {_NOT_YET['key']}":
        return {**answer, "status": "requested", "reason": None}  # it would have been, by then
    if answer["status"] == "rejected":
        raise Rejected(f"{what} was refused: {answer['reason'] or 'without a reason'}")
    return answer


def _kind(what: str) -> str:
    if what.startswith(("http://", "https://")):
        return "url"
    return "s3" if what.startswith("s3://") else "path"


def _uploaded(api: Api, console: Console, file: Path) -> dict[str, str]:
    columns = (TextColumn("upload {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.stat().st_size)
        stored = api.upload(file, lambda count_bytes: bar.advance(task, count_bytes))
    return {"kind": "upload", "key": stored["key"], "name": file.name}
