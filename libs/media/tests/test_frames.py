import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from heaters_media.errors import Undecodable
from heaters_media.film import read_number
from heaters_media.frames import frames_from, plan_frames
from PIL import Image

Make = Callable[[str, int], Any]


def numbers(jpegs: tuple[bytes, ...]) -> list[int]:
    return [read_number(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))) for jpeg in jpegs]


@pytest.mark.parametrize("name", ["plain.mp4", "vfr.mkv", "turned.mp4", "late.ts", "one_gop.mp4"])
def test_each_picture_shows_the_frame_that_was_asked_for(name: str, made: Make) -> None:
    whole = made(name, 5)
    asked = random.Random(3).sample(range(whole.plan.frames), 12)

    plan = plan_frames(whole.packets, asked)

    assert numbers(frames_from(plan, whole.read(plan.reads), 96)) == asked


def test_one_frame_is_one_read_from_its_key_frame_to_itself(made: Make) -> None:
    [part] = made("fast.mp4", 1).packets
    key = int(np.flatnonzero(part.key)[1])

    plan = plan_frames([part], [key + 3])

    [read] = plan.reads
    assert read.offset_bytes == part.offset_bytes[key]
    assert read.length_bytes == int(part.size_bytes[key : key + 4].sum())


def test_the_frames_around_a_cut_are_one_read(made: Make) -> None:
    [part] = made("fast.mp4", 1).packets
    key = int(np.flatnonzero(part.key)[1])

    plan = plan_frames([part], [key - 2, key - 1, key, key + 1])

    assert len(plan.gops) == 2
    assert len(plan.reads) == 1


def test_frames_of_two_segments_are_two_reads(made: Make) -> None:
    whole = made("plain.mp4", 5)
    edge = whole.packets[2].first_frame

    plan = plan_frames(whole.packets, [edge, edge - 1, edge])

    assert [read.part for read in plan.reads] == [1, 2]
    assert numbers(frames_from(plan, whole.read(plan.reads), 96)) == [edge, edge - 1, edge]


def test_pictures_are_no_larger_than_asked_and_never_enlarged(made: Make) -> None:
    whole = made("turned.mp4", 1)
    plan = plan_frames(whole.packets, [0])

    sizes = [
        Image.open(io.BytesIO(frames_from(plan, whole.read(plan.reads), longest_px)[0])).size
        for longest_px in (64, 1000)
    ]

    assert sizes == [(36, 64), (72, 128)]


def test_frames_outside_the_segments_are_refused(made: Make) -> None:
    parts = made("plain.mp4", 5).packets

    with pytest.raises(IndexError, match="frame 60"):
        plan_frames(parts, [60])
    with pytest.raises(IndexError, match="frame 0"):
        plan_frames(parts[1:], [0])
    with pytest.raises(ValueError, match="no frames"):
        plan_frames(parts, [])


def test_short_reads_and_damage_are_told(made: Make) -> None:
    whole = made("plain.mp4", 1)
    plan = plan_frames(whole.packets, [3])
    [blob] = whole.read(plan.reads)

    with pytest.raises(ValueError, match="not what the plan asked for"):
        frames_from(plan, [blob[:-1]], 96)
    with pytest.raises(Undecodable):
        frames_from(plan, [bytes(len(blob))], 96)
