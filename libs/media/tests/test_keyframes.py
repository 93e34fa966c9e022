import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from heaters_media.errors import FrameCountMismatch
from heaters_media.film import read_number
from heaters_media.keyframes import count_frames, keyframes, take
from heaters_media.strategies import STRATEGIES, Look, candidates, choose, look, strategy_named
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

FIVE_SECONDS = Fraction(5)


@pytest.mark.parametrize(
    ("name", "frames", "chosen"),
    [
        ("midpoint", 100, [(50,)]), ("midpoint", 1, [(0,)]), ("midpoint", 2, [(1,)]),
        ("quarters", 100, [(25,), (50,), (75,)]), ("quarters", 2, [(0,), (1,)]), ("quarters", 1, [(0,)]),
        ("ends", 100, [(0,), (50,), (99,)]), ("ends", 1, [(0,)]), ("ends", 2, [(0,), (1,)]),
        ("spread", 100, [(14, 23, 32), (41, 50, 58), (67, 76, 85)]), ("spread", 1, [(0,)]), ("spread", 3, [(0, 1), (2,)]),
    ],
)  # fmt: skip
def test_candidates_lie_where_their_strategy_says(name: str, frames: int, chosen: list[tuple[int, ...]]) -> None:
    found = candidates(STRATEGIES[name], frames=frames, duration_s=FIVE_SECONDS if frames > 3 else Fraction(1, 10))

    assert found == chosen


@given(st.sampled_from(sorted(STRATEGIES)), st.integers(1, 5000), st.fractions(Fraction(1, 1000), 10_000))
def test_candidates_are_of_the_clip_in_order_and_in_one_part_only(name: str, frames: int, duration_s: Fraction) -> None:
    parts = candidates(STRATEGIES[name], frames=frames, duration_s=duration_s)

    every = [frame for part in parts for frame in part]
    assert parts
    assert all(parts)
    assert every == sorted(set(every))
    assert 0 <= every[0] <= every[-1] < frames
    assert len(parts) <= max(3, STRATEGIES[name].most)


def test_a_longer_clip_has_more_pictures_up_to_a_limit() -> None:
    counts = [
        len(candidates(STRATEGIES["spread"], frames=10_000, duration_s=Fraction(seconds)))
        for seconds in (1, 6, 14, 600)
    ]

    assert counts == [2, 3, 7, 8]


def test_an_unknown_strategy_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="midpoint, quarters"):
        strategy_named("best")


BLACK, BLURRED, SHARP, SHARPEST = Look(5, 90), Look(120, 8), Look(120, 80), Look(120, 100)


@pytest.mark.parametrize(
    ("parts", "taken"),
    [
        ([[SHARP, SHARPEST], [SHARP, SHARP]], [(0, 1), (1, 0)]),
        ([[BLACK, SHARP], [BLURRED, BLACK]], [(0, 1)]),
        ([[BLURRED, SHARPEST]], [(0, 1)]),
        ([[BLACK], [Look(5, 1)]], [(0, 0)]),
        ([[BLACK], [Look(120, 1)]], [(1, 0)]),
    ],
)
def test_black_and_blurred_ones_are_refused_while_there_are_others(
    parts: list[list[Look]], taken: list[tuple[int, int]]
) -> None:
    assert choose(parts, refuses=True) == taken


def test_a_fixed_place_is_taken_whatever_it_shows() -> None:
    assert choose([[BLACK], [BLURRED]], refuses=False) == [(0, 0), (1, 0)]


def test_sharpness_falls_as_a_picture_is_blurred() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 160), np.uint8)
    blurred = np.asarray(Image.fromarray(noise).resize((20, 12)).resize((160, 90)))

    assert look(blurred).sharpness < look(noise).sharpness / 10
    assert look(np.full((9, 9), 40, np.uint8)) == Look(40.0, 0.0)


@pytest.mark.parametrize(
    "name", ["plain.mp4", "b_frames.mp4", "open_gop.mp4", "late.mp4", "one_gop.mp4", "vfr.mp4", "hevc.mp4", "mjpeg.mov"]
)
def test_pictures_show_their_own_frames_at_their_own_times(name: str, film: Callable[[str], Path]) -> None:
    taken = take(film(name), STRATEGIES["ends"], frames=60)

    images = [np.asarray(Image.open(io.BytesIO(one.jpeg))) for one in taken.pictures]
    assert [read_number(image) for image in images] == [one.frame for one in taken.pictures] == [0, 30, 59]
    assert taken.pictures[0].ticks == 0
    assert [one.ticks for one in taken.pictures] == sorted({one.ticks for one in taken.pictures})


def test_spread_pictures_are_decoded_from_several_groups(film: Callable[[str], Path]) -> None:
    taken = take(film("b_frames.mp4"), STRATEGIES["spread-dense"], frames=60)

    assert [read_number(np.asarray(Image.open(io.BytesIO(one.jpeg)))) for one in taken.pictures] == [
        one.frame for one in taken.pictures
    ]
    assert len(taken.pictures) == 4


def test_a_clip_with_other_frames_than_it_was_proven_to_have_is_refused(film: Callable[[str], Path]) -> None:
    with pytest.raises(FrameCountMismatch, match="60 frames with a time of their own, not 61"):
        take(film("plain.mp4"), STRATEGIES["midpoint"], frames=61)


@pytest.mark.parametrize(
    ("name", "size"),
    [("b_frames.mp4", (100, 56)), ("turned.mp4", (56, 100)), ("wide_pixels.mp4", (100, 42)), ("deep.mkv", (100, 56))],
)
def test_a_keyframe_shows_its_own_frame_upright(name: str, size: tuple[int, int], film: Callable[[str], Path]) -> None:
    jpegs = keyframes(film(name), (41, 3, 59), longest_px=100)

    images = [Image.open(io.BytesIO(jpeg)) for jpeg in jpegs]
    assert [read_number(np.asarray(image)) for image in images] == [41, 3, 59]
    assert all(image.format == "JPEG" and image.size == size for image in images)


def test_small_pictures_are_not_enlarged(film: Callable[[str], Path]) -> None:
    [jpeg] = keyframes(film("plain.mp4"), (0,))

    assert Image.open(io.BytesIO(jpeg)).size == (128, 72)


def test_a_frame_that_does_not_exist_is_named(film: Callable[[str], Path]) -> None:
    with pytest.raises(IndexError, match="frame 60 was asked of a film of 60 frames"):
        keyframes(film("plain.mp4"), (0, 60))


def test_frames_are_counted_by_decoding(film: Callable[[str], Path]) -> None:
    assert count_frames(film("b_frames.mp4")) == 60
    assert count_frames(film("one_frame.mp4")) == 1
