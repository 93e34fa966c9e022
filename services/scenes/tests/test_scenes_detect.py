from itertools import pairwise

import numpy as np
import pytest
from heaters_scenes.core import CONTEXT_FRAMES, AdaptiveParameters, UnusableTiny
from heaters_scenes.detect import detect, tag
from hypothesis import given, settings
from hypothesis import strategies as st

SETTINGS = AdaptiveParameters()


def film(*shots: tuple[tuple[int, int, int], int]) -> np.ndarray:
    """A film of shots, each a colour and a length in frames, over one and the same moving noise."""
    noise = np.random.default_rng(7)
    rows = [
        np.clip(np.array(colour) + noise.integers(-6, 7, (27, 48, 3)), 0, 255)
        for colour, frames in shots
        for _ in range(frames)
    ]
    return np.array(rows, dtype=np.uint8)


def in_segments(frames: np.ndarray, edges: list[int]) -> tuple[list, np.ndarray]:
    """The cuts and scores of a film that is divided at these edges, each segment with its context."""
    cuts, scores = [], []
    for start, end in pairwise([0, *edges, len(frames)]):
        first = max(0, start - CONTEXT_FRAMES)
        detection = detect(
            frames[first : end + CONTEXT_FRAMES],
            first_frame=first,
            segment_first=start,
            segment_frames=end - start,
            total_frames=len(frames),
            parameters=SETTINGS,
        )
        cuts += detection.cuts
        scores.append(detection.scores)
    return cuts, np.concatenate(scores)


TAN, GREEN, GREY, BLACK = (180, 110, 40), (40, 160, 60), (128, 128, 128), (0, 0, 0)


def test_a_change_of_picture_is_a_hard_cut_at_the_first_new_frame():
    cuts, scores = in_segments(film((TAN, 30), (GREEN, 40), (GREY, 30)), [])

    assert [(cut.frame, cut.kind, cut.start_frame, cut.end_frame) for cut in cuts] == [
        (30, "hard", 30, 31),
        (70, "hard", 70, 71),
    ]
    assert scores.dtype == np.float32
    assert scores.shape == (100,)
    assert np.flatnonzero(scores >= 1).tolist() == [30, 70]


def test_black_between_two_shots_is_one_fade_and_black_at_the_ends_is_none():
    cuts, _ = in_segments(film((BLACK, 20), (TAN, 30), (BLACK, 11), (GREEN, 40), (BLACK, 20)), [])

    assert [(cut.frame, cut.kind, cut.start_frame, cut.end_frame) for cut in cuts if cut.kind == "fade"] == [
        (56, "fade", 50, 61)
    ]
    assert [cut.frame for cut in cuts if cut.kind == "hard"] == [20, 101]


def test_a_segment_of_one_frame_is_a_segment():
    cuts, scores = in_segments(film((TAN, 30), (GREEN, 30)), [30, 31])

    assert [cut.frame for cut in cuts] == [30]
    assert len(scores) == 60


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_cuts_and_scores_are_the_same_for_every_division_into_segments(data):
    shot = st.tuples(
        st.sampled_from([TAN, GREEN, GREY, BLACK, (11, 11, 11), (13, 13, 13), (90, 60, 140)]),
        st.one_of(st.integers(1, 12), st.integers(90, 110), st.integers(13, 60)),
    )
    frames = film(*data.draw(st.lists(shot, min_size=2, max_size=10)))
    edges = sorted(data.draw(st.sets(st.integers(1, max(1, len(frames) - 1)), max_size=5)) - {len(frames)})

    divided_cuts, divided_scores = in_segments(frames, edges)

    cuts, scores = in_segments(frames, [])
    assert divided_cuts == cuts
    assert np.array_equal(divided_scores, scores)


@pytest.mark.parametrize("frames", [np.zeros((9, 27, 48), np.uint8), np.zeros((9, 27, 48, 3), np.float32)])
def test_another_shape_or_kind_of_number_is_refused(frames):
    with pytest.raises(UnusableTiny):
        detect(frames, first_frame=0, segment_first=0, segment_frames=9, total_frames=9, parameters=SETTINGS)


def test_the_tag_tells_parameters_apart():
    assert tag(SETTINGS) == tag(AdaptiveParameters())
    assert tag(SETTINGS) != tag(AdaptiveParameters(ratio=3.5))
    assert tag(SETTINGS).startswith("adaptive(ratio=3,window=2,content=26,")
