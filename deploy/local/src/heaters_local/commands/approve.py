"""`heaters approve`."""

import sys

import click

from heaters_local.client import Api, ApiError
from heaters_local.resolve import NoSuchId, ids_to_approve
from heaters_local.state import Home
from heaters_local.terminal import complain, console, home_option, said


@click.command()
@click.argument("names", metavar="CLIP|VIDEO...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All clips of all videos that are pending.")
@home_option
def approve(home: Home, names: tuple[str, ...], everything: bool) -> None:
    """Approve clips, or all pending clips of videos: they are exported, and can then be found by similarity.

    A name is an id, or its first characters.
    """
    if everything == bool(names):
        raise click.UsageError("name clips or videos, or give --all")
    out = console()
    failed = False
    with Api.of(home) as api:
        wanted = [clip["id"] for clip in api.clips(state="pending_review")] if everything else []
        for name in names:
            try:
                wanted += ids_to_approve(api, name)
            except NoSuchId as error:
                complain(str(error))
                failed = True
        for clip_id in dict.fromkeys(wanted):
            try:
                clip = api.approve(clip_id)["clip"]
            except ApiError as error:
                complain(f"{clip_id}: {error}")
                failed = True
                continue
            said(out, f"{clip['id']}  frames {clip['start']}-{clip['end']}  {clip['state']}")
        if not wanted and not failed:
            said(out, "nothing is pending")
    if failed:
        sys.exit(1)
