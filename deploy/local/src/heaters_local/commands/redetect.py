"""`heaters redetect`."""

import sys

import click

from heaters_local.client import Api
from heaters_local.select import Selection, chosen, selection_options
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, one_by_one, said


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
    with Api.of(home) as api:
        videos = chosen(api, selection)
        if not videos:
            said(out, "no video fits")
        if not one_by_one(out, videos, lambda video: asked_again(api, video, detector)):
            sys.exit(1)


def asked_again(api: Api, video: str, detector: str) -> str:
    """Have the cuts of a video found again by a detector; returns what to say of it."""
    done = api.replay(video, "scenes", force=False, detector=detector)
    return f"{video}  {done['messages']} segments asked for again with {detector}"
