"""How finished segments become clips."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

from heaters_contracts.facts.segment import Cut
from heaters_contracts.spans import Span

from heaters_review_api.core.tables import Segment

SAME_CUT_FRAMES = 6
"""Another detection may see a cut some frames earlier or later; so near to where a person has put or left one, it is the same."""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames from `first` to `last`, both among them."""

    first: float
    last: float

    def __contains__(self, frame: object) -> bool:
        """Whether a frame lies in it."""
        return isinstance(frame, int) and self.first <= frame <= self.last

    def touches(self, start: int, end: int) -> bool:
        """Whether frames [start, end) lie in it, or end where it begins, or begin where it ends."""
        return start <= self.last and self.first <= end

    def wider(self) -> "Window":
        """With the frames to both sides in which a detected cut may be the same as one in it."""
        return Window(self.first - SAME_CUT_FRAMES, self.last + SAME_CUT_FRAMES)


EVERYWHERE = Window(-inf, inf)


def runs(segments: Mapping[int, Segment]) -> list[list[Segment]]:
    """The finished segments, in runs of consecutive indices. A segment is finished when its scenes are detected."""
    found: list[list[Segment]] = []
    for index in sorted(i for i, s in segments.items() if s.detected_at is not None):
        if found and found[-1][-1].index == index - 1:
            found[-1].append(segments[index])
        else:
            found.append([segments[index]])
    return found


@dataclass(frozen=True, slots=True)
class Touch:
    """What a person said of the frames [start, end): both ends are boundaries, and inside there are these cuts and no others."""

    start: int
    end: int
    cuts: tuple[Cut, ...] = ()
    by: str | None = None
    """Who set these cuts; None where the person only decided on the clip as it was."""
    confirms: bool = False
    """Only says that its cuts stand; what else is inside stays as it is."""
    sequence: int = 0
    """When it was said."""

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The frames that the person wanted to be, or left, the boundaries of clips."""
        return (*(() if self.confirms else (self.start, self.end)), *(cut.frame for cut in self.cuts))


class Standing(NamedTuple):
    """A cut that stands, and who says so beside the detector."""

    cut: Cut
    by: str | None = None


def standing_cuts(segments: Iterable[Segment], touches: Iterable[Touch], frames: int | None) -> dict[int, Standing]:
    """The cuts that stand, by frame: those detected, and over them what people said, one after another.

    Args:
        segments: finished segments.
        touches: in the order of their facts. Inside a touch no detected cut stands but those that it names; its ends stand, detected
            or not, until a later touch has them inside of it.
        frames: length of the video, if it is known. Its first frame and its end are no cuts.

    Returns:
        The cuts in order.
    """
    touches = list(touches)
    standing = {cut.frame: Standing(cut) for segment in segments for cut in _detected(segment, touches)}
    order = sorted(standing)
    for touch in touches:
        if not touch.confirms:
            inside = slice(bisect_right(order, touch.start), bisect_left(order, touch.end))
            for frame in order[inside]:
                del standing[frame]
            del order[inside]
            for edge in (touch.start, touch.end):
                if edge not in standing and edge != 0 and edge != frames:
                    standing[edge] = Standing(Cut(frame=edge, start=edge, end=edge + 1))
                    insort(order, edge)
        for cut in touch.cuts:
            if cut.frame not in standing:
                insort(order, cut.frame)
            standing[cut.frame] = Standing(cut, touch.by)
    return {frame: standing[frame] for frame in order}


def _detected(segment: Segment, touches: Sequence[Touch]) -> Iterable[Cut]:
    """A segment's cuts, without those that are a person's boundary all over again: told after it, and only some frames from it."""
    told = segment.detected_sequence or 0
    known = {frame for touch in touches if touch.sequence < told for frame in touch.boundaries}
    if not known:
        return segment.cuts
    near = {frame + k for frame in known for k in range(1 - SAME_CUT_FRAMES, SAME_CUT_FRAMES)} - known
    return [cut for cut in segment.cuts if cut.frame not in near]


def open_spans(
    runs: Iterable[list[Segment]], cuts: Collection[int], frames: int | None, window: Window = EVERYWHERE
) -> list[Span]:
    """The clips that may be reviewed: both ends lie in one run of finished segments, so nothing can come between.

    Args:
        runs: of finished segments.
        cuts: frames of the cuts that stand, each in (0, frames).
        frames: length of the video; None until the whole of it was scanned, and then its end is not known.
        window: only clips that touch it are wanted.

    Returns:
        Spans in order, without overlap. Within a run there is no gap; once all segments are finished they tile the video.
    """
    spans: list[Span] = []
    order = sorted(cuts)
    for run in runs:
        first, end = run[0].first_frame, run[-1].end_frame
        if not window.touches(first, end):
            continue
        edges = order[bisect_left(order, first) : bisect_left(order, end)]
        if first == 0:
            edges.insert(0, 0)
        if end == frames:
            edges.append(end)
        before = max(0, bisect_left(edges, window.first) - 1)
        spans += [Span(start=a, end=b) for a, b in pairwise(edges[before : bisect_right(edges, window.last) + 1])]
    return spans
