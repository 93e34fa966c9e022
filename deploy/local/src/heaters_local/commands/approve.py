"""`heaters approve`."""

import sys

import click

from heaters_local.client import Api
from heaters_local.resolve import NoSuchId, ids_to_approve
from heaters_local.state import Home
from heaters_local.terminal import complain, console, home_option, one_by_one, said


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
        if not wanted and not failed:
            said(out, "nothing is pending")
        well = one_by_one(out, dict.fromkeys(wanted), lambda clip_id: _approved(api, clip_id))
    if failed or not well:
        sys.exit(1)


def _approved(api: Api, clip_id: str) -> str:
    clip = api.approve(clip_id)["clip"]
    return f"{clip['id']}  frames {clip['start']}-{clip['end']}  {clip['state']}"
