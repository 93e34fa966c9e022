"""`heaters models` and `heaters reembed`."""

import time
import uuid

import click
from rich.live import Live
from rich.text import Text

from heaters_local.client import Api
from heaters_local.show import models_table
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said
from heaters_local.views import SearchModel
from heaters_local.watch import Stalled

_LOOK_S = 1.0
_STALLED_S = 300.0


@click.command()
@home_option
def models(home: Home) -> None:
    """The models that clips are embedded by, and which one searches go by."""
    with Api.of(home) as api:
        found = api.models()
        if found:
            console().print(models_table(found))
        else:
            said(console(), "no clip is embedded yet: approve some with `heaters approve`")


@click.command()
@click.option(
    "--model", required=True, help="Its name, as the embedder's plug knows it: transformers:<repository>, ..."
)
@click.option("--strategy", help="How pictures of a clip are chosen; without it, as they were chosen already.")
@click.option("--near-duplicate", type=click.FloatRange(0, 1, min_open=True), default=0.95, show_default=True,
              help="Clips are near-duplicates from this cosine on.")  # fmt: skip
@click.option("--no-switch", is_flag=True, help="Only embed; leave the default as it is.")
@home_option
def reembed(home: Home, model: str, strategy: str | None, near_duplicate: float, no_switch: bool) -> None:
    """Embed every clip by one more model, then let searches go by it, all at once.

    May be broken off and begun again: what is embedded stays, and the rest goes on by itself.
    """
    out = console()
    with Api.of(home) as api:
        before = next((one for one in api.models() if one["default"]), None)
        asked = api.request_model(model, strategy, key=str(uuid.uuid4()))
        name = (asked["model"], asked["strategy"])
        said(out, f"{name[0]}, {name[1]}: {asked['dimensions']} dimensions")
        with Live(console=out, refresh_per_second=4) as live:
            _wait(api, name, live)
        if not out.is_terminal:
            out.print()  # what lives on a screen ends without a line's end in a file
        if before and (before["model"], before["strategy"]) != name:
            agreed = api.overlap(name, (before["model"], before["strategy"]))
            if agreed["share"] is not None:
                said(
                    out,
                    f"of the ten nearest neighbours of {agreed['clips']} clips, {before['model']} (before) and {name[0]} (after)"
                    f" have {agreed['share']:.0%} in common",
                )
        if no_switch:
            said(out, "the default stays as it was")
        else:
            api.choose_model(*name, near_duplicate=near_duplicate, key=str(uuid.uuid4()))
            said(out, f"searches go by {name[0]} from now on")
        out.print(models_table(api.models()))


def _wait(api: Api, name: tuple[str, str], live: Live) -> None:
    """Show how far a model is, until it has every clip.

    Raises:
        Stalled: nothing has come for some minutes.
    """
    last, since = -1, time.monotonic()
    while True:
        found: SearchModel | None = next((m for m in api.models() if (m["model"], m["strategy"]) == name), None)
        done, of = (found["clips"], found["of"]) if found else (0, 0)
        live.update(Text(f"{done} of {of} clips embedded"))
        if found and done >= of:
            return
        if done != last:
            last, since = done, time.monotonic()
        if time.monotonic() - since > _STALLED_S:
            raise Stalled(
                f"{done} of {of} clips are embedded, and none has come for {_STALLED_S:.0f} s; see `heaters failed`"
            )
        time.sleep(_LOOK_S)
