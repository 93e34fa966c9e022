"""Places in a video. Time is a frame index, or integer ticks with a time base; never float seconds."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from heaters_contracts.model import Model

Frame = Annotated[int, Field(ge=0, description="0-based index of a frame of the whole video")]
TimeBase = Annotated[
    tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]],
    Field(description="seconds a tick, as [numerator, denominator]"),
]


class Span(Model):
    """Frames [start, end) of a video; never empty."""

    start: Frame
    end: Frame

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"a span is never empty: [{self.start}, {self.end})")
        return self

    @property
    def frames(self) -> int:
        """Length in frames; at least 1."""
        return self.end - self.start


class Segment(Model):
    """A piece of a video that is worked on by itself: frames [first_frame, first_frame + frames).

    Its pictures are those whose pts lie in [start_ticks, end_ticks) of the source's time base.
    """

    index: Annotated[int, Field(ge=0)]
    first_frame: Frame
    frames: Annotated[int, Field(gt=0)]
    start_ticks: int
    end_ticks: int

    @property
    def span(self) -> Span:
        """The segment's frames, as a span of the whole video."""
        return Span(start=self.first_frame, end=self.first_frame + self.frames)


def tile(cuts: Sequence[int], *, frames: int) -> list[Span]:
    """Divide a video into clips at its cuts.

    Args:
        cuts: frame indices, strictly increasing, each in (0, frames).
        frames: length of the video, in frames; at least 1.

    Returns:
        Spans that tile [0, frames): in order, no gap, no overlap, never empty.

    Raises:
        ValueError: a cut outside the video, or cuts out of order.
    """
    edges = [0, *cuts, frames]
    if any(a >= b for a, b in pairwise(edges)):
        raise ValueError(f"cuts must be strictly increasing inside (0, {frames}): {list(cuts)[:20]}")
    return [Span(start=a, end=b) for a, b in pairwise(edges)]
