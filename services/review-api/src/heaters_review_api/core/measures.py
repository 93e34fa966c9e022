"""What a clip looks and sounds like, from the curves of the segments that it lies in."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from heaters_contracts.curves import Curves, root, unpacked
from heaters_contracts.spans import Span

from heaters_review_api.core.tables import Segment

STATIC = root(0.25)
"""A frame that differs less than this from the one before is still: noise of a sensor or of an encoder differs as much."""
BLACK = 16
"""A frame of less mean luma than this is black: broadcast black with some noise."""
SILENCE_DB = -48.0
"""What is quieter than the curves can tell."""

_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one clip; all None where a segment came without curves.

    Attributes:
        motion: mean difference of luma between neighbouring frames of the clip, 0..255; 0 for a clip of one frame.
        static_share: share of its frames that are still, 0..1.
        black_share: share of its frames that are black, 0..1.
        sharpness: mean absolute Laplacian of luma, of the 48x27 picture: 0 is flat.
        brightness: mean luma, 0..255.
        loudness_db: root mean square of its frames' peaks, dB of full scale, not below SILENCE_DB; None without sound.
    """

    motion: float | None = None
    static_share: float | None = None
    black_share: float | None = None
    sharpness: float | None = None
    brightness: float | None = None
    loudness_db: float | None = None


def measured(segments: Iterable[Segment], span: Span) -> Measures:
    """Measure a span.

    Args:
        segments: in order; those that the span does not touch are passed over.
        span: of frames of the whole video.
    """
    parts: list[tuple[_Bytes, ...]] = []
    for segment in segments:
        start, end = max(span.start, segment.first_frame), min(span.end, segment.end_frame)
        if start >= end:
            continue
        if segment.curves is None:
            return Measures()
        parts.append(_rows(segment.curves, start - segment.first_frame, end - segment.first_frame))
    if not parts:
        return Measures()
    motion, brightness, sharpness = (np.concatenate([part[n] for part in parts]) for n in range(3))
    inside = motion[1:]  # the first frame differs from a frame of another clip
    return Measures(
        motion=_mean_of_roots(inside),
        static_share=_rounded(float((inside < STATIC).mean())) if len(inside) else 1.0,
        black_share=_rounded(float((brightness < BLACK).mean())),
        sharpness=_mean_of_roots(sharpness),
        brightness=_rounded(float(brightness.mean())),
        loudness_db=_level([part[3] for part in parts]) if all(len(part) == 4 for part in parts) else None,
    )


def _rows(curves: Curves, start: int, end: int) -> tuple[_Bytes, ...]:
    """Frames [start, end) of a segment, of each curve."""
    frames = np.arange(start, end) // curves.step_frames
    return tuple(np.frombuffer(curve, np.uint8)[frames] for curve in unpacked(curves))


def _mean_of_roots(values: _Bytes) -> float:
    return _rounded(float(((values / 16.0) ** 2).mean())) if len(values) else 0.0


def _level(peaks: list[_Bytes]) -> float:
    share = math.sqrt(float(((np.concatenate(peaks) / 254.0) ** 2).mean()))
    return _rounded(max(SILENCE_DB, 20 * math.log10(share))) if share > 0 else SILENCE_DB


def _rounded(value: float) -> float:
    """As much as the curves can tell; so that every machine writes the same row."""
    return round(value, 4)
