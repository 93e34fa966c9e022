"""Decisions of the preprocessor. Pure."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar


class Piece(Protocol):
    """A segment, as far as counting goes."""

    @property
    def first_frame(self) -> int:
        """Index of its first frame."""

    @property
    def frames(self) -> int:
        """How many."""


P = TypeVar("P", bound=Piece)


def with_frames_known(pieces: Iterable[P], *, context_frames: int) -> Iterator[tuple[P, int]]:
    """Hold each segment back until the scan has counted more frames beyond it than its context needs.

    So whoever works on it knows where the video ends, if it ends that near. The number depends on the segments alone, so a
    plan that is made again says the same.

    Args:
        pieces: the segments of a video, in order, tiling it.
        context_frames: how far a segment's context goes beyond its end.

    Yields:
        Each segment, and how many frames of the whole video were counted when it was let go; at most context_frames beyond
        its end only if the video ends there.
    """
    waiting: list[P] = []
    counted = 0
    for piece in pieces:
        waiting.append(piece)
        counted = piece.first_frame + piece.frames
        while waiting and counted - (waiting[0].first_frame + waiting[0].frames) > context_frames:
            yield waiting.pop(0), counted
    for piece in waiting:
        yield piece, counted
