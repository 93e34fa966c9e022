"""`heaters down`."""

import click

from heaters_local.client import NothingRunning
from heaters_local.launch import stop_running
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said


@click.command()
@home_option
def down(home: Home) -> None:
    """Stop everything that runs here; all data is kept."""
    state = home.running()
    if state is None:
        raise NothingRunning(f"nothing is running in {home.path}")
    stop_running(home, state)
    said(console(), f"stopped {sum(1 for part in state.parts if part.pid)} processes; all data is kept in {home.path}")
