"""Names of frames, by hand; and which rate a table of times has."""

from fractions import Fraction

import numpy as np
import pytest
from heaters_media.ledger import FrameTable
from heaters_media.timecode import TIMECODE_RATES, Grid, pace_of
from hypothesis import given
from hypothesis import strategies as st

NTSC = Fraction(30000, 1001)


def table(pts, time_base, end=None):
    return FrameTable(np.array(pts, np.int64), time_base, end or int(pts[-1]) + 1)


@pytest.mark.parametrize(
    ("rate", "frame", "name"),
    [
        (Fraction(25), 0, "00:00:00:00"),
        (Fraction(25), 90_024, "01:00:00:24"),
        (Fraction(24000, 1001), 86_400, "01:00:00:00"),
        (NTSC, 1799, "00:00:59;29"),
        (NTSC, 1800, "00:01:00;02"),
        (NTSC, 17_981, "00:09:59;29"),
        (NTSC, 17_982, "00:10:00;00"),
        (NTSC, 107_892, "01:00:00;00"),
        (Fraction(60000, 1001), 3600, "00:01:00;04"),
        (Fraction(60000, 1001), 215_784, "01:00:00;00"),
        (NTSC, 24 * 107_892, "00:00:00;00"),
        (Fraction(30), 24 * 108_000 + 1, "00:00:00:01"),
    ],
)
def test_a_frame_has_its_name(rate, frame, name):
    assert Grid(rate).name(frame) == name


def test_drop_frame_leaves_out_two_names_a_minute_but_every_tenth_and_no_frame():
    grid = Grid(NTSC)

    names = [grid.name(frame) for frame in range(grid.hour_frames)]

    assert len(set(names)) == 107_892
    assert names == sorted(names)
    left_out = {f"00:{minute:02d}:00;{frame:02d}" for minute in range(60) if minute % 10 for frame in (0, 1)}
    assert len(left_out) == 108
    assert not left_out & set(names)


@pytest.mark.parametrize("rate", [Fraction(120), Fraction(25, 2), Fraction(29), Fraction(0), Fraction(24999, 1001)])
def test_a_rate_that_timecode_cannot_count_is_refused(rate):
    if rate == 29:
        assert Grid(rate).base == 29
        return
    with pytest.raises(ValueError, match="cannot count"):
        Grid(rate)


@given(
    st.sampled_from(TIMECODE_RATES),
    st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 12800), Fraction(1, 30000)]),
    st.integers(100, 3000),
    st.booleans(),
)
def test_a_constant_rate_is_found_whatever_the_ticks_round_it_to(rate, time_base, frames, down):
    at = [n / (rate * time_base) for n in range(frames)]
    pts = [int(one) if down else round(one) for one in at]

    found = pace_of(table(pts, time_base), announced=rate)

    assert found.rate == rate
    assert found.is_exact
    assert found.grid() == Grid(rate)


def test_a_rate_is_found_without_being_announced_and_a_wrong_announcement_is_not_believed():
    pts = [round(n * 1001 / 30) for n in range(2000)]

    plain = pace_of(table(pts, Fraction(1, 1000)))
    misled = pace_of(table(pts, Fraction(1, 1000)), announced=Fraction(30))

    assert (plain.rate, misled.rate) == (NTSC, NTSC)


def test_one_late_frame_makes_a_rate_variable_and_its_grid_the_nearest():
    pts = [n * 512 for n in range(100)]
    pts[50] += 3

    found = pace_of(table(pts, Fraction(1, 12800)), announced=Fraction(25))

    assert found.rate is None
    assert not found.is_exact
    assert found.grid() == Grid(Fraction(25))


def test_a_constant_rate_that_is_unusual_is_a_rate_and_no_grid():
    found = pace_of(table([n * 8 for n in range(50)], Fraction(1, 100)))

    assert found.rate == Fraction(25, 2)
    assert not found.is_exact


def test_one_frame_has_the_rate_that_its_length_says():
    assert pace_of(table([7], Fraction(1, 25), end=8)).rate == 25
    assert pace_of(table([7], Fraction(1, 25), end=18)).rate is None


def test_numbers_beyond_64_bits_are_counted_all_the_same():
    time_base = Fraction(1, 10**15)
    pts = [round(n * 10**15 * 1001 / 30000) for n in range(500)]

    assert pace_of(table(pts, time_base)).rate == NTSC


@given(st.integers(0, 10**6), st.integers(1, 5000), st.integers(1, 5000), st.sampled_from(TIMECODE_RATES))
def test_spans_that_touch_have_frames_that_touch(start_ms, first_ms, second_ms, rate):
    a, b, c = (Fraction(ms, 1000) for ms in (start_ms, start_ms + first_ms, start_ms + first_ms + second_ms))
    grid = Grid(rate)

    one, other = grid.span(a, b), grid.span(b, c)

    assert one[0] < one[1]
    if (b - a) * rate >= 1 and (c - b) * rate >= 1:
        assert one[1] == other[0]
        assert all(a <= Fraction(frame) / rate < b for frame in (one[0], one[1] - 1))
