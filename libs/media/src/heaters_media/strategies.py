"""Which frames stand for a clip: strategies as data, and the choice among candidates. Pure; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

BLACK_LUMA = 24.0
"""A picture of less mean luma (0 to 255) shows nothing: limited-range black with noise, and the ends of fades."""
BLUR_FLOOR = 2.0
"""A picture of less sharpness is flat whatever it shows."""
BLUR_SHARE = 0.15
"""A picture with less than this share of the sharpness of its clip's sharpest candidate is blurred: by motion, focus or a dissolve."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the pictures of a clip are chosen.

    Either at fixed places, exactly there, or spread: the clip without its margins is divided into equal parts, a few candidates are
    looked at in each, black and blurred ones are refused, and the sharpest stands for the part.

    Attributes:
        name: as facts and settings say it.
        places: for fixed places: shares of the clip, in order; 0 is the first frame and 1 the last.
        every_s: for spread ones: a part for each so many seconds.
        least: parts at least.
        most: parts at most.
        candidates: looked at in each part.
        margin: share of the clip left out at each end, where a dissolve may still show the neighbour.
    """

    name: str
    places: tuple[Fraction, ...] = ()
    every_s: Fraction = Fraction(2)
    least: int = 1
    most: int = 1
    candidates: int = 1
    margin: Fraction = Fraction(1, 10)


STRATEGIES = {
    one.name: one
    for one in (
        Strategy("midpoint", (Fraction(1, 2),)),
        Strategy("quarters", (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))),
        Strategy("ends", (Fraction(0), Fraction(1, 2), Fraction(1))),
        Strategy("spread", least=2, most=8, candidates=3),
        Strategy("spread-dense", every_s=Fraction(1), least=4, most=32, candidates=3),
    )
}
"""By name. Another one is a line here: facts carry the name, so what it means is never changed."""


def strategy_named(name: str) -> Strategy:
    """A strategy.

    Raises:
        ValueError: there is none of this name; shows those that there are.
    """
    if name not in STRATEGIES:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def candidates(strategy: Strategy, *, frames: int, duration_s: Fraction) -> list[tuple[int, ...]]:
    """The frames to look at, part by part.

    Args:
        strategy: which.
        frames: of the clip; at least 1.
        duration_s: of the clip.

    Returns:
        For each part its candidates; no frame is in two of them, none is empty, and all are in order.

    Raises:
        ValueError: a clip without frames.
    """
    if frames < 1:
        raise ValueError(f"a clip of {frames} frames has no pictures")
    if strategy.places:
        chosen = sorted({min(frames - 1, int(frames * place)) for place in strategy.places})
        return [(frame,) for frame in chosen]
    wanted = math.ceil(duration_s / strategy.every_s)
    parts = min(max(strategy.least, wanted), strategy.most, frames)
    # Slots lie in the middles of equal pieces of what the margins leave; a short clip has several in one frame.
    first, length = frames * strategy.margin, frames * (1 - 2 * strategy.margin)
    slots = parts * strategy.candidates
    found: list[tuple[int, ...]] = []
    seen = -1
    for part in range(parts):
        places = range(part * strategy.candidates, (part + 1) * strategy.candidates)
        inside = sorted({int(first + length * Fraction(2 * slot + 1, 2 * slots)) for slot in places})
        new = tuple(frame for frame in inside if frame > seen)
        if new:
            found.append(new)
            seen = new[-1]
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """What a candidate looks like: mean luma, and mean square of the Laplacian of its luma."""

    luma: float
    sharpness: float


def look(luma: NDArray[np.uint8]) -> Look:
    """Measure a small picture.

    Args:
        luma: shape (height, width), about 320 px wide, so that pictures of any film compare.
    """
    grey = luma.astype(np.float32)
    edges = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return Look(float(grey.mean()), float(np.square(edges).mean()) if edges.size else 0.0)


def choose(parts: Sequence[Sequence[Look]], *, refuses: bool) -> list[tuple[int, int]]:
    """Which candidate of which part is taken.

    Args:
        parts: what the candidates look like, part by part.
        refuses: whether black and blurred ones are refused; where all are, the sharpest of those that are least black is taken after all,
            for a clip without a picture could not be found.

    Returns:
        (part, candidate) of those taken, in order; at least one.
    """
    best = max((one.sharpness for part in parts for one in part), default=0.0)
    taken = []
    for place, part in enumerate(parts):
        good = [n for n, one in enumerate(part) if not refuses or _shows(one, best)]
        if good:
            taken.append((place, max(good, key=lambda n: (part[n].sharpness, -n))))
    if taken:
        return taken
    every = [(place, n) for place, part in enumerate(parts) for n in range(len(part))]
    return [max(every, key=lambda at: (parts[at[0]][at[1]].luma >= BLACK_LUMA, parts[at[0]][at[1]].sharpness))]


def _shows(one: Look, best: float) -> bool:
    return one.luma >= BLACK_LUMA and one.sharpness >= max(BLUR_FLOOR, BLUR_SHARE * best)
