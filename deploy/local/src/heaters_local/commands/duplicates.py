"""`heaters duplicates`."""

import click

from heaters_local.client import Api
from heaters_local.resolve import video_id
from heaters_local.show import distribution, groups_table
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said


@click.command()
@click.option("--video", help="Only clips of this video: its id, or the first characters.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1, min_open=True), help="The cosine to go by; without it, the model's own."
)
@click.option("--model", help="The model to go by, as `heaters models` shows it; without it, the default.")
@click.option(
    "--clips", type=click.IntRange(1, 2000), default=500, show_default=True, help="Of those decided last, so many."
)
@home_option
def duplicates(home: Home, video: str | None, threshold: float | None, model: str | None, clips: int) -> None:
    """Groups of clips that are nearly the same, and how alike clips are at all.

    The distribution is that of each clip's nearest neighbour: the threshold belongs where it is thin. `heaters reembed --near-duplicate` sets a
    model's own.
    """
    out = console()
    with Api.of(home) as api:
        wish = {"video": video_id(api, video) if video else None, "threshold": threshold, "model": model}
        found = api.duplicates({name: value for name, value in wish.items() if value is not None} | {"clips": clips})
    said(out, f"{found['looked']} clips, {found['model']}, {found['strategy']}: cosines of their nearest neighbours")
    out.print(distribution(found["histogram"], found["threshold"]))
    if found["groups"]:
        out.print(groups_table(found["groups"]))
    said(out, f"{len(found['groups'])} groups of clips that are at least {found['threshold']:g} alike")
