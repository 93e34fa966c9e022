"""Which frames of a segment are cuts: decisions over per-frame numbers, and nothing else.

Every rule here is *local*: what it says about a frame depends on at most `CONTEXT_FRAMES` frames to either side. That is why a
film that is divided into segments, each with that much context, has the same cuts as the film in one piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["hard", "fade"]
Floats = npt.NDArray[np.float64]

CONTEXT_FRAMES = 100
"""How many frames a segment's tiny array holds on each side of it, unless the film ends there."""

TINY_SHAPE = (27, 48, 3)
"""Rows, columns and channels (RGB) of one frame of a tiny array, in px."""


class UnusableTiny(ValueError):
    """The tiny array is not what detection needs: its shape, its kind of number, or its context is wrong."""


class InvalidParameters(ValueError):
    """The detector's parameters contradict each other, or would need more context than a segment has."""


@dataclass(frozen=True)
class AdaptiveParameters:
    """The adaptive detector's settings.

    The defaults were chosen on labelled short films from the middle of a plateau, and checked against long shots of fixed
    cameras; `weight_saturation` is halved because the saturation of dark and grey pixels is mostly noise.

    Attributes:
        ratio: how many times the mean change around a frame its own change must be (PySceneDetect's adaptive_threshold).
        window_frames: frames on each side over which that mean is taken (PySceneDetect's window_width).
        content: the least change from the frame before, 0..255 (PySceneDetect's min_content_val).
        weight_hue: weight of the hue's mean difference in the change.
        weight_saturation: weight of the saturation's.
        weight_luma: weight of the brightness's.
        distance_frames: of several candidates that lie this near to each other, the strongest is the cut.
        dark: a frame whose mean over pixels and channels, 0..255, is below this is dark (PySceneDetect's ThresholdDetector).
        fade_frames_min: a run of fewer dark frames is no fade.
        fade_frames_max: a run of more dark frames is a dark passage of the film and no fade.
    """

    ratio: float = 3.0
    window_frames: int = 2
    content: float = 26.0
    weight_hue: float = 1.0
    weight_saturation: float = 0.5
    weight_luma: float = 1.0
    distance_frames: int = 10
    dark: float = 12.0
    fade_frames_min: int = 2
    fade_frames_max: int = CONTEXT_FRAMES - 1

    def __post_init__(self) -> None:
        """Refuse what could not be local.

        Raises:
            InvalidParameters: names the setting and shows its value.
        """
        if self.ratio <= 0 or self.content <= 0:
            raise InvalidParameters(f"ratio and content must be above 0: {self.ratio}, {self.content}")
        if min(self.weight_hue, self.weight_saturation, self.weight_luma) < 0 or self._weights == 0:
            raise InvalidParameters("the weights must not be negative, and not all 0")
        if self.window_frames < 1 or self.distance_frames < 1:
            raise InvalidParameters(
                f"window_frames and distance_frames must be at least 1: {self.window_frames}, {self.distance_frames}"
            )
        if self.distance_frames + self.window_frames + 1 > CONTEXT_FRAMES:
            raise InvalidParameters(
                f"distance_frames + window_frames + 1 must fit into {CONTEXT_FRAMES} frames of context: "
                f"{self.distance_frames} + {self.window_frames} + 1"
            )
        if not 1 <= self.fade_frames_min <= self.fade_frames_max < CONTEXT_FRAMES:
            raise InvalidParameters(
                f"1 <= fade_frames_min <= fade_frames_max < {CONTEXT_FRAMES} must hold: "
                f"{self.fade_frames_min}, {self.fade_frames_max}"
            )

    @property
    def _weights(self) -> float:
        return self.weight_hue + self.weight_saturation + self.weight_luma

    @property
    def text(self) -> str:
        """The settings as a short, stable string: equal parameters and only they have equal texts."""
        weights = f"{self.weight_hue:g}:{self.weight_saturation:g}:{self.weight_luma:g}"
        fades = f"{self.fade_frames_min}-{self.fade_frames_max}<{self.dark:g}"
        return (
            f"ratio={self.ratio:g},window={self.window_frames},content={self.content:g},weights={weights},"
            f"distance={self.distance_frames},fade={fades}"
        )


