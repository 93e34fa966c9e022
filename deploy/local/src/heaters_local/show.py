"""How states, videos, clips and failures look in a terminal; and as plain lines where there is none."""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from heaters_local.state import Part, PartState, Phase, State
from heaters_local.views import (
    Clip,
    DuplicateGroup,
    Failure,
    Hit,
    Neighbour,
    Progress,
    SearchModel,
    TimeBase,
    Video,
    VideoDetail,
)

_STYLES = {
    PartState.READY: "green",
    PartState.DONE: "green",
    PartState.STARTING: "yellow",
    PartState.NOT_READY: "yellow",
    PartState.RESTARTING: "red",
}
_SHORT = 8
_WIDTH = 40


def parts_table(state: State) -> RenderableType:
    """The processes, one a row, with a line above that says how the whole is."""
    told = {
        Phase.STARTING: Text("starting", "yellow"),
        Phase.READY: Text("running", "green"),
        Phase.STOPPING: Text("stopping", "yellow"),
        Phase.FAILED: Text("failed", "red"),
    }[state.phase]
    table = _table("process", "state", "port", "restarts", "")
    for part in state.parts:
        table.add_row(
            part.name,
            Text(part.state.value, _STYLES.get(part.state, "dim")),
            str(part.port or ""),
            str(part.restarts or ""),
            Text(part.note, "dim"),
        )
    return Group(Text.assemble("Heaters: ", told, Text(f"  {state.home}", "dim")), table)


def part_line(part: Part) -> str:
    """One process as a line."""
    note = f" ({part.note})" if part.note else ""
    return f"{part.name}: {part.state.value}{note}"


def clip_counts(clips: dict[str, int]) -> str:
    """Such as `5 pending review, 1 embedded`."""
    return ", ".join(f"{count} {_words(state)}" for state, count in sorted(clips.items()) if count)


def fraction(video: Video) -> float:
    """How much of a video's segments is done, 0 to 1."""
    total = video["segments_total"]
    return video["segments_done"] / total if total else 0


def videos_table(videos: Sequence[Video], progress: Sequence[Progress]) -> RenderableType:
    """Videos, one a row, with a bar and what runs for each."""
    table = _table("video", "title", "state", "segments", "", "clips", "now")
    for video in videos:
        failed = video["failures"] or video["state"].endswith("_failed")
        table.add_row(
            video["id"][:_SHORT],
            Text(video["title"] or "-", overflow="ellipsis", no_wrap=True),
            Text(_words(video["state"]), "red" if failed else ""),
            f"{video['segments_done']}/{'?' if video['segments_total'] is None else video['segments_total']}",
            ProgressBar(total=1, completed=fraction(video), width=12),
            clip_counts(video["clips"]),
            Text(", ".join(running(video["id"], progress)), "dim"),
        )
    return table if videos else Text("no videos yet: ask for one with `heaters ingest PATH|URL`", "dim")


def running(video_id: str, progress: Iterable[Progress]) -> list[str]:
    """What runs for a video, such as `preprocess 40%`."""
    return [
        item["stage"] if item["fraction"] is None else f"{item['stage']} {item['fraction']:.0%}"
        for item in progress
        if item["video_id"] == video_id and (item["fraction"] is None or item["fraction"] < 1)
    ]


def video_line(video: Video) -> str:
    """How far a video is, as a line that only changes when something happened."""
    total = video["segments_total"]
    segments = f", {video['segments_done']} of {total} segments" if total else ""
    clips = clip_counts(video["clips"])
    return f"{_words(video['state'])}{segments}{f'; clips: {clips}' if clips else ''}"


def failure_line(failure: Failure) -> str:
    """What failed, and why."""
    attempts = failure["attempts"]
    tried = f", tried {attempts} times" if attempts > 1 else ""
    return f"{failure['stage']}: {failure['reason']} ({failure['failure_class']}{tried})"


def position(ticks: int | None, time_base: TimeBase) -> str:
    """A time in ticks as minutes and seconds, for the eye only."""
    if ticks is None:
        return "-"
    milliseconds = ticks * time_base[0] * 1000 // time_base[1]
    return f"{milliseconds // 60_000}:{milliseconds // 1000 % 60:02}.{milliseconds % 1000:03}"


