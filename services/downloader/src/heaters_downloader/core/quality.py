"""What a version of a video is, which one is best, and what was lost."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """What a version of a video is; None where a site does not say.

    Attributes:
        height_px: rows of the picture.
        fps_milli: frames a second, in thousandths: a label that sites give, and no measure of time.
        video: codec of the picture, "none" where there is none.
        audio: codec of the sound, "none" where there is none.
        container: file ending, such as mp4.
    """

    height_px: int | None = None
    fps_milli: int | None = None
    video: str | None = None
    audio: str | None = None
    container: str | None = None


@dataclass(frozen=True)
class QualityRecord:
    """What a site offered and what was got of it.

    Attributes:
        offered: the best of each thing that any of its versions has.
        got: what was brought.
        lost: why that is less, or None.
        note: what limited the choice, such as a missing ffmpeg, or None.
    """

    offered: Quality
    got: Quality
    lost: str | None
    note: str | None = None


@dataclass(frozen=True)
class Strategy:
    """One way to choose among a site's versions, and why."""

    expression: str
    reason: str


STRATEGY = (
    Strategy("bestvideo*+bestaudio", "the best picture and the best sound, of any codec, put together"),
    Strategy("best", "the best file that has both"),
    Strategy("bestvideo*", "the best picture, where there is no sound at all"),
)
"""Tried in this order. None asks for the worst, and what was chosen is compared with what was offered all the same."""


def formats() -> str:
    """The strategy as yt-dlp's format expression."""
    return "/".join(step.expression for step in STRATEGY)


def best_of(versions: Sequence[Quality]) -> Quality:
    """The best height, the best rate at that height, and a codec of sound ("unknown" if it is not named) of any version."""
    seen = [version for version in versions if version.video != "none"]
    height = max((version.height_px for version in seen if version.height_px), default=None)
    tallest = [version for version in seen if version.height_px == height]
    rate = max((version.fps_milli for version in tallest if version.fps_milli), default=None)
    # A version without a picture is sound, also where a site does not name its codec.
    heard = [version.audio or "unknown" for version in versions if version.audio or version.video == "none"]
    sound = next(
        (codec for codec in heard if codec not in ("unknown", "none")), "unknown" if "unknown" in heard else None
    )
    first = next((version for version in tallest if version.fps_milli == rate), Quality())
    return Quality(height, rate, first.video, sound, first.container)


def lost(offered: Quality, got: Quality) -> str | None:
    """What is less in what was got, or None. What a site does not say cannot be lost."""
    if offered.height_px and got.height_px and got.height_px < offered.height_px:
        return f"{got.height_px} of {offered.height_px} rows"
    same_height = got.height_px == offered.height_px
    if same_height and offered.fps_milli and got.fps_milli and got.fps_milli * 10 < offered.fps_milli * 9:
        return f"{got.fps_milli / 1000:g} of {offered.fps_milli / 1000:g} frames a second"
    if offered.audio not in (None, "none") and got.audio == "none":
        return "the sound"
    return None


def fell_short(promised: Quality, measured: Quality) -> str | None:
    """What a file lacks of what its site called it, or None. Sites round: a tenth less is no loss."""
    if promised.height_px and measured.height_px and measured.height_px * 10 < promised.height_px * 9:
        return f"{measured.height_px} of {promised.height_px} rows"
    if promised.fps_milli and measured.fps_milli and measured.fps_milli * 10 < promised.fps_milli * 9:
        return f"{measured.fps_milli / 1000:g} of {promised.fps_milli / 1000:g} frames a second"
    if promised.audio not in (None, "none", "unknown") and measured.audio == "none":
        return "the sound"
    return None
