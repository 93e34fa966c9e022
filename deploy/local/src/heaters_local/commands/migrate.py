"""`heaters migrate`."""

import os
import subprocess
import sys

import click

from heaters_local.client import NothingRunning
from heaters_local.state import Home
from heaters_local.table import read_table
from heaters_local.terminal import home_option


@click.command()
@home_option
def migrate(home: Home) -> None:
    """Make streams, consumers, bucket and tables as this version needs them (`up` does so, too)."""
    state = home.running()
    if state is None:
        raise NothingRunning(f"nothing is running in {home.path}: `heaters up` starts it, and migrates")
    for step in read_table().steps():
        environment = step.environment(state.facts(), port=0, inherited=os.environ)
        ended = subprocess.run(step.argv(state.facts()), env=environment, check=False)
        if ended.returncode:
            sys.exit(ended.returncode)
