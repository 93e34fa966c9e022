import base64
import zlib

import pytest
from heaters_contracts.curves import Curves, pack, root, unpacked
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


@given(st.integers(1, 300).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n), min_size=3, max_size=4)))
def test_curves_come_out_as_they_went_in(curves):
    packed = pack(len(curves[0]), curves)

    assert unpacked(Curves.model_validate_json(packed.model_dump_json())) == tuple(curves)
    assert packed.sound is (len(curves) == 4)


def test_a_segment_too_long_for_a_fact_has_means_of_several_frames():
    import random

    frames = 100_001
    noise = random.Random(1).randbytes(frames)

    curves = pack(frames, [noise, bytes([7, 9]) * (frames // 2) + b"\x07", bytes(frames)])

    assert len(curves.model_dump_json()) < 200 * 1024
    assert curves.step_frames == 2
    assert [len(curve) for curve in unpacked(curves)] == [50_001] * 3
    assert set(unpacked(curves)[1][:-1]) == {8}
    assert unpacked(curves)[1][-1] == 7


def test_few_values_do_not_stand_for_more_frames_than_anybody_can_measure():
    with pytest.raises(ValidationError, match="curves of 2147483648 frames are more than 16777216"):
        Curves(frames=2**31, step_frames=2**22, packed=packed_of(bytes(3 * 512)))


def test_a_measure_is_kept_as_sixteen_times_its_root():
    assert [root(value) for value in (0.0, 0.25, 1.0, 4.0, 255.0, -1.0)] == [0, 8, 16, 32, 255, 0]


def packed_of(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("frames", "packed"),
    [
        (4, packed_of(bytes(11))),
        (4, packed_of(bytes(13))),
        (4, "!"),
        (4, base64.b64encode(b"not deflated").decode()),
        (1 << 20, packed_of(bytes(3 << 20))),
    ],
)
def test_curves_that_do_not_unpack_to_their_length_are_refused(frames, packed):
    with pytest.raises(ValidationError):
        Curves(frames=frames, packed=packed)


def test_curves_of_different_lengths_are_not_packed():
    with pytest.raises(ValueError, match="3 or 4 curves of 2"):
        pack(2, [b"ab", b"ab", b"abc"])
