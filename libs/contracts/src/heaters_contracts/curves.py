"""What each frame of a segment looks and sounds like, one byte a frame and measure: small enough to lie in a fact.

A clip is any span between two cuts, and cuts are edited, so its measures must follow from facts for every span: whoever holds the
segments' curves can measure any of them without reading an object.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Self

from pydantic import Field, model_validator

from heaters_contracts.model import Model

NAMES = ("motion", "brightness", "sharpness", "loudness")
"""In the order in which they are packed; loudness is absent where there is no sound.

- motion: `root` of the mean difference of luma from the frame before, 0..255; 0 for the first frame of the video.
- brightness: mean luma, 0..255.
- sharpness: `root` of the mean absolute Laplacian of luma.
- loudness: the highest peak while the frame is shown, 0..254: twice the sample's magnitude in int8.
"""

_MOST_CHARACTERS = 128 * 1024
_MOST_VALUES = 1 << 18
_MOST_FRAMES = 1 << 24
"""Three days of film: whoever measures a span has a number for each of its frames, however few values there are."""


class Curves(Model):
    """The curves of one segment's frames."""

    frames: Annotated[int, Field(gt=0)]
    step_frames: Annotated[int, Field(ge=1)] = 1
    """Each value is the mean of so many frames; more than 1 only where a segment is so long that its curves would not fit a fact."""
    sound: bool = False
    packed: Annotated[str, Field(max_length=_MOST_CHARACTERS)]
    """The curves one after another, deflated (RFC 1950), in base64."""

    @model_validator(mode="after")
    def _unpacks(self) -> Self:
        unpacked(self)
        return self

    @property
    def values(self) -> int:
        """How many values each curve has."""
        return -(-self.frames // self.step_frames)


@lru_cache(maxsize=128)
def unpacked(curves: Curves) -> tuple[bytes, ...]:
    """The curves in the order of `NAMES`, one byte a value.

    Raises:
        ValueError: they are not as long as they say.
    """
    if curves.frames > _MOST_FRAMES:
        raise ValueError(f"curves of {curves.frames} frames are more than {_MOST_FRAMES}")
    count = curves.values * (4 if curves.sound else 3)
    if count > _MOST_VALUES:
        raise ValueError(f"curves of {count} values are more than {_MOST_VALUES}")
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(curves.packed, validate=True), count + 1)
    except (binascii.Error, zlib.error) as problem:
        raise ValueError(f"the curves do not unpack: {problem}") from problem
    if len(data) != count:
        raise ValueError(f"curves of {count} values were promised, {len(data)} or more are there")
    return tuple(data[at : at + curves.values] for at in range(0, count, curves.values))


def pack(frames: int, curves: Sequence[bytes]) -> Curves:
    """Pack curves, in the order of `NAMES`; without the last one where there is no sound.

    Args:
        frames: of the segment.
        curves: each one byte a frame.

    Raises:
        ValueError: a curve is not so long.
    """
    if len(curves) not in (3, 4) or {len(curve) for curve in curves} != {frames}:
        raise ValueError(f"3 or 4 curves of {frames} values are needed, not {[len(curve) for curve in curves]}")
    step = 1
    while True:
        coarse = [_means(curve, step) for curve in curves]
        packed = base64.b64encode(zlib.compress(b"".join(coarse), 6)).decode()
        if len(packed) <= _MOST_CHARACTERS and sum(map(len, coarse)) <= _MOST_VALUES:
            return Curves(frames=frames, step_frames=step, sound=len(curves) == 4, packed=packed)
        step *= 2


def root(value: float) -> int:
    """A measure of 0..255 as the curves hold it: 16 times its square root, so that small values stay apart."""
    return min(255, round(16 * math.sqrt(max(0.0, value))))


def _means(curve: bytes, step: int) -> bytes:
    if step == 1:
        return curve
    return bytes(round(sum(part) / len(part)) for part in (curve[n : n + step] for n in range(0, len(curve), step)))
