"""The transnetv2 detector: the network's windows over an array, and what its probabilities say of cuts.

Windows lie on one grid for the whole film, as the network's authors lay them: [50 k - 25, 50 k + 75) gives frames [50 k, 50 k + 50), and
beyond the film's ends its first and last frame stand again. So a segment with its context has the film's own probabilities, exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from heaters_scenes.core import Detection, FadeParameters, Floats, FoundCut, Kind, Place, hard, joined
from heaters_scenes.errors import InvalidParameters
from heaters_scenes.measure import Frames, brightness, check

WINDOW_FRAMES = 100
KEPT_FRAMES = 50
MARGIN_FRAMES = 25
REACH_FRAMES = 25
"""How far beyond a segment its probabilities are surely known, when its array has the whole context."""

_BATCH = 2
"""Windows in one pass: more gains nothing on a CPU, and costs 150 MB each."""
_ODDS_MOST = 1e4
_BESIDE = 3


class Network(Protocol):
    """See `network.Predictor`."""

    def __call__(self, windows: Frames) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Probabilities of the frames of several windows."""


@dataclass(frozen=True, slots=True)
class TransNetParameters:
    """How probabilities become cuts.

    Attributes:
        threshold: the least probability of a frame that ends a shot, in (0, 1).
        within: the least probability of a frame that lies in a transition.
        reach_frames: how far a transition goes from its most certain frame, at most.
        fade: what is dark and what is white: a transition through such frames is told as a fade.
    """

    threshold: float = 0.5
    within: float = 0.5
    reach_frames: int = 24
    fade: FadeParameters = field(default_factory=FadeParameters)

    def __post_init__(self) -> None:
        """Refuse what could not be local.

        Raises:
            InvalidParameters: names the setting and shows its value.
        """
        if not (0 < self.threshold < 1 and 0 < self.within < 1):
            raise InvalidParameters(f"threshold and within must lie between 0 and 1: {self.threshold}, {self.within}")
        if not 1 <= self.reach_frames < REACH_FRAMES:
            raise InvalidParameters(f"reach_frames must be in [1, {REACH_FRAMES}): {self.reach_frames}")

    def stricter(self, times: float) -> "TransNetParameters":
        """The same with the odds of the threshold so many times as high."""
        odds = times * self.threshold / (1 - self.threshold)
        return TransNetParameters(odds / (1 + odds), self.within, self.reach_frames, self.fade)

    @property
    def text(self) -> str:
        """The settings as a short, stable string."""
        return f"threshold={self.threshold:.4g},within={self.within:g},reach={self.reach_frames},fade={self.fade.text}"


def grid(place: Place) -> Iterator[int]:
    """The first frames that windows give, as far as the array has all that each of them needs."""
    film_ends = place.first_frame + place.rows == place.total_frames
    start = place.first_frame // KEPT_FRAMES * KEPT_FRAMES
    while start < place.first_frame + place.rows:
        whole_before = start - MARGIN_FRAMES >= place.first_frame or place.first_frame == 0
        whole_after = start + KEPT_FRAMES + MARGIN_FRAMES <= place.first_frame + place.rows or film_ends
        if whole_before and whole_after:
            yield start
        start += KEPT_FRAMES


def probabilities(network: Network, frames: Frames, place: Place) -> tuple[Floats, Floats]:
    """The network's two probabilities of each row; 0 where the array has too little around it.

    Returns:
        That a frame is the last of its shot, and that it lies in a transition.
    """
    last, within = np.zeros(place.rows), np.zeros(place.rows)
    starts = list(grid(place))
    for at in range(0, len(starts), _BATCH):
        batch = starts[at : at + _BATCH]
        windows = np.stack([_window(frames, start - place.first_frame) for start in batch])
        for start, ends, lies in zip(batch, *network(windows), strict=True):
            first = start - place.first_frame
            rows = slice(max(first, 0), min(first + KEPT_FRAMES, place.rows))
            kept = slice(MARGIN_FRAMES + rows.start - first, MARGIN_FRAMES + rows.stop - first)
            last[rows], within[rows] = ends[kept], lies[kept]
    return last, within


