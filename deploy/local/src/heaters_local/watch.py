"""Follow a video until it is where we want it, and say when that will not happen."""

import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

from rich.console import Console, Group
from rich.live import Live

from heaters_local.client import Api, ApiError, Unreachable
from heaters_local.show import failure_line, running, video_line, videos_table
from heaters_local.views import Clip, Progress, VideoDetail

__all__ = ["Sight", "Stalled", "VideoFailed", "all_embedded", "current", "follow", "in_review", "watch"]

Sight = tuple[VideoDetail, list[Progress]]
"""A video as it is now, and what runs now."""

_POLL_S = 0.3
_RESTART_S = 40  # the longest pause before a restart is 30 s


class VideoFailed(RuntimeError):
    """The video, or a clip of it, will not get there by itself; the message has the reasons."""


class Stalled(RuntimeError):
    """Nothing has changed for too long."""


def current(video: VideoDetail) -> list[Clip]:
    """Its clips in order, without those that a changed cut has done away with."""
    return sorted(
        (clip for clip in video["clips_list"] if clip["state"] != "superseded"), key=lambda clip: clip["start"]
    )


def in_review(video: VideoDetail) -> bool:
    """Whether all its segments are done and all its clips are open for review (or further)."""
    if video["state"] in {"linked", "expanded"}:
        return True  # another video, or several, are worked on in its place
    total = video["segments_total"]
    return video["state"] in {"in_review", "done"} and bool(total) and video["segments_done"] == total


def all_embedded(video: VideoDetail) -> bool:
    """Whether each of its clips can be found by similarity."""
    clips = current(video)
    return bool(clips) and all(clip["state"] == "embedded" for clip in clips)


def follow(api: Api, video_id: str, *, until: Callable[[VideoDetail], bool], patience_s: float) -> Iterator[Sight]:
    """Look at a video some times a second until it is where we want it.

    Args:
        api: where it is.
        video_id: which.
        until: whether it is there.
        patience_s: how long nothing may change.

    Raises:
        VideoFailed: a stage gave it, or one of its clips, up.
        Stalled: nothing changed for `patience_s`.
        Unreachable: the API did not come back.
    """
    seen: object = None
    since_s = answered_s = time.monotonic()
    while True:
        try:
            sight = _look(api, video_id)
            answered_s = time.monotonic()
        except Unreachable:  # it may just be restarting
            if time.monotonic() - answered_s > _RESTART_S:
                raise
            sight = None
        if sight:
            yield sight
            video, progress = sight
            reasons = _reasons(video)
            if reasons:
                raise VideoFailed("; ".join(reasons))
            if until(video):
                return
            now_seen = (video_line(video), running(video_id, progress))
            if now_seen != seen:
                seen, since_s = now_seen, time.monotonic()
        if time.monotonic() - since_s > patience_s:
            where = video_line(sight[0]) if sight else "it is not known yet"
            raise Stalled(f"nothing has changed for {patience_s:g} s: {where}. `heaters logs` may say why")
        time.sleep(_POLL_S)


def watch(console: Console, sights: Iterable[Sight]) -> VideoDetail:
    """Show a video while it is followed: a live table in a terminal, a line for each change elsewhere.

    Returns:
        The video as it was seen last.
    """
    video: VideoDetail | None = None
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8) as live:
            for video, progress in sights:
                live.update(Group(videos_table([video], progress)))
    else:
        said = ""
        for video, _ in sights:
            line = video_line(video)
            if line != said:
                console.print(line, soft_wrap=True, highlight=False, markup=False)
                said = line
    if video is None:
        raise ValueError("there was nothing to see")
    return video


def _look(api: Api, video_id: str) -> Sight | None:
    try:
        return api.video(video_id), api.progress()
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:  # admitted, and not yet projected
            return None
        raise


def _reasons(video: VideoDetail) -> list[str]:
    reasons = [failure_line(failure) for failure in video["failures_list"]]
    if reasons:
        return reasons
    broken = [clip for clip in current(video) if clip["state"].endswith("_failed")]
    if broken:
        return [f"clip {clip['id']} is {clip['state']}" for clip in broken]
    return [f"the video is {video['state']}"] if video["state"].endswith("_failed") else []
