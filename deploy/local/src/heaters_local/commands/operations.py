"""`heaters fsck`, `backup`, `restore` and `erase`."""

import os
import subprocess
import sys
from pathlib import Path

import click

from heaters_local.client import Api, NothingRunning
from heaters_local.resolve import video_id
from heaters_local.state import Home
from heaters_local.table import read_table
from heaters_local.terminal import console, home_option, said


def _of_review_api(home: Home, *words: str) -> None:
    """Run a command of review-api, which owns the tables, against what runs here; end with its exit code."""
    state = home.running()
    if state is None:
        raise NothingRunning(f"nothing is running in {home.path}: start it with `heaters up`")
    (migrate,) = (step for step in read_table().steps() if step.name == "migrate")
    command = [*migrate.argv(state.facts())[:-1], *words]
    environment = migrate.environment(state.facts(), port=0, inherited=os.environ)
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--deep", is_flag=True, help="Read every object and compare its content.")
@home_option
def fsck(home: Home, repair: bool, deep: bool) -> None:
    """Look whether stream, tables, objects and ledgers agree. Exit code 1: something is left to be done."""
    _of_review_api(home, "fsck", *(["--repair"] if repair else []), *(["--deep"] if deep else []))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@home_option
def backup(home: Home, folder: Path) -> None:
    """Keep every fact, what the database holds beside them, and the list of objects, in a new FOLDER."""
    _of_review_api(home, "backup", str(folder.absolute()))


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--stream", is_flag=True, help="Give a stream that was lost back from the database.")
@home_option
def restore(home: Home, folder: Path | None, stream: bool) -> None:
    """Restore what `backup` kept in FOLDER into an empty installation; or, with --stream, a lost stream."""
    if stream == (folder is not None):
        raise click.UsageError("give the FOLDER of a back-up, or --stream")
    _of_review_api(home, "restore", *(["--stream"] if stream else [str(folder and folder.absolute())]))


@click.command()
@click.argument("video")
@click.option("--reason", default="", help="Why; it stays.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
def erase(home: Home, video: str, reason: str, yes: bool) -> None:
    """Erase VIDEO for good: facts, objects, rows, vectors, caches. Only the fact that it was erased is left."""
    out = console()
    with Api.of(home) as api:
        wanted = video_id(api, video)
        title = api.video(wanted)["title"] or wanted
        if not yes:
            click.confirm(f"Erase {title} ({wanted}) for good? Nothing brings it back", abort=True)
        done = api.erase(wanted, reason)
    said(out, f"erased: {done['facts']} facts, {done['objects']} objects, {done['requests']} requests")
    for trace in done["traces"]:
        said(out, f"still there: {trace}")
    if done["traces"]:
        sys.exit(1)
