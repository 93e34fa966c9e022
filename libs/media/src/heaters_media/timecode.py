"""SMPTE timecode (ST 12-1): how editing programs name frames; and whether a video's frames come at a rate that can be named so.

Timecode counts frames, never time: at 30000/1001 frames a second its hour is longer than an hour, and drop-frame counting leaves out names
(never frames) so that the two stay together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from heaters_media.columns import Ints
from heaters_media.ledger import FrameTable

TIMECODE_RATES = (
    *(Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(48000, 1001)),
    *(Fraction(48), Fraction(50), Fraction(60000, 1001), Fraction(60)),
)
"""Frames a second that edit lists are made at."""
_OTHER_RATES = (*(Fraction(n) for n in (5, 6, 8, 10, 12, 15, 20, 90, 100, 120, 240)), Fraction(15000, 1001))
_OTHER_RATES = (*_OTHER_RATES, Fraction(12000, 1001), Fraction(120000, 1001))
_INT64 = 2**62


@dataclass(frozen=True, slots=True)
class Grid:
    """Frames at one rate, and their names.

    Attributes:
        rate: frames a second: a whole number, or one of them times 1000/1001.
    """

    rate: Fraction

    def __post_init__(self) -> None:
        if self.rate not in (self.base, Fraction(self.base * 1000, 1001)) or not 1 <= self.base <= 60:
            raise ValueError(f"timecode cannot count {self.rate} frames a second")

    @property
    def base(self) -> int:
        """Frames in what timecode calls a second."""
        return math.ceil(self.rate)

    @property
    def drop(self) -> bool:
        """Whether names are left out: at 29.97 and 59.94 frames a second, where it is defined and usual."""
        return self.rate.denominator == 1001 and self.base in (30, 60)

    @property
    def hour_frames(self) -> int:
        """Frames in an hour of timecode."""
        return self.base * 3600 - (54 * self._dropped if self.drop else 0)

    @property
    def _dropped(self) -> int:
        """Names that are left out at the begin of each minute but every tenth."""
        return self.base // 15

    def name(self, frame: int) -> str:
        """The timecode of a frame, which begins anew after 24 hours; a semicolon before the frames says drop-frame."""
        number = frame % (24 * self.hour_frames)
        if self.drop:
            tens, rest = divmod(number, 10 * self.base * 60 - 9 * self._dropped)
            number += 9 * self._dropped * tens
            if rest >= self._dropped:
                number += self._dropped * ((rest - self._dropped) // (self.base * 60 - self._dropped))
        seconds, frames = divmod(number, self.base)
        between = ";" if self.drop else ":"
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{between}{frames:02d}"

    def span(self, start: Fraction, end: Fraction) -> tuple[int, int]:
        """The frames [first, last) of this grid that begin within [start, end), in seconds; at least one.

        Spans that touch have frames that touch. A span that no frame begins in has the frame that is shown then.
        """
        first, last = math.ceil(start * self.rate), math.ceil(end * self.rate)
        return (first, last) if first < last else (math.floor(start * self.rate), math.floor(start * self.rate) + 1)


@dataclass(frozen=True, slots=True)
class Pace:
    """At which rate a video's frames come.

    Attributes:
        rate: frames a second, exactly, if every frame lies where that rate puts it, within less than a tick; None: it varies.
        average: frames a second on the whole.
    """

    rate: Fraction | None
    average: Fraction

    def grid(self) -> Grid:
        """The grid that its frames lie on; where there is none, the one that is nearest to its average."""
        if self.rate in TIMECODE_RATES:
            return Grid(self.rate)
        return Grid(min(TIMECODE_RATES, key=lambda rate: abs(rate - self.average)))

    @property
    def is_exact(self) -> bool:
        """Whether its frames are the grid's own: frame n of the video is frame n of the grid."""
        return self.rate in TIMECODE_RATES


def pace_of(table: FrameTable, announced: Fraction | None = None) -> Pace:
    """Find the rate at which frames come.

    Args:
        table: every frame's time. Times are rounded to ticks, so a rate is looked for that explains all of them, a usual one first.
        announced: what the file says; it is believed only where every frame agrees, and settles what a few frames leave open.
    """
    ticks = table.pts - table.pts[0]
    if len(ticks) < 2:
        lasts = Fraction(table.end_ticks - int(table.pts[0])) * table.time_base
        known = announced or min(TIMECODE_RATES, key=lambda rate: abs(rate - 1 / lasts))
        return Pace(known if abs(1 / known - lasts) < table.time_base else None, known)
    average = (len(ticks) - 1) / (int(ticks[-1]) * table.time_base)
    near = Fraction(2, len(ticks) - 1) + Fraction(1, 100)
    usual = [rate for rate in (*TIMECODE_RATES, *_OTHER_RATES) if abs(rate / average - 1) < near]
    usual.sort(key=lambda rate: (rate != announced, abs(rate - average)))
    step = np.diff(ticks)
    even = [1 / (int(step[0]) * table.time_base)] if bool((step == step[0]).all()) else []
    # An even step that is a usual rate to the tick is that rate, whatever else would fit.
    candidates = [*(rate for rate in even if rate in usual), *usual, *even]
    return Pace(next((rate for rate in candidates if _explains(rate * table.time_base, ticks)), None), average)


def _explains(frames_a_tick: Fraction, ticks: Ints) -> bool:
    """Whether frame n lies less than a tick from n / rate, for all n."""
    a, b = frames_a_tick.numerator, frames_a_tick.denominator
    if int(ticks[-1]) * a >= _INT64 or len(ticks) * b >= _INT64:
        return all(abs(int(tick) * a - n * b) < a for n, tick in enumerate(ticks))
    return bool((np.abs(ticks * a - np.arange(len(ticks), dtype=np.int64) * b) < a).all())
