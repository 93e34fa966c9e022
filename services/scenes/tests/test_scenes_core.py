import numpy as np
import pytest
from heaters_scenes.core import (
    FadeParameters,
    FoundCut,
    Place,
    confidence,
    fades,
    hard,
    joined,
    runs,
    shots,
    strongest,
)
from heaters_scenes.errors import InvalidParameters, UnusableTiny

SETTINGS = FadeParameters()


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

    assert fades(brightness, Place.whole(60), SETTINGS) == [FoundCut(25, "fade", 20, 30, 0.75)]


def test_white_frames_are_a_fade_as_dark_ones_are():
    brightness = np.full(60, 90.0)
    brightness[20:30] = 255.0

    assert fades(brightness, Place.whole(60), SETTINGS) == [FoundCut(25, "fade", 20, 30, 1.0)]


def test_a_steady_way_into_the_dark_and_out_of_it_belongs_to_the_fade():
    brightness = np.full(100, 90.0)
    brightness[30:40] = np.linspace(81, 9, 10)
    brightness[40:50] = 0.0
    brightness[50:60] = np.linspace(9, 81, 10)

    (fade,) = fades(brightness, Place.whole(100), SETTINGS)

    assert (fade.start_frame, fade.frame, fade.end_frame) == (30, 45, 60)


@pytest.mark.parametrize(
    ("start", "end", "is_fade"),
    [(0, 10, False), (290, 300, False), (10, 11, False), (10, 12, True), (10, 22, True), (10, 23, False)],
)
def test_darkness_at_an_end_of_the_film_or_too_short_or_a_shot_of_its_own_is_no_fade(start, end, is_fade):
    brightness = np.full(300, 90.0)
    brightness[start:end] = 0.0

    assert bool(fades(brightness, Place.whole(300), SETTINGS)) is is_fade


@pytest.mark.parametrize(("dark", "is_fade"), [(73, True), (75, False)])
def test_darkness_that_is_too_long_is_no_fade(dark, is_fade):
    brightness = np.full(300, 90.0)
    brightness[100:103] = [60, 30, 10]
    brightness[103 : 103 + dark] = 0.0

    assert bool(fades(brightness, Place.whole(300), SETTINGS)) is is_fade


def test_a_fade_replaces_the_hard_cuts_inside_it_and_at_its_edges_only():
    fade = FoundCut(80, "fade", 60, 100, 0.9)

    cuts = joined([hard(frame, 0.7) for frame in (40, 60, 80, 100, 120)], [fade], Place.whole(200))

    assert cuts == (hard(40, 0.7), fade, hard(120, 0.7))


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ([], [(0, 99)]),
        ([hard(30, 1)], [(0, 29), (30, 99)]),
        ([FoundCut(50, "dissolve", 45, 55, 1)], [(0, 44), (55, 99)]),
        ([FoundCut(50, "fade", 45, 55, 1), hard(60, 1)], [(0, 44), (55, 59), (60, 99)]),
        ([FoundCut(50, "fade", 45, 55, 1), FoundCut(58, "fade", 53, 63, 1)], [(0, 44), (63, 99)]),
        ([FoundCut(95, "fade", 90, 100, 1)], [(0, 99)]),
    ],
)
def test_shots_lie_between_cuts_and_no_shot_has_the_frames_of_a_gradual_one(cuts, expected):
    assert shots(cuts, 100) == expected


def test_a_cut_belongs_to_the_segment_that_its_frame_lies_in_and_frame_zero_to_none():
    place = Place(first_frame=100, rows=250, segment_first=200, segment_frames=50, total_frames=1000)

    assert [place.owns(frame) for frame in (199, 200, 249, 250)] == [False, True, True, False]
    assert not Place.whole(10).owns(0)


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
    [{"frames_max": 76}, {"frames_min": 0}, {"frames_min": 9, "frames_max": 8}, {"level": 0.0}, {"ramp_frames": -1}],
)
def test_fades_that_could_not_be_local_are_refused(settings):
    with pytest.raises(InvalidParameters):
        FadeParameters(**settings)
