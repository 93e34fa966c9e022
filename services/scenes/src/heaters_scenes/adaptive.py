"""The adaptive detector: PySceneDetect's `AdaptiveDetector` and `ThresholdDetector`, as local rules over whole arrays."""

from dataclasses import dataclass, field, replace

import numpy as np

from heaters_scenes.core import (
    CONTEXT_FRAMES,
    Detection,
    FadeParameters,
    Floats,
    Place,
    confidence,
    fades,
    hard,
    joined,
    strongest,
)
from heaters_scenes.errors import InvalidParameters
from heaters_scenes.measure import Changes, Frames, brightness, changes, check, distance

_RATIO_MOST = 255.0
_STILL = 1e-5


@dataclass(frozen=True, slots=True)
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
        flash_frames: a picture that is back after fewer frames than this was interrupted by a flash, and not cut.
        flash_share: how near it must come, as a share of the change itself; 0 takes every flash for a cut.
        fade: what is a fade.
        strictness: by what ratio and content were multiplied: already in them, kept for whoever compares scores.
    """

    ratio: float = 3.0
    window_frames: int = 2
    content: float = 28.0
    weight_hue: float = 1.0
    weight_saturation: float = 0.5
    weight_luma: float = 1.0
    distance_frames: int = 6
    flash_frames: int = 6
    flash_share: float = 0.35
    fade: FadeParameters = field(default_factory=FadeParameters)
    strictness: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what could not be local.

        Raises:
            InvalidParameters: names the setting and shows its value.
        """
        if self.ratio <= 0 or self.content <= 0:
            raise InvalidParameters(f"ratio and content must be above 0: {self.ratio}, {self.content}")
        if min(self.weight_hue, self.weight_saturation, self.weight_luma) < 0 or self._weights == 0:
            raise InvalidParameters("the weights must not be negative, and not all 0")
        if self.window_frames < 1 or self.distance_frames < 1 or self.flash_frames < 1:
            raise InvalidParameters(
                "window_frames, distance_frames and flash_frames must be at least 1: "
                f"{self.window_frames}, {self.distance_frames}, {self.flash_frames}"
            )
        if not 0 <= self.flash_share < 1:
            raise InvalidParameters(f"flash_share must be in [0, 1): {self.flash_share}")
        if self.distance_frames + self.window_frames + self.flash_frames + 1 > CONTEXT_FRAMES:
            raise InvalidParameters(
                f"distance_frames + window_frames + flash_frames + 1 must fit into {CONTEXT_FRAMES} frames of context: "
                f"{self.distance_frames} + {self.window_frames} + {self.flash_frames} + 1"
            )

    @property
    def _weights(self) -> float:
        return self.weight_hue + self.weight_saturation + self.weight_luma

    def stricter(self, times: float) -> "AdaptiveParameters":
        """The same with both thresholds so many times as high."""
        return replace(self, ratio=self.ratio * times, content=self.content * times, strictness=self.strictness * times)

    @property
    def text(self) -> str:
        """The settings as a short, stable string: equal parameters and only they have equal texts."""
        weights = f"{self.weight_hue:g}:{self.weight_saturation:g}:{self.weight_luma:g}"
        strict = "" if self.strictness == 1 else f"strictness={self.strictness:g},"
        return (
            f"{strict}ratio={self.ratio:g},window={self.window_frames},content={self.content:g},weights={weights},"
            f"distance={self.distance_frames},flash={self.flash_frames}:{self.flash_share:g},fade={self.fade.text}"
        )

    def content_value(self, found: Changes) -> Floats:
        """The weighted mean of the changes: PySceneDetect's content value."""
        weighted = (
            self.weight_hue * found.hue + self.weight_saturation * found.saturation + self.weight_luma * found.luma
        )
        return np.asarray(weighted / self._weights, np.float64)


def adaptive_ratio(content: Floats, *, window_frames: int, content_least: float) -> Floats:
    """Each row's content over the mean of that many rows on both sides: PySceneDetect's adaptive ratio.

    Args:
        content: one a row.
        window_frames: rows on each side, at least 1.
        content_least: where nothing around changes, a row of at least this has the greatest ratio, any other 0.

    Returns:
        0..255, one a row; 0 for the first and last `window_frames`, of which PySceneDetect says nothing.
    """
    found = np.zeros(len(content))
    inside = slice(window_frames, len(content) - window_frames)
    if len(content) <= 2 * window_frames:
        return found
    # Sums of a few neighbours, and not differences of running sums: equal neighbours give equal ratios wherever the array begins.
    around = sum(
        content[window_frames + k : len(content) - window_frames + k]
        for k in range(-window_frames, window_frames + 1)
        if k
    )
    mean = np.asarray(around, np.float64) / (2.0 * window_frames)
    still = np.abs(mean) < _STILL
    own = content[inside]
    found[inside] = np.where(
        still,
        np.where(own >= content_least, _RATIO_MOST, 0.0),
        np.minimum(own / np.where(still, 1.0, mean), _RATIO_MOST),
    )
    return found


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


def is_flash(frames: Frames, row: int, parameters: AdaptiveParameters) -> bool:
    """Whether the change at a row goes back: the picture before it returns soon after, or the one after it was there soon before."""
    change = distance(frames, row - 1, row)
    near = parameters.flash_share * change
    after = range(row + 1, min(len(frames), row + parameters.flash_frames))
    before = range(max(0, row - parameters.flash_frames), row - 1)
    return any(distance(frames, row - 1, other) < near for other in after) or any(
        distance(frames, other, row) < near for other in before
    )


def scores(frames: Frames, parameters: AdaptiveParameters, *, at_least: float = 1.0) -> Floats:
    """The score of each row; of a flash less than 1.

    Args:
        frames: uint8, (n, 27, 48, 3), RGB.
        parameters: the thresholds.
        at_least: only rows of at least this are looked at as flashes, which costs more than all else.
    """
    content = parameters.content_value(changes(frames))
    ratio = adaptive_ratio(content, window_frames=parameters.window_frames, content_least=parameters.content)
    found = score(ratio, content, parameters)
    if parameters.flash_share:
        for row in np.flatnonzero(found >= at_least):
            if is_flash(frames, int(row), parameters):
                found[row] = min(found[row], _FLASH)
    return found


_FLASH = 0.5
"""The score that is left of a flash: it stays in sight, and is no candidate at any threshold that makes sense."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """The adaptive detector."""

    parameters: AdaptiveParameters = field(default_factory=AdaptiveParameters)

    @property
    def tag(self) -> str:
        """The detector's name and parameters: equal tags mean equal cuts."""
        return f"adaptive({self.parameters.text})"

    def detect(self, frames: Frames, place: Place) -> Detection:
        """See `Detector`."""
        check(frames)
        found = scores(frames, self.parameters)
        fading = fades(brightness(frames), place, self.parameters.fade)
        rows = strongest(found, at_least=1.0, distance=self.parameters.distance_frames)
        cuts = joined((hard(place.first_frame + row, confidence(float(found[row]))) for row in rows), fading, place)
        return Detection(cuts, found[place.segment_rows].astype(np.float32))
