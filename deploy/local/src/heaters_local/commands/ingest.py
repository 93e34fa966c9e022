"""`heaters ingest`."""

import sys

import click

from heaters_local.client import Api, ApiError
from heaters_local.parts import Lost
from heaters_local.state import Home
from heaters_local.submit import NotThere, Rejected, submit
from heaters_local.terminal import complain, console, home_option, said
from heaters_local.views import Admission
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
@click.option("--tag", "tag", multiple=True, help="A tag that the video keeps; may be given several times.")
@click.option("--tags", default="", metavar="A,B", help="Several tags, parted by commas.")
@click.option("--reference", default="", help="Your own name for it; it comes back in exports and webhooks.")
@click.option(
    "--callback", metavar="URL", help="Where milestones are told by signed webhooks; needs a secret in your terms."
)
@click.option(
    "--detector", default="", help="What finds its cuts: adaptive, transnetv2 or cascade; adaptive@1.2 is stricter."
)
@click.option(
    "--auto-approve",
    "rule",
    metavar="RULE",
    help="Approve clips that fit, without anybody: 'seconds >= 2 and certainty >= 0.8'. Names: frames, seconds, certainty, motion,"
    " static_share, black_share, sharpness, brightness, loudness_db.",
)
@click.option(
    "--allow-quality-loss", is_flag=True, help="Take less than the best that the site offers, rather than fail."
)
@click.option(
    "--export-quality",
    type=click.Choice(["proxy", "source"]),
    default="proxy",
    show_default=True,
    help="What clips are made from: the review proxy, or the original.",
)
@click.option(
    "--videos-most", type=click.IntRange(1, 500), help="Of a playlist or channel, at most so many.  [default: 100]"
)
@click.option("--process-again", is_flag=True, help="Work on it even if the very same bytes are here already.")
@click.option(
    "--request-id", help="Your own id for the request: asking twice with one id asks once. For one video only."
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen: nothing is uploaded, and nothing asked for.")
@click.option("--wait", is_flag=True, help="Return when the videos are in review; fail if one does not get there.")
@click.option(
    "--patience", "patience_s", type=float, default=300, show_default=True, help="Seconds without any change."
)
@home_option
def ingest(
    home: Home,
    videos: tuple[str, ...],
    lane: str,
    tag: tuple[str, ...],
    tags: str,
    reference: str,
    callback: str | None,
    detector: str,
    rule: str | None,
    allow_quality_loss: bool,
    export_quality: str,
    videos_most: int | None,
    process_again: bool,
    request_id: str | None,
    dry_run: bool,
    wait: bool,
    patience_s: float,
) -> None:
    """Ask for videos: files are uploaded, addresses (http, https, s3) are downloaded by Heaters.

    The same video asked for twice is asked for once.
    """
    if request_id is not None and len(videos) > 1:
        raise click.UsageError("--request-id is of one video; these are several")
    wishes = {
        "tags": [*tag, *(one.strip() for one in tags.split(",") if one.strip())],
        "reference": reference,
        "callback": callback,
        "detector": detector,
        "auto_rule": rule,
        "allow_quality_loss": allow_quality_loss,
        "export_quality": export_quality,
        "videos_most": videos_most,
        "process_again": process_again,
    }
    # Only what was wished for: a server of an older release need not know the rest.
    options = {name: value for name, value in wishes.items() if value not in (None, "", [], False, "proxy")}
    out = console()
    failed = False
    asked: list[str] = []
    with Api.of(home) as api:
        for video in videos:
            try:
                answer = submit(api, out, video, lane=lane, options=options, request_id=request_id, dry_run=dry_run)
            except (Lost, NotThere, Rejected, ApiError) as error:
                complain(f"{video}: {error}")
                failed = True
                continue
            again = " (was asked for before)" if answer["status"] == "duplicate" else ""
            said(out, f"{answer['video_id']}  {video}{again}" if not dry_run else f"{video}: {_would(answer)}")
            asked.append(answer["video_id"])
        for video_id in asked if wait and not dry_run else ():
            try:
                watch(out, follow(api, video_id, until=in_review, patience_s=patience_s))
            except (VideoFailed, Stalled) as error:
                complain(f"{video_id}: {error}")
                failed = True
    if failed:
        sys.exit(1)


def _would(answer: Admission) -> str:
    if answer["status"] == "duplicate":
        return f"was asked for before, as {answer['video_id']}: nothing would happen"
    return "would be asked for"
