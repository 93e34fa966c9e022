"""`heaters up`."""

from pathlib import Path

import click

from heaters_local.launch import Launched
from heaters_local.show import part_line
from heaters_local.state import AlreadyRunning, Home, Phase, State
from heaters_local.terminal import console, home_option, said, show_until, table_option


@click.command()
@click.option("--detach", "-d", is_flag=True, help="Leave it running in the background, and return when it is ready.")
@home_option
@table_option
def up(home: Home, detach: bool, table: Path | None) -> None:
    """Start NATS, Postgres, S3 and the services on this machine.

    Data lies in the home folder and outlives a restart. In the foreground, Ctrl-C stops everything; what was started with
    --detach is stopped by `heaters down`.
    """
    out = console()
    try:
        launched = Launched(home, table=table, detached=detach)
    except AlreadyRunning as error:
        raise click.ClickException(_what_runs(home, error)) from error
    try:
        state = show_until(out, launched, phase=Phase.READY)
        said(out, f"Heaters is running in {home.path}")
        if "review" in state.urls:
            said(out, f"review page: {state.urls['review']}/?token={state.token}")
        if not detach:
            said(out, "Ctrl-C stops it")
            show_until(out, launched, phase=None)
    except KeyboardInterrupt:
        said(out, "stopping ...")
        launched.stop()
        said(out, "stopped; all data is kept")
    except BaseException:
        launched.stop()
        raise


def _what_runs(home: Home, error: AlreadyRunning) -> str:
    state: State | None = home.running()
    if state is None:
        return str(error)
    where = f", review page: {state.urls['review']}/?token={state.token}" if "review" in state.urls else ""
    lines = [f"already running in {home.path} (process {state.pid}, {state.phase.value}){where}"]
    lines += [f"  {part_line(part)}, port {part.port}" for part in state.parts if part.port]
    return "\n".join([*lines, "stop it with `heaters down`, or use another folder with --home"])
