"""`heaters stages`, `pause` and `resume`."""

import click
from rich.table import Table

from heaters_local.client import Api
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said


@click.command()
@home_option
def stages(home: Home) -> None:
    """Every stage of the pipeline, and whether it rests."""
    out = console()
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "service", "", "tries again", "reason"):
        table.add_column(name, overflow="fold")
    with Api.of(home) as api:
        for stage in api.stages():
            state = "paused" if stage["paused"] else "works"
            table.add_row(stage["stage"], stage["service"], state, stage.get("until") or "", stage["reason"])
    out.print(table)


@click.command()
@click.argument("stage")
@click.option("--reason", required=True, help="Why; whoever wonders will read it.")
@home_option
def pause(home: Home, stage: str, reason: str) -> None:
    """Let a stage take no more work. What it has in hand it finishes; what comes, waits."""
    with Api.of(home) as api:
        api.pause(stage, reason)
    said(console(), f"{stage} is paused: `heaters resume {stage}` lets it work again")


@click.command()
@click.argument("stage")
@home_option
def resume(home: Home, stage: str) -> None:
    """Let a paused stage work again."""
    with Api.of(home) as api:
        api.resume(stage)
    said(console(), f"{stage} works")
