"""How loud a segment is, for drawing: the lowest and highest sample of every 20 ms. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heaters_media.columns import ints, raw, reading_columns, save_columns
from heaters_media.errors import BadLedger

BUCKETS_PER_S = 50


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Peaks of one segment's sound.

    Buckets lie on one grid for the whole video: bucket n holds samples [n, n + 1) * bucket_samples, whichever segment made it,
    and belongs to the segment in which it begins, so that waveforms of neighbouring segments join.

    Attributes:
        rate: samples a second; sample 0 is tick 0 of the video.
        bucket_samples: samples a bucket.
        first_bucket: number of the first one here.
        low: int8, the lowest sample of each bucket, of any channel; -127 is full scale.
        high: int8, the highest.
    """

    rate: int
    bucket_samples: int
    first_bucket: int
    low: NDArray[np.int8]
    high: NDArray[np.int8]

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.bucket_samples <= 0:
            raise BadLedger(f"{self.bucket_samples} samples a bucket at {self.rate} a second cannot be")
        if self.low.dtype != np.int8 or self.high.dtype != np.int8 or self.low.shape != self.high.shape:
            raise BadLedger(f"peaks are two columns of int8, not {self.low.dtype} and {self.high.dtype}")

    def save(self, path: Path) -> None:
        """Write the peaks as a compact .npz."""
        numbers = np.array([self.rate, self.bucket_samples, self.first_bucket], np.int64)
        save_columns(path, numbers=numbers, low=self.low.view(np.uint8), high=self.high.view(np.uint8))

    @classmethod
    def load(cls, source: Path | bytes) -> Self:
        """Read and check a waveform.

        Raises:
            BadLedger: not a waveform, or one whose numbers contradict each other.
        """
        with reading_columns(source) as arrays:
            numbers = ints(arrays, "numbers")
            if len(numbers) != 3:
                raise BadLedger("not a waveform: its three numbers are missing")
            rate, bucket_samples, first_bucket = (int(n) for n in numbers)
            low, high = raw(arrays, "low").view(np.int8), raw(arrays, "high").view(np.int8)
            return cls(rate, bucket_samples, first_bucket, low, high)


def loudest(parts: Sequence[Waveform], stretches: Sequence[tuple[int, int]], time_base: Fraction) -> list[int | None]:
    """How loud a video is in each of some stretches.

    Args:
        parts: waveforms of any of its segments, in any order.
        stretches: [first tick, past the last), not empty.
        time_base: seconds a tick.

    Returns:
        The loudest of the buckets that each stretch touches, 0 to 127 (full scale); None where no part has a bucket of it.
    """
    found: list[int | None] = [None] * len(stretches)
    for part in parts:
        # int16: -128 has no opposite in int8.
        loud = np.maximum(np.abs(part.low.astype(np.int16)), np.abs(part.high.astype(np.int16)))
        a_bucket = Fraction(part.bucket_samples, part.rate) / time_base  # in ticks
        for n, (low, high) in enumerate(stretches):
            begin = max(0, low * a_bucket.denominator // a_bucket.numerator - part.first_bucket)
            past = min(len(loud), -(-high * a_bucket.denominator // a_bucket.numerator) - part.first_bucket)
            if past > begin:
                found[n] = max(found[n] or 0, min(127, int(loud[begin:past].max())))
    return found
