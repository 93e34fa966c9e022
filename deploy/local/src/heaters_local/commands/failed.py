"""`heaters failed`: what was given up, and what to do about it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from heaters_local.client import Api
from heaters_local.resolve import failure_id
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, one_by_one, said
from heaters_local.views import Failure


def _home(ctx: click.Context, _: click.Parameter, value: Path | None) -> Home:
    known: Home = ctx.obj
    return known if value is None else Home(value)


_home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    callback=_home,
    help="Folder of data, logs and state; may stand before the word as well.",
)


@click.group(invoke_without_command=True)
@click.pass_context
@home_option
def failed(ctx: click.Context, home: Home) -> None:
    """What stages gave up on: list it, look at one, try again, or wait for it no more."""
    ctx.obj = home
    if ctx.invoked_subcommand is None:
        with Api.of(home) as api:
            _print(console(), api.failures())


@failed.command("list")
@_home_option
def list_(home: Home) -> None:
    """Every open failure, the newest first."""
    with Api.of(home) as api:
        _print(console(), api.failures())


@failed.command()
@click.argument("failure")
@_home_option
def show(home: Home, failure: str) -> None:
    """One failure, with the message that failed. FAILURE is its id, or the first characters."""
    with Api.of(home) as api:
        print(json.dumps(api.failure(failure_id(api, failure)), indent=2))


@failed.command()
@click.argument("failures", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every open failure.")
@click.option("--stage", help="Every open failure of one stage.")
@_home_option
def retry(home: Home, failures: tuple[str, ...], everything: bool, stage: str | None) -> None:
    """Give what failed to its stage again."""
    with Api.of(home) as api:
        _settle(_chosen(api, failures, everything, stage), api.retry, "asked for again")


@failed.command()
@click.argument("failures", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every open failure.")
@click.option("--stage", help="Every open failure of one stage.")
@_home_option
def discard(home: Home, failures: tuple[str, ...], everything: bool, stage: str | None) -> None:
    """Wait for what failed no more: it leaves the list, and stays undone."""
    with Api.of(home) as api:
        _settle(_chosen(api, failures, everything, stage), api.discard, "discarded")


def _settle(failures: list[str], settle: Callable[[str], None], done: str) -> None:
    def one(failure: str) -> str:
        settle(failure)
        return f"{done}: {failure}"

    if not one_by_one(console(), failures, one):
        sys.exit(1)


def _chosen(api: Api, names: tuple[str, ...], everything: bool, stage: str | None) -> list[str]:
    if sum((bool(names), everything, bool(stage))) != 1:
        raise click.UsageError("name failures, or give --all, or --stage STAGE")
    if names:
        return [failure_id(api, name) for name in names]
    # A request that was refused at the door has no message to give again.
    return [f["id"] for f in api.failures(stage=stage) if f["stage"] != "admission"]


def _print(out: Console, failures: list[Failure]) -> None:
    if not failures:
        said(out, "nothing has failed")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("failure", "video", "stage", "attempts", "class", "reason"):
        table.add_column(name, overflow="fold")
    for failure in failures:
        table.add_row(
            failure["id"][:8],
            failure["video_id"][:8],
            failure["stage"],
            str(failure["attempts"]),
            failure["failure_class"].replace("_", " "),
            failure["reason"],
        )
    out.print(table)
