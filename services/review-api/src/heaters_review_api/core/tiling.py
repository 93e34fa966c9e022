"""How finished segments become clips."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from heaters_contracts.facts.segment import Cut
from heaters_contracts.spans import Span

from heaters_review_api.core.tables import Segment


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
    standing = {cut.frame: Standing(cut) for segment in segments for cut in segment.cuts}
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


def open_spans(segments: Mapping[int, Segment], cuts: Collection[int], frames: int | None) -> list[Span]:
    """The clips that may be reviewed: both ends lie in one run of finished segments, so nothing can come between.

    Args:
        segments: all segments known so far, by index.
        cuts: frames of the cuts that stand, each in (0, frames).
        frames: length of the video; None until the whole of it was scanned, and then its end is not known.

    Returns:
        Spans in order, without overlap. Within a run there is no gap; once all segments are finished they tile the video.
    """
    spans: list[Span] = []
    for run in runs(segments):
        first, end = run[0].first_frame, run[-1].end_frame
        edges = [frame for frame in sorted(cuts) if first <= frame < end]
        if first == 0:
            edges = [0, *edges]
        if end == frames:
            edges = [*edges, end]
        spans += [Span(start=a, end=b) for a, b in pairwise(edges)]
    return spans
