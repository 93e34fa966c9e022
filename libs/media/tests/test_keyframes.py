import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from heaters_media.film import read_number
from heaters_media.keyframes import count_frames, keyframes, pick
from PIL import Image


@pytest.mark.parametrize(
    ("frames", "count", "picked"),
    [
        (100, 3, (25, 50, 75)), (100, 1, (50,)), (1, 3, (0,)), (2, 3, (0, 1)), (3, 3, (0, 1, 2)), (4, 3, (1, 2, 3)),
        (1000, 4, (200, 400, 600, 800)),
    ],
)  # fmt: skip
def test_frames_are_picked_evenly_and_inside(frames: int, count: int, picked: tuple[int, ...]) -> None:
    assert pick(frames, count) == picked


@pytest.mark.parametrize(("frames", "count"), [(0, 3), (5, 0), (-1, 1)])
def test_nothing_cannot_be_picked(frames: int, count: int) -> None:
    with pytest.raises(ValueError, match="cannot pick"):
        pick(frames, count)


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