def clips_table(clips: Sequence[Clip], nearest: Mapping[str, Neighbour | None] | None = None) -> Table:
    """Clips, one a row; with their nearest neighbours, if those are given."""
    table = _table(
        "clip", "start", "end", "frames", "from", "to", "state", *(("nearest", "similarity") if nearest else ())
    )
    for clip in clips:
        row = [
            clip["id"][:_SHORT],
            str(clip["start"]),
            str(clip["end"]),
            str(clip["end"] - clip["start"]),
            position(clip["start_ticks"], clip["time_base"]),
            position(clip["end_ticks"], clip["time_base"]),
            _words(clip["state"]),
        ]
        if nearest:
            neighbour = nearest.get(clip["id"])
            row += [neighbour["clip"]["id"][:_SHORT], f"{neighbour['similarity']:.3f}"] if neighbour else ["-", "-"]
        table.add_row(*row)
    return table


def hits_table(found: Sequence[Hit]) -> Table:
    """What a search found, the best first."""
    table = _table("score", "clip", "video", "start", "end", "state", "tags")
    for hit in found:
        clip = hit["clip"]
        score = hit["similarity"] if hit["similarity"] is not None else hit["rank"]
        place = (clip["id"], clip["video_id"][:_SHORT], str(clip["start"]), str(clip["end"]))
        table.add_row("-" if score is None else f"{score:.3f}", *place, _words(clip["state"]), " ".join(clip["tags"]))
    return table


def groups_table(groups: Sequence[DuplicateGroup]) -> Table:
    """Groups of clips that are nearly the same, a clip a row."""
    table = _table("group", "clip", "video", "start", "end", "state", "tags")
    for number, group in enumerate(groups, 1):
        for clip in group["clips"]:
            place = (clip["id"], clip["video_id"][:_SHORT], str(clip["start"]), str(clip["end"]))
            table.add_row(str(number), *place, _words(clip["state"]), " ".join(clip["tags"]))
    return table


def distribution(counts: Sequence[int], threshold: float) -> str:
    """Of equal parts of 0 to 1 how many lie in each, a line each from the first that has any; the threshold's is marked."""
    lines, most = [], max(counts, default=0) or 1
    first = next((n for n, count in enumerate(counts) if count), len(counts))
    for n, count in list(enumerate(counts))[first:]:
        low, high = n / len(counts), (n + 1) / len(counts)
        mark = "<- threshold" if low <= threshold < high or (high == 1 and threshold == 1) else ""
        bar = "#" * -(-_WIDTH * count // most)
        lines.append(f"{low:.2f} {count:>6} {bar:<{_WIDTH}} {mark}".rstrip())
    return "\n".join(lines)


def models_table(found: Sequence[SearchModel]) -> Table:
    """The models that clips are embedded by."""
    table = _table("model", "strategy", "dimensions", "clips", "index", "")
    for one in found:
        done = f"{one['clips']} of {one['of']}"
        has, default = ("yes" if one["indexed"] else "-"), ("default" if one["default"] else "")
        table.add_row(one["model"], one["strategy"], str(one["dimensions"]), done, has, default)
    return table


def stages_table(video: VideoDetail) -> RenderableType:
    """How long each stage has worked on a video, and how long the video has waited between them."""
    table = _table("stage", "seconds", "jobs")
    for name, time in video["stages"].items():
        table.add_row(name, f"{time['seconds']:.2f}", str(time["jobs"]))
    waiting = video["waiting_s"]
    return Group(table, Text("" if waiting is None else f"waiting between stages: {waiting:.2f} s in all"))


def detail(video: VideoDetail) -> RenderableType:
    """One video with all that belongs to it."""
    clips = sorted(video["clips_list"], key=lambda clip: clip["start"])
    return Group(
        Text.assemble((video["title"] or "-", "bold"), "  ", (video["id"], "dim")),
        Text(video_line(video)),
        *(Text(f"failed: {failure_line(failure)}", "red") for failure in video["failures_list"]),
        clips_table(clips),
        stages_table(video),
    )


def _words(state: str) -> str:
    return state.removeprefix("review_").replace("_", " ")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in {"start", "end", "frames", "seconds", "jobs"} else "left")
    return table
