"""`heaters status`."""

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from heaters_local.client import Api, Unreachable
from heaters_local.resolve import video_id
from heaters_local.show import detail, failure_line, parts_table, video_line, videos_table
from heaters_local.state import Home, State
from heaters_local.terminal import console, home_option, said
from heaters_local.views import Failure, Progress, Video

_POLL_S = 0.5
_SHOWN_FAILURES = 10


@dataclass(frozen=True)
class _Overview:
    state: State | None
    videos: list[Video]
    progress: list[Progress]
    failures: list[Failure]
    problem: str | None


@click.command()
@click.argument("video", required=False)
@click.option("--follow", "-f", is_flag=True, help="Keep showing, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document (with --follow: one a line).")
@home_option
def status(home: Home, video: str | None, follow: bool, as_json: bool) -> None:
    """Show what runs, how far every video is, and what failed and why; or one VIDEO with its clips."""
    out = console()
    with Api.of(home) as api:
        wanted = video_id(api, video) if video else None
        try:
            if not follow:
                _show_once(out, home, api, wanted, as_json=as_json, indent=2)
            elif out.is_terminal and not as_json:
                with Live(console=out, refresh_per_second=4) as live:
                    while True:
                        live.update(_picture(home, api, wanted))
                        time.sleep(_POLL_S)
            else:
                _follow_lines(out, home, api, wanted, as_json=as_json)
        except KeyboardInterrupt:
            return


def _show_once(out: Console, home: Home, api: Api, wanted: str | None, *, as_json: bool, indent: int | None) -> None:
    if as_json:
        said(out, json.dumps(_document(home, api, wanted), indent=indent))
    else:
        out.print(_picture(home, api, wanted))


def _follow_lines(out: Console, home: Home, api: Api, wanted: str | None, *, as_json: bool) -> None:
    known: dict[str, str] = {}
    while True:
        if as_json:
            lines = {"": json.dumps(_document(home, api, wanted))}
        else:
            videos = [api.video(wanted)] if wanted else list(api.videos())
            lines = {video["id"]: f"{video['id']}  {video_line(video)}" for video in videos}
            told = [item for item in api.failures() if wanted in (None, item["video_id"])]
            lines |= {item["id"]: f"{item['video_id']}  failed: {failure_line(item)}" for item in told}
        for key, line in lines.items():
            if known.get(key) != line:
                said(out, line)
        known = lines
        time.sleep(_POLL_S)


def _overview(home: Home, api: Api) -> _Overview:
    state = home.running()
    ours = state if state and state.urls.get("review") == api.url else None
    try:
        return _Overview(ours, list(api.videos()), api.progress(), api.failures(), None)
    except Unreachable as error:
        if ours is None:
            raise
        return _Overview(ours, [], [], [], str(error))  # the processes say why


def _picture(home: Home, api: Api, wanted: str | None) -> RenderableType:
    if wanted:
        return detail(api.whole_video(wanted))
    seen = _overview(home, api)
    rows: list[RenderableType] = [parts_table(seen.state)] if seen.state else []
    rows.append(Text(seen.problem, "red") if seen.problem else videos_table(seen.videos, seen.progress))
    titles = {video["id"]: video["title"] or video["id"][:8] for video in seen.videos}
    for failure in seen.failures[:_SHOWN_FAILURES]:
        title = titles.get(failure["video_id"], failure["video_id"][:8])
        rows.append(Text(f"failed: {title}: {failure_line(failure)}", "red"))
    if len(seen.failures) > _SHOWN_FAILURES:
        rows.append(Text(f"and {len(seen.failures) - _SHOWN_FAILURES} more failures (all with --json)", "red"))
    return Group(*rows)


def _document(home: Home, api: Api, wanted: str | None) -> dict[str, Any]:
    if wanted:
        return {"video": api.whole_video(wanted)}
    seen = _overview(home, api)
    return {
        "processes": [asdict(part) for part in seen.state.parts] if seen.state else [],
        "videos": seen.videos,
        "progress": seen.progress,
        "failures": seen.failures,
        "problem": seen.problem,
    }
