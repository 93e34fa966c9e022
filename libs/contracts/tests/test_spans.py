"""Places in a video: half-open, never empty, in order."""

from itertools import pairwise

import pytest
from heaters_contracts.facts.segment import Cut, SegmentScenesDetected
from heaters_contracts.spans import Segment, Span, tile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


@st.composite
def divided_videos(draw: st.DrawFn) -> tuple[int, list[int]]:
    frames = draw(st.integers(1, 500_000))
    cuts = draw(st.sets(st.integers(1, frames - 1), max_size=40)) if frames > 1 else set()
    return frames, sorted(cuts)


@given(divided_videos())
def test_clips_tile_the_video(video: tuple[int, list[int]]) -> None:
    frames, cuts = video

    clips = tile(cuts, frames=frames)

    assert clips[0].start == 0
    assert clips[-1].end == frames
    assert all(a.end == b.start for a, b in pairwise(clips))
    assert all(clip.frames >= 1 for clip in clips)
    assert len(clips) == len(cuts) + 1


@pytest.mark.parametrize(
    ("cuts", "frames", "spans"),
    [
        ([], 1, [(0, 1)]),
        ([], 275, [(0, 275)]),
        ([1], 2, [(0, 1), (1, 2)]),
        ([30, 76, 137, 187, 242], 275, [(0, 30), (30, 76), (76, 137), (137, 187), (187, 242), (242, 275)]),
    ],
)
def test_clips_lie_between_the_cuts(cuts: list[int], frames: int, spans: list[tuple[int, int]]) -> None:
    assert [(clip.start, clip.end) for clip in tile(cuts, frames=frames)] == spans


@pytest.mark.parametrize(
    ("cuts", "frames"), [([0], 10), ([10], 10), ([11], 10), ([-1], 10), ([3, 3], 10), ([5, 4], 10), ([], 0), ([], -1)]
)
def test_a_cut_outside_the_video_or_out_of_order_is_refused_with_its_values(cuts: list[int], frames: int) -> None:
    with pytest.raises(ValueError, match=rf"inside \(0, {frames}\): \[") as refused:
        tile(cuts, frames=frames)

    assert str(cuts) in str(refused.value)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (6, 5), (-1, 4)])
def test_a_span_is_never_empty_and_never_before_the_video(start: int, end: int) -> None:
    with pytest.raises(ValidationError):
        Span(start=start, end=end)


def test_a_span_is_half_open() -> None:
    assert Span(start=30, end=76).frames == 46
    assert Segment(index=2, first_frame=125, frames=1375, start_ticks=0, end_ticks=9).span == Span(start=125, end=1500)


@pytest.mark.parametrize(
    ("frame", "start", "end"),
    [(10, 10, 11), (10, 0, 11), (10, 8, 20), (1, 0, 2)],
)
def test_a_cut_lies_inside_its_extent(frame: int, start: int, end: int) -> None:
    assert Cut(frame=frame, start=start, end=end).frame == frame


@pytest.mark.parametrize(
    ("frame", "start", "end", "confidence"),
    [(10, 11, 12, 1.0), (10, 9, 10, 1.0), (0, 0, 1, 1.0), (10, 10, 11, 1.5), (10, 10, 11, -0.1), (10, -1, 11, 1.0)],
)
def test_a_cut_outside_its_extent_or_at_frame_0_is_refused(frame: int, start: int, end: int, confidence: float) -> None:
    with pytest.raises(ValidationError):
        Cut(frame=frame, start=start, end=end, confidence=confidence)


def hard(frame: int) -> Cut:
    return Cut(frame=frame, start=frame, end=frame + 1)


SECOND = Segment(index=1, first_frame=100, frames=50, start_ticks=0, end_ticks=1)


@given(st.sets(st.integers(100, 149), max_size=20))
def test_cuts_in_order_inside_their_segment_are_taken(frames: set[int]) -> None:
    cuts = tuple(hard(frame) for frame in sorted(frames))

    fact = SegmentScenesDetected(segment=SECOND, detector="adaptive", cuts=cuts)

    assert [cut.frame for cut in fact.cuts] == sorted(frames)


@pytest.mark.parametrize("frames", [(99,), (150,), (120, 110), (120, 120), (110, 120, 150)])
def test_cuts_out_of_order_or_outside_their_segment_are_refused(frames: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match=r"strictly increasing inside \[100, 150\)"):
        SegmentScenesDetected(segment=SECOND, detector="adaptive", cuts=tuple(map(hard, frames)))
