"""`heaters search`."""

import base64
from pathlib import Path
from typing import Any

import click

from heaters_local.client import Api
from heaters_local.resolve import clip_id
from heaters_local.show import hits_table
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said

_CLIP = "its id, or the first characters"


@click.command()
@click.option("--like", metavar="CLIP", multiple=True, help=f"A clip to look like: {_CLIP}. May be given again.")
@click.option("--unlike", metavar="CLIP", multiple=True, help="A clip not to look like. May be given again.")
@click.option("--text", help="What it shows, in plain words; needs an image-text model.")
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A picture to look like.")
@click.option("--words", default="", help='Words of tags, notes and titles: harbour "blue hour" -fog boat*')
@click.option("--tag", multiple=True, help="Only clips with this tag. May be given again.")
@click.option("--model", help="The model to go by, as `heaters models` shows it; without it, the default.")
@click.option("--limit", type=click.IntRange(1, 200), default=5, show_default=True, help="How many.")
@home_option
def search(
    home: Home,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    text: str | None,
    image: Path | None,
    words: str,
    tag: tuple[str, ...],
    model: str | None,
    limit: int,
) -> None:
    """Find clips: by what they look like, by words, by tags, or by all of them together."""
    if not (like or text or image or words or tag):
        raise click.UsageError("say what to look for: --like, --text, --image, --words or --tag")
    out = console()
    with Api.of(home) as api:
        wish: dict[str, Any] = {
            "like": [clip_id(api, one) for one in like],
            "unlike": [clip_id(api, one) for one in unlike],
            "words": words,
            "filters": {"tags": list(tag)},
            "limit": limit,
        }
        more = {
            "text": text,
            "image": base64.b64encode(image.read_bytes()).decode() if image else None,
            "model": model,
        }
        found = api.search({**wish, **{name: value for name, value in more.items() if value is not None}})
    if found["items"]:
        out.print(hits_table(found["items"]))
    else:
        said(out, "no clip fits; clips can be compared once they are embedded: approve some with `heaters approve`")
