from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from heaters_media.errors import NoTimestamps, TooLong
from heaters_media.film import FilmKind, render_film
from heaters_media.plan import Cap, Plan, PlannedSegment, Row, divide, plan, plan_segments
from hypothesis import given
from hypothesis import strategies as st


def rows(*said: tuple[int, int, bool]) -> list[Row]:
    return [Row(pts, dts, key, 1) for pts, dts, key in said]


def decoded_pts(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0) if frame.pts is not None]


def whole(path: Path, **how: object) -> Plan:
    *_, last = plan(path, **how)  # type: ignore[arg-type]  # the tests name what plan takes
    assert isinstance(last, Plan)
    return last


def test_segments_grow_and_begin_at_key_frames() -> None:
    frames = [Row(n, n, n % 5 == 0, 1) for n in range(100)]

    segments = list(plan_segments(frames, lengths=[10, 20, 40]))

    assert [(s.first_frame, s.frames) for s in segments] == [(0, 10), (10, 20), (30, 40), (70, 30)]
    assert segments[-1].end_ticks == 100


def test_leading_pictures_belong_to_the_segment_in_whose_range_they_lie() -> None:
    # I0 P3 B1 B2 | I6 with leading B4 B5 | P9 B7 B8
    frames = rows(
        (0, -1, True), (3, 0, False), (1, 1, False), (2, 2, False),
        (6, 3, True), (4, 4, False), (5, 5, False), (9, 6, False), (7, 7, False), (8, 8, False),
    )  # fmt: skip

    segments = list(plan_segments(frames, lengths=[5]))

    assert segments == [PlannedSegment(0, 0, 6, 0, 6), PlannedSegment(1, 6, 4, 6, 10)]


def test_a_segment_is_told_as_soon_as_nothing_of_it_can_follow() -> None:
    seen: list[int] = []

    def scan() -> list[Row]:
        return [Row(n, n, n % 10 == 0, 1) for n in range(100)]

    def watched():  # type: ignore[no-untyped-def]  # a generator of rows
        for row in scan():
            seen.append(row.pts)
            yield row

    first = next(plan_segments(watched(), lengths=[10]))

    assert first.frames == 10
    assert seen[-1] == 10


def test_a_segment_has_no_more_frames_than_the_cap_and_ends_at_a_key_frame_if_it_can() -> None:
    rows = [Row(n, n, n % 30 == 0, 1) for n in range(200)]
    no_keys = [Row(n, n, n == 0, 1) for n in range(200)]

    at_keys = list(plan_segments(rows, lengths=[10**6], cap=Cap(10**6, frames=50)))
    anywhere = list(plan_segments(no_keys, lengths=[10**6], cap=Cap(10**6, frames=50)))
    patient = list(plan_segments(no_keys, lengths=[10**6], cap=Cap(10**6, frames=50, only_at_keys=True)))

    assert [s.frames for s in at_keys] == [30] * 5 + [50]
    assert [s.frames for s in anywhere] == [50] * 4
    assert [s.frames for s in patient] == [200]


def test_a_capped_segment_is_told_before_the_scan_is_over() -> None:
    told_at = []
    seen = 0

    def rows() -> Iterator[Row]:
        nonlocal seen
        for seen in range(1000):  # told below
            yield Row(seen, seen, seen % 30 == 0, 1)

    for _ in plan_segments(rows(), lengths=[10**6], cap=Cap(10**6, frames=50)):
        told_at.append(seen)

    assert told_at[:3] == [50, 80, 110]


def test_a_film_without_key_frames_is_cut_all_the_same() -> None:
    frames = [Row(n, n, n == 0, 1) for n in range(100)]

    segments = list(plan_segments(frames, lengths=[20], cap=Cap(30)))

    assert all(s.frames <= 31 for s in segments)
    assert sum(s.frames for s in segments) == 100


