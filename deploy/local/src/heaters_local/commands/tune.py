"""`heaters tune`."""

import re
import sys
from base64 import b64decode
from collections import defaultdict

import click
from rich.table import Table

from heaters_local.client import Api
from heaters_local.commands.redetect import asked_again
from heaters_local.select import Selection, chosen, selection_options
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, one_by_one, said
from heaters_local.tuning import Labels, fit, labels_of, scores_of

_STRICTNESS = re.compile(r"adaptive\((?:strictness=([0-9.]+),)?")


@click.command()
@selection_options
@click.option(
    "--by",
    type=click.Choice(("all", "tag", "requester")),
    default="all",
    show_default=True,
    help="One threshold for all that is selected, or one for each tag or requester.",
)
@click.option(
    "--apply", "applied", is_flag=True, help="Find the cuts of the selected videos again with what fits best."
)
@home_option
def tune(home: Home, selection: Selection, by: str, applied: bool) -> None:
    """Fit the adaptive detector's threshold to what reviewers decided of its cuts.

    Every cut that a person added, moved, confirmed or removed is a label, and so is every clip with a verdict: its ends are cuts, and
    there is none between. Nothing changes unless --apply is given; what people decided stays even then.
    """
    out = console()
    groups: dict[str, list[tuple[str, float, list[float], Labels]]] = defaultdict(list)
    skipped = 0
    with Api.of(home) as api:
        for video_id in chosen(api, selection):
            video = api.whole_video(video_id)
            curve = api.scores(video_id) if video["frames"] else None
            made_by = {_STRICTNESS.match(part["detector"]) for part in curve["parts"]} if curve else set()
            strictness = {float(said_[1] or 1) if said_ else None for said_ in made_by}
            if curve is None or len(strictness) != 1 or (present := strictness.pop()) is None:
                skipped += 1  # another detector's scores say nothing of this one's threshold
                continue
            labels = labels_of(
                ((cut["frame"], cut["by"]) for cut in video["cuts"]),
                ((clip["start"], clip["end"]) for clip in video["clips_list"] if clip["verdict"]),
                (event["note"] or "" for event in video["events"] if event["type"] == "video.cuts_changed"),
                video["frames"] or 0,
                (
                    (cut["extent"][0], cut["extent"][1])
                    for cut in video["cuts"]
                    if cut["extent"] and cut["kind"] != "hard"
                ),
            )
            names = {"all": ["all"], "tag": video["tags"] or ["-"], "requester": [video["requester"]]}[by]
            for name in names:
                groups[name].append((video_id, present, scores_of(b64decode(curve["values"])), labels))

        table = Table(box=None, pad_edge=False)
        for column in ("", "videos", "labels", "precision", "recall", "fits best", "precision then", "recall then"):
            table.add_column(column)
        wanted: dict[str, str] = {}
        for name, members in sorted(groups.items()):
            # Scores are in units of the threshold that made them: brought to those of the default, all videos are alike.
            found = fit([([score * present for score in scores], labels) for _, present, scores, labels in members])
            detector = "adaptive" if found.times == 1 else f"adaptive@{found.times:g}"
            before = [f"{found.before.precision:.3f}", f"{found.before.recall:.3f}"] if found.labels else ["-", "-"]
            shown = [name, str(len(members)), str(found.labels), *before]
            shown.append(detector if found.enough else "too few labels")
            shown += [f"{found.after.precision:.3f}", f"{found.after.recall:.3f}"] if found.enough else ["-", "-"]
            table.add_row(*shown)
            if found.enough:
                wanted |= {video_id: detector for video_id, *_ in members if video_id not in wanted}
        out.print(table)
        if skipped:
            said(out, f"{skipped} videos have no scores of the adaptive detector")
        if applied:
            if not one_by_one(out, wanted, lambda video: asked_again(api, video, wanted[video])):
                sys.exit(1)
        elif wanted:
            said(out, "nothing is changed: --apply finds the cuts again, `heaters ingest --detector` is for new videos")
