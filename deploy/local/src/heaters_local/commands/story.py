"""`heaters story`."""

import json

import click
from rich.table import Table

from heaters_local.client import Api
from heaters_local.resolve import video_id
from heaters_local.state import Home
from heaters_local.terminal import console, home_option
from heaters_local.views import Event

_MIB = 1024 * 1024


@click.command()
@click.argument("video")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@home_option
def story(home: Home, video: str, as_json: bool) -> None:
    """Everything that ever happened to VIDEO, in order: when, by whom, how long it took, which attempt, bytes, reasons."""
    with Api.of(home) as api:
        found = api.whole_video(video_id(api, video))
    if as_json:
        print(json.dumps(found["events"], indent=2))
        return
    table = Table(box=None, pad_edge=False, title=found["title"] or found["id"], title_justify="left")
    for name in ("when", "what", "about", "by", "took", "attempt", "read", "written", "said"):
        table.add_column(name, overflow="fold")
    for event in found["events"]:
        table.add_row(*_cells(event))
    console().print(table)


def _cells(event: Event) -> tuple[str, ...]:
    about = f"segment {event['segment']}" if event["segment"] is not None else (event["clip_id"] or "")[:8]
    if event["seconds"] is None:
        work = ("", "", "", "")
    else:
        took = "known before" if event["reused"] else f"{event['seconds']:.1f} s"
        work = (took, str(event["attempt"]), _size(event["read_bytes"]), _size(event["written_bytes"]))
    return event["at"][:19], event["type"], about, event["by"] or event.get("host") or "", *work, event["note"] or ""


def _size(count: int | None) -> str:
    return f"{(count or 0) / _MIB:.1f} MiB"
