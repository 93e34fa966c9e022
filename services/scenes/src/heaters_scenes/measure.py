"""What the frames of a tiny array look like, as numbers: the only module that imports PySceneDetect.

A number depends on its frame and the one before alone, and arrays are walked through in pieces, so that an hour needs no more memory
than a minute.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scenedetect import ContentDetector, FrameTimecode, StatsManager

from heaters_scenes.core import TINY_SHAPE, Floats
from heaters_scenes.errors import UnusableTiny

Frames = npt.NDArray[np.uint8]

_PIECE = 512
_ROWS, _COLUMNS, _ = TINY_SHAPE
_PIXELS = _ROWS * _COLUMNS
_NO_EDGES = ContentDetector.Components(1.0, 1.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Changes:
    """How each frame differs from the one before; 0 for the first.

    Attributes:
        hue: mean absolute difference of hue, 0..180.
        saturation: of saturation, 0..255.
        luma: of value, 0..255.
    """

    hue: Floats
    saturation: Floats
    luma: Floats


def check(frames: Frames) -> None:
    """Refuse what is no tiny array.

    Raises:
        UnusableTiny: shows its shape and kind of number.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != TINY_SHAPE:
        raise UnusableTiny(f"frames must be uint8 of shape (n, 27, 48, 3), not {frames.dtype} of {frames.shape}")


class _Changes(StatsManager):  # type: ignore[misc]  # the package is not typed
    """Keeps what `ContentDetector` measures, in order; its own table is keyed by timecode, and looks each up."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[float, float, float]] = []

    def set_metrics(self, timecode: FrameTimecode, metric_kv_map: Mapping[str, float]) -> None:
        """Take the numbers of one frame."""
        self.found.append((metric_kv_map["delta_hue"], metric_kv_map["delta_sat"], metric_kv_map["delta_lum"]))


class _Colours(ContentDetector):  # type: ignore[misc]  # the package is not typed
    """`ContentDetector` without edges: they have no weight here, and to find them takes three times as long as all else."""

    def _detect_edges(self, lum: Frames) -> None:
        return None


def changes(frames: Frames) -> Changes:
    """The components of PySceneDetect's content value, from its own `ContentDetector`."""
    detector, kept = _Colours(weights=_NO_EDGES), _Changes()
    detector.stats_manager = kept
    time = FrameTimecode(
        0, fps=25.0
    )  # of no consequence: only the numbers are kept, and each depends on two frames alone
    for frame in frames:
        detector.process_frame(time, frame[..., ::-1])  # it reads BGR
    found = np.zeros((len(frames), 3))
    found[1:] = np.reshape(kept.found, (-1, 3))
    return Changes(found[:, 0], found[:, 1], found[:, 2])


def brightness(frames: Frames) -> Floats:
    """Mean over pixels and channels, 0..255, one a frame."""
    return _by_piece(frames, lambda piece: piece.reshape(len(piece), -1).mean(axis=1, dtype=np.float64))


def luma_changes(frames: Frames) -> Floats:
    """Mean absolute difference of luma (BT.601) from the frame before, 0..255, one a frame; 0 for the first."""
    found = np.zeros(len(frames))
    for start, piece in _pieces(frames):
        grey = _grey(piece).reshape(len(piece), _PIXELS)
        found[start + 1 : start + len(piece)] = cv2.absdiff(grey[1:], grey[:-1]).mean(axis=1) if len(piece) > 1 else 0
    return found


def sharpness(frames: Frames) -> Floats:
    """Mean absolute Laplacian of luma, one a frame: 0 is flat."""

    def of_piece(piece: Frames) -> Floats:
        grey = _grey(piece).reshape(-1, _ROWS, _COLUMNS).astype(np.int16)
        inner = grey[:, 1:-1, 1:-1]
        around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        return np.asarray(np.abs(4 * inner - around).mean(axis=(1, 2)), np.float64)

    return _by_piece(frames, of_piece)


def luma(frames: Frames) -> Floats:
    """Mean luma (BT.601), 0..255, one a frame."""
    return _by_piece(frames, lambda piece: _grey(piece).reshape(len(piece), -1).mean(axis=1, dtype=np.float64))


def distance(frames: Frames, one: int, other: int) -> float:
    """Mean absolute difference of two frames over pixels and channels, 0..255."""
    return float(cv2.absdiff(frames[one], frames[other]).mean())


def _grey(piece: Frames) -> Frames:
    return np.asarray(cv2.cvtColor(piece.reshape(-1, _COLUMNS, 3), cv2.COLOR_RGB2GRAY), np.uint8)


def _pieces(frames: Frames) -> Iterator[tuple[int, Frames]]:
    """Pieces that overlap by one frame, so that each has the frame before its own."""
    for start in range(0, max(1, len(frames) - 1), _PIECE):
        yield start, np.ascontiguousarray(frames[start : start + _PIECE + 1])


def _by_piece(frames: Frames, of_piece: Callable[[Frames], Floats]) -> Floats:
    return np.concatenate([of_piece(frames[start : start + _PIECE]) for start in range(0, len(frames), _PIECE)])


def lumas(frames: Frames) -> Frames:
    """Luma (BT.601) of each frame as one row of pixels: uint8, (n, 1296)."""
    return _grey(np.ascontiguousarray(frames)).reshape(len(frames), _PIXELS)