def _window(frames: Frames, first: int) -> Frames:
    """The rows of one window; beyond the array, which is there the film's end, its first and last row again."""
    rows = np.arange(first - MARGIN_FRAMES, first + KEPT_FRAMES + MARGIN_FRAMES).clip(0, len(frames) - 1)
    return np.asarray(frames[rows], np.uint8)


def peaks(probability: Floats, *, at_least: float, reach: int) -> list[int]:
    """Of each run of rows of at least so much the most probable one, of equal ones the earliest.

    In a run that is longer than `reach`, each row that none beats which it is joined to within that many rows.
    """
    kept = []
    likely = probability >= at_least
    for row in np.flatnonzero(likely):
        start, end = _joined(likely, int(row), reach)
        before, after = probability[start:row], probability[row + 1 : end]
        if (before < probability[row]).all() and (after <= probability[row]).all():
            kept.append(int(row))
    return kept


def transitions(last: Floats, within: Floats, parameters: TransNetParameters) -> list[tuple[int, int, int]]:
    """What the probabilities say: (most certain row, start, end) of each transition.

    Start is the first row of the new picture, end the first row that is nothing but the new shot: where a shot's last row is followed by
    the next one's first, start and end are equal.
    """
    found = []
    joins = (last >= parameters.threshold) | (within >= parameters.within)
    for row in peaks(last, at_least=parameters.threshold, reach=parameters.reach_frames):
        start, end = _joined(joins, row, parameters.reach_frames)
        found.append((row, start + 1, end))
    return found


def _joined(flags: npt.NDArray[np.bool_], row: int, reach: int) -> tuple[int, int]:
    """The span of true rows around one, at most so far to each side."""
    start, end = row, row + 1
    while start > max(0, row - reach) and flags[start - 1]:
        start -= 1
    while end < min(len(flags), row + reach + 1) and flags[end]:
        end += 1
    return start, end


def cuts_of(
    last: Floats, within: Floats, light: Floats, place: Place, parameters: TransNetParameters
) -> list[FoundCut]:
    """The cuts that the probabilities say, of all rows."""
    found: list[FoundCut] = []
    for row, start, end in transitions(last, within, parameters):
        if start >= place.rows:
            continue  # the film ends with it
        sure = float(last[row])
        if end - start < 2:
            found.append(hard(place.first_frame + row + 1, sure))
            continue
        frame = place.first_frame + min(max(row + 1, start), end - 1)
        # The probabilities may begin late and end early; what lies beside them belongs to the picture that comes or goes.
        kind = _kind(light[max(0, start - _BESIDE) : end + _BESIDE], parameters.fade)
        found.append(FoundCut(frame, kind, place.first_frame + start, place.first_frame + end, sure))
    return found


def _kind(light: Floats, fade: FadeParameters) -> Kind:
    return "fade" if float(light.min()) < fade.level or float(light.max()) > 255 - fade.level else "dissolve"


def odds(probability: Floats, threshold: float) -> Floats:
    """Probabilities as scores: the odds over those of the threshold, so that 1 is just a candidate."""
    kept = probability.clip(0, 1 - 1 / _ODDS_MOST)
    return np.asarray(kept / (1 - kept) * (1 - threshold) / threshold, np.float64)


def scores_of(last: Floats, threshold: float) -> Floats:
    """The score of each row as a first frame of a new shot: the odds that the row before ends one."""
    return np.concatenate(([0.0], odds(last[:-1], threshold)))


@dataclass(frozen=True, slots=True)
class TransNet:
    """The transnetv2 detector."""

    network: Network
    version: str
    parameters: TransNetParameters = field(default_factory=TransNetParameters)

    @property
    def tag(self) -> str:
        """The detector's name, the weights' version and parameters: equal tags mean equal cuts."""
        return f"transnetv2({self.parameters.text})@{self.version}"

    def detect(self, frames: Frames, place: Place) -> Detection:
        """See `Detector`."""
        check(frames)
        last, within = probabilities(self.network, frames, place)
        found = cuts_of(last, within, brightness(frames), place, self.parameters)
        scored = scores_of(last, self.parameters.threshold)[place.segment_rows].astype(np.float32)
        return Detection(joined(found, (), place), scored)
