"""What the formats for editing programs share: each clip as an event on a timeline of one rate, one after the other.

An event names frames of the video it was cut from (or of the clip's own file), counted from its first frame, which is called 00:00:00:00.
Where frames come at a rate that timecode can count, frame n is frame n, exactly. Where they do not, an event has those frames of the nearest
rate that begin within the clip, which show nothing but the clip; and says so, with the exact frames and ticks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal
from urllib.parse import quote

from heaters_media.timecode import Grid, Pace

from heaters_review_api.exports.rows import Row, Times

Media = Literal["source", "clips"]
"""What events name: the videos that clips were cut from, or the clips' own files."""


class NoTimes(Exception):
    """A clip's times are not known, so it has no place on a timeline."""


@dataclass(frozen=True, slots=True)
class Event:
    """A clip on a timeline. Frames are the timeline's own.

    Attributes:
        row: the clip.
        times: of it.
        pace: of its video.
        first: first frame, of its medium.
        last: past the last.
        at: where it begins, from the timeline's start.
        medium: what its medium is called; one medium, one name.
        address: where its medium is: an address, or a path beside the list.
        medium_frames: how long the medium is.
    """

    row: Row
    times: Times
    pace: Pace
    first: int
    last: int
    at: int
    medium: str
    address: str
    medium_frames: int

    @property
    def frames(self) -> int:
        """Its length."""
        return self.last - self.first

    @property
    def remark(self) -> str | None:
        """What is to be said where the timeline's frames are not the medium's; None where they are."""
        if self.pace.is_exact:
            return None
        clip, times, (num, den) = self.row.clip, self.times, self.times.time_base
        how = f"CONSTANT RATE OF {self.pace.rate}" if self.pace.rate else "VARIABLE FRAME RATE"
        return (
            f"{how}, COUNTED AT {self.pace.grid().rate} A SECOND; EXACTLY FRAMES {clip.start_frame} TO {clip.end_frame - 1},"
            f" TICKS {times.start_ticks} TO {times.end_ticks} OF {num}/{den} S"
        )


def timeline(rows: Sequence[Row], media: Media, *, most: int) -> tuple[Grid, list[Event]]:
    """As many of the clips, from the first, as make one timeline: of one rate, shorter than a day, no two media of one reel.

    Args:
        rows: at least one clip.
        media: what the events are to name.
        most: at most so many events.

    Raises:
        NoTimes: of the first clip; at another one the timeline ends before it.
    """
    grid = _known(rows[0])[1].grid()
    events: list[Event] = []
    reels: dict[str, str] = {}
    at = 0
    for row in rows[:most]:
        try:
            times, pace = _known(row)
        except NoTimes:
            if not events:
                raise
            break
        event = _event(row, times, pace, media, at)
        at += event.frames
        if pace.grid() != grid or reels.setdefault(reel(event), event.medium) != event.medium:
            break
        if events and at > 23 * grid.hour_frames:  # it begins at one o'clock, and a day has 24 hours
            break
        events.append(event)
    return grid, events


def reel(event: Event) -> str:
    """Eight letters and digits that name a medium in an edit list: the begin of its id, which every command takes for the whole."""
    return event.medium[:8].upper()


def _known(row: Row) -> tuple[Times, Pace]:
    if row.times is None:
        raise NoTimes(
            f"when clip {row.clip.id} is cannot be told: its video's ledger is lost; `heaters fsck` says more"
        )
    if row.times.pace is None:
        raise NoTimes(f"video {row.video.id} is not scanned to its end yet, so its rate is not known")
    return row.times, row.times.pace


def _event(row: Row, times: Times, pace: Pace, media: Media, at: int) -> Event:
    clip, grid = row.clip, pace.grid()
    if pace.rate is not None:
        start, end, whole = (Fraction(n) / pace.rate for n in (clip.start_frame, clip.end_frame, row.video.frames or 0))
    else:
        start, end, whole = (times.seconds(ticks) for ticks in (times.start_ticks, times.end_ticks, times.last_ticks))
    if media == "clips":
        start, end, whole = Fraction(0), end - start, end - start
    first, last = grid.span(start, end)
    if media == "clips":
        medium, address = str(clip.id), row.file_name
    else:
        medium, address = str(row.video.id), row.address or quote(row.title)
    return Event(row, times, pace, first, last, at, medium, address, max(last, grid.span(Fraction(0), whole)[1]))
