import numpy as np
import pytest
from heaters_scenes.adaptive import Adaptive, AdaptiveParameters, adaptive_ratio, score
from heaters_scenes.core import Place
from heaters_scenes.errors import InvalidParameters, UnusableTiny
from heaters_scenes.measure import changes
from hypothesis import given, settings
from hypothesis import strategies as st
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, StatsManager

TAN, GREEN, GREY, BLACK, WHITE = (180, 110, 40), (40, 160, 60), (128, 128, 128), (0, 0, 0), (255, 255, 255)


def test_content_and_ratio_are_pyscenedetects_own_numbers(pictures):
    detector = AdaptiveDetector(
        window_width=2, min_content_val=28.0, weights=ContentDetector.Components(1.0, 0.5, 1.0, 0.0)
    )
    detector.stats_manager = StatsManager()
    times = [FrameTimecode(n, 25.0) for n in range(len(pictures))]
    for time, rgb in zip(times, pictures, strict=True):
        detector.process_frame(time, np.ascontiguousarray(rgb[..., ::-1]))
    keys = [
        AdaptiveDetector.ADAPTIVE_RATIO_KEY_TEMPLATE.format(luma_only="", window_width=2),
        ContentDetector.FRAME_SCORE_KEY,
    ]
    theirs = np.array([[v or 0.0 for v in detector.stats_manager.get_metrics(time, keys)] for time in times])

    content = AdaptiveParameters(content=28.0).content_value(changes(pictures))
    ratio = adaptive_ratio(content, window_frames=2, content_least=28.0)

    assert np.abs(content - theirs[:, 1]).max() < 1e-9
    assert np.abs(ratio - theirs[:, 0]).max() < 1e-6


def test_a_score_is_the_lesser_measure_in_units_of_its_threshold():
    parameters = AdaptiveParameters(ratio=3.0, content=20.0)

    scores = score(np.array([6.0, 3.0, 30.0]), np.array([20.0, 40.0, 10.0]), parameters)

    assert scores.tolist() == [1.0, 1.0, 0.5]


def test_a_change_of_picture_is_a_hard_cut_at_the_first_new_frame(film, in_segments):
    cuts, scores = in_segments(Adaptive(), film((TAN, 30), (GREEN, 40), (GREY, 30)), [])

    assert [(cut.frame, cut.kind, cut.start_frame, cut.end_frame) for cut in cuts] == [
        (30, "hard", 30, 31),
        (70, "hard", 70, 71),
    ]
    assert scores.dtype == np.float32
    assert scores.shape == (100,)
    assert np.flatnonzero(scores >= 1).tolist() == [30, 70]


def test_black_between_two_shots_is_one_fade_and_black_at_the_ends_is_none(film, in_segments):
    cuts, _ = in_segments(Adaptive(), film((BLACK, 20), (TAN, 30), (BLACK, 11), (GREEN, 40), (BLACK, 20)), [])

    assert [(cut.frame, cut.kind, cut.start_frame, cut.end_frame) for cut in cuts if cut.kind == "fade"] == [
        (56, "fade", 50, 61)
    ]
    assert [cut.frame for cut in cuts if cut.kind == "hard"] == [20, 101]


@pytest.mark.parametrize("frames", [1, 2, 4])
@pytest.mark.parametrize("colour", [WHITE, GREEN, BLACK])
def test_a_picture_that_is_back_at_once_was_interrupted_by_a_flash_and_not_cut(film, in_segments, colour, frames):
    parameters = AdaptiveParameters()

    cuts, scores = in_segments(Adaptive(parameters), film((TAN, 40), (colour, frames), (TAN, 40)), [])

    assert [cut for cut in cuts if cut.kind == "hard"] == []
    assert scores.max() < 1


def test_two_cuts_that_lie_near_to_each_other_are_both_told(film, in_segments):
    cuts, _ = in_segments(Adaptive(), film((TAN, 40), (GREEN, 8), (GREY, 40)), [])

    assert [cut.frame for cut in cuts] == [40, 48]


def test_a_stricter_detector_needs_so_many_times_as_much(film):
    frames = film((TAN, 30), (GREEN, 30))

    plain, strict = (
        Adaptive(AdaptiveParameters().stricter(times)).detect(frames, Place.whole(60)).scores for times in (1.0, 2.0)
    )

    assert strict[30] == pytest.approx(plain[30] / 2)


def test_a_segment_of_one_frame_is_a_segment(film, in_segments):
    cuts, scores = in_segments(Adaptive(), film((TAN, 30), (GREEN, 30)), [30, 31])

    assert [cut.frame for cut in cuts] == [30]
    assert len(scores) == 60


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_cuts_and_scores_are_the_same_for_every_division_into_segments(film, in_segments, data):
    shot = st.tuples(
        st.sampled_from([TAN, GREEN, GREY, BLACK, (11, 11, 11), (13, 13, 13), (90, 60, 140), WHITE]),
        st.one_of(st.integers(1, 12), st.integers(70, 110), st.integers(13, 60)),
    )
    frames = film(*data.draw(st.lists(shot, min_size=2, max_size=10)))
    edges = sorted(data.draw(st.sets(st.integers(1, max(1, len(frames) - 1)), max_size=5)) - {len(frames)})

    divided_cuts, divided_scores = in_segments(Adaptive(), frames, edges)

    cuts, scores = in_segments(Adaptive(), frames, [])
    assert divided_cuts == cuts
    assert np.array_equal(divided_scores, scores)


@pytest.mark.parametrize("frames", [np.zeros((9, 27, 48), np.uint8), np.zeros((9, 27, 48, 3), np.float32)])
def test_another_shape_or_kind_of_number_is_refused(frames):
    with pytest.raises(UnusableTiny):
        Adaptive().detect(frames, Place.whole(9))


@pytest.mark.parametrize(
    "wrong",
    [
        {"ratio": 0.0},
        {"content": -1.0},
        {"weight_hue": 0.0, "weight_saturation": 0.0, "weight_luma": 0.0},
        {"window_frames": 0},
        {"distance_frames": 92},
        {"flash_share": 1.0},
    ],
)
def test_settings_that_could_not_be_local_are_refused(wrong):
    with pytest.raises(InvalidParameters):
        AdaptiveParameters(**wrong)
