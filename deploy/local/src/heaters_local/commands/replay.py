"""`heaters replay`."""

import click

from heaters_local.client import Api
from heaters_local.resolve import video_id
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said


@click.command()
@click.argument("video")
@click.option(
    "--from", "stage", required=True, help="The stage to begin with, such as scenes; `heaters stages` lists them."
)
@click.option("--force", is_flag=True, help="Do its work again even where the results are known.")
@home_option
def replay(home: Home, video: str, stage: str, force: bool) -> None:
    """Work on VIDEO again from a stage on, and on all that follows. VIDEO is its id, or the first characters."""
    with Api.of(home) as api:
        done = api.replay(video_id(api, video), stage, force=force)
    plural = "" if done["messages"] == 1 else "s"
    said(console(), f"{done['messages']} message{plural} given to {stage} again")
