"""`heaters redetect`."""

import sys

import click

from heaters_local.client import Api, ApiError
from heaters_local.select import Selection, chosen, selection_options
from heaters_local.state import Home
from heaters_local.terminal import complain, console, home_option, said


@click.command()
@selection_options
@click.option(
    "--detector", required=True, help="adaptive, transnetv2 or cascade; adaptive@1.2 has thresholds 1.2 times as high."
)
@home_option
def redetect(home: Home, selection: Selection, detector: str) -> None:
    """Find the cuts of videos again with another detector; nothing is decoded for it.

    VIDEO is an id, or its first characters. Cuts that people made, moved or confirmed stay where they are, and so does every clip that
    was decided about.
    """
    out = console()
    failed = False
    with Api.of(home) as api:
        videos = chosen(api, selection)
        for video in videos:
            try:
                done = api.replay(video, "scenes", force=False, detector=detector)
            except ApiError as error:
                complain(f"{video}: {error}")
                failed = True
                continue
            said(out, f"{video}  {done['messages']} segments asked for again with {detector}")
        if not videos:
            said(out, "no video fits")
    if failed:
        sys.exit(1)