@given(
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=80),
    keys=st.sets(st.integers(0, 79)),
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    parts=st.integers(1, 12),
)
def test_segments_tile_the_film(gaps: list[int], keys: set[int], lengths: list[int], parts: int) -> None:
    times = [sum(gaps[:n]) for n in range(len(gaps))]
    frames = [Row(t, t, n == 0 or n in keys, gaps[n]) for n, t in enumerate(times)]

    for segments in (list(plan_segments(frames, lengths=lengths)), divide(frames, parts)):
        assert segments[0].first_frame == 0
        assert segments[-1].first_frame + segments[-1].frames == len(frames)
        assert segments[-1].end_ticks == times[-1] + gaps[-1]
        for before, after in pairwise(segments):
            assert before.first_frame + before.frames == after.first_frame
            assert before.end_ticks == after.start_ticks == times[after.first_frame]
        assert all(s.frames >= 1 for s in segments)


def test_the_plan_counts_what_a_decode_gives(any_film: str, film: Callable[[str], Path]) -> None:
    path = film(any_film)

    made = whole(path)

    assert made.table.pts.tolist() == decoded_pts(path)
    assert made.frames == len(decoded_pts(path))
    assert sum(s.frames for s in made.segments) == made.frames


def test_the_table_does_not_depend_on_the_division(film: Callable[[str], Path]) -> None:
    path = film("vfr.mp4")

    one, five = whole(path, lengths_s=[10**6]), whole(path, parts=5)

    assert len(one.segments) == 1
    assert len(five.segments) == 5
    assert one.table == five.table


def test_a_key_frame_at_the_wanted_length_ends_a_segment_that_is_longer_than_the_cap() -> None:
    rows = [Row(n, n, n % 30 == 0, 1) for n in range(500)]

    segments = list(plan_segments(rows, lengths=[200], cap=Cap(90)))

    assert [s.frames for s in segments] == [210, 210, 80]


def test_segments_of_films_of_many_hours_go_on_growing_and_have_an_end(tmp_path: Path) -> None:
    kind = FilmKind(frames=2300, rate=Fraction(1), width_px=32, height_px=32, gop_frames=1)
    path = render_film(tmp_path / "days.mp4", kind)

    made = whole(path, first_s=1, longest_s=1)

    assert [s.frames for s in made.segments] == [1] * 1000 + [2] * 500 + [4] * 75
    with pytest.raises(TooLong, match="more than 2200 segments"):
        whole(path, first_s=1, longest_s=1, most_frames=1)


def test_the_first_segment_is_a_few_seconds_and_the_rest_grow(tmp_path: Path) -> None:
    path = render_film(tmp_path / "long.mp4", FilmKind(frames=1000, width_px=32, height_px=32, gop_frames=25))

    made = whole(path, first_s=2, longest_s=10)

    assert [s.frames for s in made.segments] == [50, 150, 250, 250, 250, 50]


def test_frames_hidden_by_an_edit_list_do_not_count(tmp_path: Path, film: Callable[[str], Path]) -> None:
    # Copied from the middle: the container begins at the key frame before and hides what was not asked for.
    source, path = film("b_frames.mp4"), tmp_path / "edited.mp4"
    with av.open(str(source)) as given, av.open(str(path), "w") as output:
        stream = given.streams.video[0]
        copy = output.add_stream_from_template(stream)
        assert stream.time_base is not None
        shift = int(Fraction(27, 25) / stream.time_base)
        for packet in given.demux(stream):
            if (
                packet.pts is not None
                and packet.dts is not None
                and packet.pts >= int(Fraction(20, 25) / stream.time_base)
            ):
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                output.mux(packet)

    made = whole(path)

    assert made.frames == len(decoded_pts(path))
    assert made.table.pts.tolist() == decoded_pts(path)


def test_frames_that_share_a_time_are_refused() -> None:
    frames = rows((0, 0, True), (1, 1, False), (-5, 2, False))

    with pytest.raises(NoTimestamps, match="tick -5"):
        list(plan_segments(frames, lengths=[10]))


@pytest.mark.parametrize("parts", [0, -1])
def test_a_film_cannot_be_divided_into_no_parts(parts: int) -> None:
    with pytest.raises(ValueError, match="parts"):
        divide(rows((0, 0, True)), parts)
