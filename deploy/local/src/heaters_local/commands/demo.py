"""`heaters demo`: the whole flow on one video, as `make demo` runs it."""

import json
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from heaters_local.client import Api
from heaters_local.show import clips_table, stages_table
from heaters_local.state import Home
from heaters_local.submit import check, submit
from heaters_local.terminal import console, home_option, said, started, table_option
from heaters_local.views import Clip, Neighbour, VideoDetail
from heaters_local.watch import all_embedded, current, follow, in_review, watch


@click.command()
@click.option("--video", metavar="PATH|URL", help="The video; a sample film is rendered when none is given.")
@click.option("--once", is_flag=True, help="Approve all clips, wait until all are embedded, print the result and stop.")
@click.option(
    "--patience", "patience_s", type=float, default=300, show_default=True, help="Seconds without any change."
)
@home_option
@table_option
def demo(home: Home, video: str | None, once: bool, patience_s: float, table: Path | None) -> None:
    """Start everything, send one video through it, and show where it is reviewed.

    With --once it goes on by itself to the end and writes demo.json into the home folder.
    """
    out = console()
    if video:
        check(video)
    with started(out, home, table=table) as state, Api(state.urls["review"], state.token) as api:
        said(out, f"review page: {api.page}")
        what = video or str(_sample(out, home))
        began_s = time.monotonic()
        # Each time from the beginning: what has the same bytes as an earlier one would be linked to it, and show nothing.
        options = {"process_again": True}
        asked = submit(api, out, what, lane="interactive", options=options, request_id=f"demo-{uuid.uuid4()}")
        said(out, f"video {asked['video_id']}: {what}")
        seen = watch(out, follow(api, asked["video_id"], until=in_review, patience_s=patience_s))
        said(out, f"in review after {time.monotonic() - began_s:.1f} s: {len(current(seen))} clips")
        if once:
            _finish(out, home, api, seen, patience_s=patience_s)
        else:
            _stay(out, api)


def _sample(out: Console, home: Home) -> Path:
    """The sample film, rendered at the first time."""
    if not home.sample.exists():
        from heaters_media.sample import render_sample  # PyAV is slow to import, and only the sample needs it

        said(out, "rendering the sample film ...")
        render_sample(home.sample)
    return home.sample


def _stay(out: Console, api: Api) -> None:
    said(out, f"review the clips here: {api.page}")
    said(out, "Ctrl-C ends the demo")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


def _finish(out: Console, home: Home, api: Api, video: VideoDetail, *, patience_s: float) -> None:
    began_s = time.monotonic()
    for clip in current(video):
        api.approve(clip["id"])
    seen = watch(out, follow(api, video["id"], until=all_embedded, patience_s=patience_s))
    said(out, f"all embedded {time.monotonic() - began_s:.1f} s after the first approval")
    clips = current(seen)
    nearest = {clip["id"]: next(iter(api.similar(clip["id"], limit=1)), None) for clip in clips}
    decoded = _decoded(api, clips)
    out.print(clips_table(clips, nearest))
    out.print(stages_table(seen))
    result = home.path / "demo.json"
    result.write_text(json.dumps(_record(seen, clips, nearest, decoded), indent=2) + "\n")
    said(out, f"written: {result}")
    if wrong := [clip["id"] for clip in clips if decoded[clip["id"]] != clip["frames"]]:
        raise click.ClickException(f"these exports do not have their clips' frames: {', '.join(wrong)}")


def _decoded(api: Api, clips: Sequence[Clip]) -> dict[str, int]:
    """Clip id -> frames that its export decodes to, here and now, as whoever downloads it would find."""
    from heaters_media.keyframes import count_frames  # PyAV is slow to import, and only this needs it

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.mp4"
        for clip in clips:
            api.download(clip["id"], file)
            found[clip["id"]] = count_frames(file)
    return found


def _record(
    video: VideoDetail, clips: Sequence[Clip], nearest: Mapping[str, Neighbour | None], decoded: Mapping[str, int]
) -> dict[str, Any]:
    facts = ("id", "title", "state", "frames", "duration_ticks", "time_base", "segments_total")
    return {
        "video": {key: video[key] for key in facts},  # type: ignore[literal-required] # keys of a constant above
        "cuts": sorted(cut["frame"] for cut in video["cuts"]),
        "clips": [
            {
                "id": clip["id"],
                "start": clip["start"],
                "end": clip["end"],
                "state": clip["state"],
                "frames_decoded": decoded[clip["id"]],
                "object": clip["object"],
                "nearest": _neighbour(nearest[clip["id"]]),
            }
            for clip in clips
        ],
        "stages": {name: stage["seconds"] for name, stage in video["stages"].items()},
        "waiting_s": video["waiting_s"],
    }


def _neighbour(neighbour: Neighbour | None) -> dict[str, Any] | None:
    return {"id": neighbour["clip"]["id"], "similarity": neighbour["similarity"]} if neighbour else None