@dataclass(frozen=True)
class FoundCut:
    """One cut, in frames of the whole video.

    Attributes:
        frame: the first frame of the new shot; for a fade the middle of the darkness.
        kind: how the shots meet.
        start_frame: first frame of the transition.
        end_frame: the frame after its last; a hard cut's extent is `[frame, frame + 1)`.
        confidence: how sure the detector is, 0..1.
    """

    frame: int
    kind: Kind
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True)
class Detection:
    """What a detector says about one segment.

    Attributes:
        cuts: in order of their frames, each inside the segment, never frame 0.
        scores: float32, one a frame of the segment: `score`. A cut needs at least 1; another threshold needs no new detection.
    """

    cuts: tuple[FoundCut, ...]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Where an array's rows lie in the film, and which of them are the segment.

    Attributes:
        first_frame: whole-video index of row 0.
        rows: how many rows there are.
        segment_first: whole-video index of the segment's first frame.
        segment_frames: how many frames the segment has.
        total_frames: how many frames the film has.
    """

    first_frame: int
    rows: int
    segment_first: int
    segment_frames: int
    total_frames: int

    def __post_init__(self) -> None:
        """Refuse an array that is not the segment with its full context, clipped at the film's ends.

        Raises:
            UnusableTiny: shows the span that is needed and the one that is there.
        """
        end = self.segment_first + self.segment_frames
        if not (self.segment_frames >= 1 and self.segment_first >= 0 and end <= self.total_frames):
            raise UnusableTiny(f"segment [{self.segment_first}, {end}) does not lie in a film of {self.total_frames}")
        have = (self.first_frame, self.first_frame + self.rows)
        need = (max(0, self.segment_first - CONTEXT_FRAMES), min(self.total_frames, end + CONTEXT_FRAMES))
        if not (0 <= have[0] <= need[0] and need[1] <= have[1] <= self.total_frames):
            raise UnusableTiny(f"segment [{self.segment_first}, {end}) needs frames {need} but the array holds {have}")

    @property
    def segment_rows(self) -> slice:
        """The rows that are the segment's own."""
        start = self.segment_first - self.first_frame
        return slice(start, start + self.segment_frames)

    def owns(self, frame: int) -> bool:
        """Whether a cut at this frame is this segment's to tell: it lies in the segment, and is not the film's beginning."""
        return frame != 0 and self.segment_first <= frame < self.segment_first + self.segment_frames


def score(ratio: Floats, content: Floats, parameters: AdaptiveParameters) -> Floats:
    """How far each frame is above both thresholds: 1 is just a candidate, 2 is twice what is asked.

    Args:
        ratio: each frame's change over the mean change around it.
        content: each frame's change from the frame before, 0..255.
        parameters: the thresholds.

    Returns:
        The lesser of both measures, each in units of its threshold.
    """
    return np.minimum(ratio / parameters.ratio, content / parameters.content)


def strongest(scores: Floats, *, at_least: float, distance: int) -> list[int]:
    """The local maxima: rows that no row within `distance` beats, of equal ones the earliest.

    Args:
        scores: one a row.
        at_least: rows below this are no candidates.
        distance: how far a candidate looks to either side, in rows; at least 1.

    Returns:
        Rows, strictly increasing, more than `distance` apart.
    """
    kept = []
    for row in np.flatnonzero(scores >= at_least):
        before = scores[max(0, row - distance) : row]
        after = scores[row + 1 : row + 1 + distance]
        if (before < scores[row]).all() and (after <= scores[row]).all():
            kept.append(int(row))
    return kept


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The maximal runs of true values as half-open spans of rows, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def fades(brightness: Floats, place: Place, parameters: AdaptiveParameters) -> list[FoundCut]:
    """The fades through black that lie wholly inside the array.

    A run of dark frames is a fade if it is neither too short nor too long and touches neither end of the film. Its extent is
    the run, its cut the middle, its confidence 0.5 where it is just dark enough and 1 where it is black.

    Args:
        brightness: mean over pixels and channels, one a row, 0..255.
        place: where the rows lie.
        parameters: what is dark, and how long a fade is.

    Returns:
        Fades in order; also those whose cut is another segment's.
    """
    found = []
    for start, end in runs(brightness < parameters.dark):
        # A run that reaches the array's edge reaches the film's end, or is too long, or is too far away to matter here.
        if start == 0 or end == place.rows:
            continue
        if not parameters.fade_frames_min <= end - start <= parameters.fade_frames_max:
            continue
        darkest = float(brightness[start:end].min())
        found.append(
            FoundCut(
                frame=place.first_frame + (start + end + 1) // 2,
                kind="fade",
                start_frame=place.first_frame + start,
                end_frame=place.first_frame + end,
                confidence=1.0 - 0.5 * darkest / parameters.dark,
            )
        )
    return found


def confidence(score: float) -> float:
    """How sure a hard cut of this score is: 0.5 at the threshold, rising with the square of the score towards 1."""
    return 1.0 - 0.5 / max(1.0, score) ** 2


def decide(scores: Floats, brightness: Floats, place: Place, parameters: AdaptiveParameters) -> tuple[FoundCut, ...]:
    """The cuts of one segment.

    Hard cuts are the local maxima of the score. A fade replaces the hard cuts inside it and at its edges: on its first dark
    frame and on the first bright one after it. A cut belongs to the segment that its frame lies in.

    Args:
        scores: `score`, one a row.
        brightness: mean over pixels and channels, one a row, 0..255.
        place: where the rows lie, and which are the segment's.
        parameters: the detector's settings.

    Returns:
        The segment's own cuts, frames strictly increasing.
    """
    dark = fades(brightness, place, parameters)
    hard = [
        FoundCut(
            frame=place.first_frame + row,
            kind="hard",
            start_frame=place.first_frame + row,
            end_frame=place.first_frame + row + 1,
            confidence=confidence(float(scores[row])),
        )
        for row in strongest(scores, at_least=1.0, distance=parameters.distance_frames)
    ]
    bare = [cut for cut in hard if not _replaced(cut, dark)]
    return tuple(cut for cut in sorted([*bare, *dark], key=lambda cut: cut.frame) if place.owns(cut.frame))


def _replaced(cut: FoundCut, by: Sequence[FoundCut]) -> bool:
    return any(fade.start_frame <= cut.frame <= fade.end_frame for fade in by)
