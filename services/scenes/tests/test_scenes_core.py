import numpy as np
import pytest
from heaters_scenes.core import (
    AdaptiveParameters,
    FoundCut,
    InvalidParameters,
    Place,
    UnusableTiny,
    confidence,
    decide,
    fades,
    runs,
    score,
    strongest,
)

SETTINGS = AdaptiveParameters()


def whole(frames: int) -> Place:
    return Place(first_frame=0, rows=frames, segment_first=0, segment_frames=frames, total_frames=frames)


def test_a_score_is_the_lesser_measure_in_units_of_its_threshold():
    settings = AdaptiveParameters(ratio=3.0, content=20.0)

    scores = score(np.array([6.0, 3.0, 30.0]), np.array([20.0, 40.0, 10.0]), settings)

    assert scores.tolist() == [1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("scores", "rows"),
    [
        ([0.0, 1.0, 0.0], [1]),
        ([0.0, 0.9, 0.0], []),
        ([0.0, 2.0, 3.0, 2.0, 0.0], [2]),
        ([0.0, 2.0, 0.0, 0.0, 3.0], [1, 4]),
        ([0.0, 2.0, 0.0, 3.0, 0.0], [3]),
        ([0.0, 2.0, 2.0, 0.0, 0.0], [1]),
        ([3.0, 2.0, 0.0, 1.0, 0.0], [0]),
    ],
)
def test_of_near_candidates_the_strongest_stays_and_of_equals_the_earliest(scores, rows):
    assert strongest(np.array(scores), at_least=1.0, distance=2) == rows


def test_runs_are_maximal_and_half_open():
    assert runs(np.array([True, False, True, True, False, True])) == [(0, 1), (2, 4), (5, 6)]
    assert runs(np.array([False, False])) == []


def test_a_fade_is_the_run_of_dark_frames_and_its_cut_is_the_middle():
    brightness = np.full(60, 90.0)
    brightness[20:30] = 6.0

    assert fades(brightness, whole(60), SETTINGS) == [FoundCut(25, "fade", 20, 30, 0.75)]


@pytest.mark.parametrize(
    ("start", "end", "is_fade"),
    [(0, 20, False), (280, 300, False), (10, 11, False), (10, 12, True), (10, 109, True), (10, 110, False)],
)
def test_darkness_at_an_end_of_the_film_too_short_or_too_long_is_no_fade(start, end, is_fade):
    brightness = np.full(300, 90.0)
    brightness[start:end] = 0.0

    assert bool(fades(brightness, whole(300), SETTINGS)) is is_fade


def test_a_fade_replaces_the_hard_cuts_inside_it_and_at_its_edges_only():
    brightness = np.full(200, 90.0)
    brightness[60:100] = 0.0
    scores = np.zeros(200)
    scores[[40, 60, 80, 100, 120]] = 2.0

    cuts = decide(scores, brightness, whole(200), SETTINGS)

    assert [(cut.frame, cut.kind) for cut in cuts] == [(40, "hard"), (80, "fade"), (120, "hard")]
    assert (cuts[1].start_frame, cuts[1].end_frame) == (60, 100)


def test_a_cut_belongs_to_the_segment_that_its_frame_lies_in_and_frame_zero_to_none():
    place = Place(first_frame=100, rows=250, segment_first=200, segment_frames=50, total_frames=1000)

    assert [place.owns(frame) for frame in (199, 200, 249, 250)] == [False, True, True, False]
    assert not whole(10).owns(0)


def test_confidence_rises_with_the_score():
    assert [confidence(value) for value in (1.0, 2.0, 5.0)] == [0.5, 0.875, 0.98]


@pytest.mark.parametrize(
    "place",
    [
        {"first_frame": 101, "rows": 249, "segment_first": 200, "segment_frames": 50, "total_frames": 1000},
        {"first_frame": 100, "rows": 249, "segment_first": 200, "segment_frames": 50, "total_frames": 1000},
        {"first_frame": 0, "rows": 50, "segment_first": 0, "segment_frames": 50, "total_frames": 51},
        {"first_frame": 0, "rows": 50, "segment_first": 0, "segment_frames": 51, "total_frames": 50},
        {"first_frame": 0, "rows": 50, "segment_first": 0, "segment_frames": 0, "total_frames": 50},
    ],
)
def test_an_array_without_its_context_is_refused(place):
    with pytest.raises(UnusableTiny):
        Place(**place)


@pytest.mark.parametrize(
    "settings",
    [
        {"ratio": 0.0},
        {"content": -1.0},
        {"weight_hue": 0.0, "weight_saturation": 0.0, "weight_luma": 0.0},
        {"window_frames": 0},
        {"distance_frames": 98},
        {"fade_frames_max": 100},
        {"fade_frames_min": 0},
    ],
)
def test_settings_that_could_not_be_local_are_refused(settings):
    with pytest.raises(InvalidParameters):
        AdaptiveParameters(**settings)
