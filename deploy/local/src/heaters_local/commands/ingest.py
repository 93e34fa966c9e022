"""`heaters ingest`."""

import sys

import click

from heaters_local.client import Api, ApiError
from heaters_local.state import Home
from heaters_local.submit import NotThere, Rejected, submit
from heaters_local.terminal import console, home_option, said
from heaters_local.watch import Stalled, VideoFailed, follow, in_review, watch

LANES = (
    "interactive",
    "bulk",
)  # compared with the contracts by a test: importing them would slow every command by a third


@click.command()
@click.argument("videos", metavar="PATH|URL...", nargs=-1, required=True)
@click.option(
    "--lane",
    type=click.Choice(LANES),
    default="interactive",
    show_default=True,
    help="interactive: somebody waits for it; bulk: it may wait behind those.",
)
@click.option("--tag", "tags", multiple=True, help="A tag that the video keeps; may be given several times.")
@click.option(
    "--detector", default="", help="What finds its cuts: adaptive, transnetv2 or cascade; adaptive@1.2 is stricter."
)
@click.option("--wait", is_flag=True, help="Return when the videos are in review; fail if one does not get there.")
@click.option(
    "--patience", "patience_s", type=float, default=300, show_default=True, help="Seconds without any change."
)
@home_option
def ingest(
    home: Home, videos: tuple[str, ...], lane: str, tags: tuple[str, ...], detector: str, wait: bool, patience_s: float
) -> None:
    """Ask for videos: files are uploaded, addresses (http, https, s3) are downloaded by Heaters.

    The same video asked for twice is asked for once.
    """
    out = console()
    failed = False
    asked: list[str] = []
    with Api.of(home) as api:
        for video in videos:
            try:
                answer = submit(api, out, video, lane=lane, tags=tags, detector=detector)
            except (NotThere, Rejected, ApiError) as error:
                click.echo(f"Error: {video}: {error}", err=True)
                failed = True
                continue
            again = " (was asked for before)" if answer["status"] == "duplicate" else ""
            said(out, f"{answer['video_id']}  {video}{again}")
            asked.append(answer["video_id"])
        for video_id in asked if wait else ():
            try:
                watch(out, follow(api, video_id, until=in_review, patience_s=patience_s))
            except (VideoFailed, Stalled) as error:
                click.echo(f"Error: {video_id}: {error}", err=True)
                failed = True
    if failed:
        sys.exit(1)
