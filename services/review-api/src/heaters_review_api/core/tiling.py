"""How finished segments become clips."""

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

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


def standing_cuts(segments: Iterable[Segment], kept: Collection[Span], frames: int | None) -> dict[int, Cut]:
    """The cuts that stand, by frame: those detected, except that clips which a person touched stay as they are.

    Args:
        segments: finished segments.
        kept: spans that a person decided on. A cut inside one does not stand; its edges stand, detected or not.
        frames: length of the video, if it is known. Its first frame and its end are no cuts.
    """
    standing = {
        cut.frame: cut
        for segment in segments
        for cut in segment.cuts
        if not any(span.start < cut.frame < span.end for span in kept)
    }
    for edge in {edge for span in kept for edge in (span.start, span.end)} - {0, frames}:
        standing.setdefault(edge, Cut(frame=edge, start=edge, end=edge + 1))
    return dict(sorted(standing.items()))


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
