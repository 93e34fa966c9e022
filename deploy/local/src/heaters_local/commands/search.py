"""`heaters search`."""

import click

from heaters_local.client import Api
from heaters_local.resolve import clip_id
from heaters_local.show import neighbours_table
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said


@click.command()
@click.option(
    "--like", metavar="CLIP", required=True, help="The clip to compare with: its id, or the first characters."
)
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="How many.")
@home_option
def search(home: Home, like: str, limit: int) -> None:
    """Find the clips that are most like one."""
    out = console()
    with Api.of(home) as api:
        found = api.similar(clip_id(api, like), limit=limit)
    if found:
        out.print(neighbours_table(found))
    else:
        said(out, "no other clip is embedded yet: approve some with `heaters approve`")
