"""Where ticks and samples meet. Pure."""

from __future__ import annotations

from fractions import Fraction
from math import ceil


def first_sample(ticks: int, time_base: Fraction, rate: int) -> int:
    """The first sample that does not begin before a tick. Sample 0 is tick 0."""
    return ceil(ticks * time_base * rate)
