"""Films in files: what `heaters detect` prints."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from heaters_media.film import FilmKind, render_film
from heaters_scenes.adaptive import Adaptive
from heaters_scenes.core import FoundCut, Place
from heaters_scenes.files import FilmCuts, as_edl, main
from heaters_scenes.films import cuts_of_film

YELLOW, BLUE, BLACK = (230, 200, 40), (20, 40, 160), (0, 0, 0)


@pytest.fixture
def two_shots(film, tmp_path):
    np.save(tmp_path / "shots.npy", film((YELLOW, 40), (BLUE, 35)))
    return tmp_path / "shots.npy"


def test_json_has_the_shots_of_each_film_by_its_stem(film, two_shots, tmp_path, capsys):
    np.save(tmp_path / "faded.npy", film((YELLOW, 40), (BLACK, 10), (BLUE, 30)))

    code = main([str(two_shots), str(tmp_path / "faded.npy"), "--format", "json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out) == {"shots": [[0, 39], [40, 74]], "faded": [[0, 39], [50, 79]]}


def test_an_archive_of_several_arrays_has_a_film_for_each(film, tmp_path, capsys):
    np.savez(tmp_path / "many.npz", one=film((YELLOW, 30), (BLUE, 30)), other=film((BLUE, 25)))

    main([str(tmp_path / "many.npz"), "--format", "json"])

    assert json.loads(capsys.readouterr().out) == {"one": [[0, 29], [30, 59]], "other": [[0, 24]]}


def test_csv_and_table_and_edit_list_show_each_cut(two_shots, capsys):
    main([str(two_shots), "--format", "csv"])
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    main([str(two_shots), "--format", "table"])
    table = capsys.readouterr().out
    main([str(two_shots), "--format", "edl"])
    edl = capsys.readouterr().out.splitlines()

    assert [(row["film"], row["frame"], row["kind"], row["start_frame"], row["end_frame"]) for row in rows] == [
        ("shots", "40", "hard", "40", "41")
    ]
    assert "40  00:00:01.600  hard" in table
    assert edl[:2] == ["TITLE: shots", "FCM: NON-DROP FRAME"]
    assert edl[3].split() == ["001", "AX", "V", "C", "00:00:00:00", "00:00:01:15", "00:00:00:00", "00:00:01:15"]
    assert edl[5].split()[-2:] == ["00:00:01:15", "00:00:03:00"]


def edit_list(rate: Fraction, *cuts: int, frames: int) -> list[str]:
    found = [FoundCut(cut, "hard", cut, cut + 1, 1.0) for cut in cuts]
    return as_edl([FilmCuts("film", frames, rate, found)]).splitlines()


def times(event: str) -> list[str]:
    return event.split()[4:6]


def test_at_29_97_frames_a_second_names_are_dropped_and_no_frame_is():
    # The 1800th frame begins the second minute, whose first two names are left out; the 17982nd begins the tenth, whose are not.
    lines = edit_list(Fraction(30000, 1001), 1800, 17982, frames=107_892)

    assert lines[1] == "FCM: DROP FRAME"
    assert [times(line) for line in lines[3::2]] == [
        ["00:00:00;00", "00:01:00;02"],
        ["00:01:00;02", "00:10:00;00"],
        ["00:10:00;00", "01:00:00;00"],
    ]


@pytest.mark.parametrize(
    ("rate", "count", "start", "end"),
    [
        (Fraction(24000, 1001), "NON-DROP FRAME", "00:00:00:00", "00:00:10:00"),
        (Fraction(25), "NON-DROP FRAME", "00:00:00:00", "00:00:09:15"),
        (Fraction(2997, 100), "DROP FRAME", "00:00:00;00", "00:00:08;00"),
        (Fraction(60000, 1001), "DROP FRAME", "00:00:00;00", "00:00:04;00"),
        # 19.2 s, in which 460.3 frames of 23.976 a second begin: 19 of what timecode calls a second, and 5 frames.
        (Fraction(25, 2), "NON-DROP FRAME", "00:00:00:00", "00:00:19:05"),
    ],
)
def test_an_edit_list_counts_at_the_films_rate_or_the_nearest_that_timecode_has(rate, count, start, end):
    lines = edit_list(rate, frames=240)

    assert lines[1] == f"FCM: {count}"
    assert times(lines[3]) == [start, end]


def test_a_film_of_a_thousand_shots_has_two_lists():
    lines = edit_list(Fraction(25), *range(10, 10_000, 10), frames=10_000)

    titles = [n for n, line in enumerate(lines) if line.startswith("TITLE: ")]
    assert [lines[n] for n in titles] == ["TITLE: film 1", "TITLE: film 2"]
    assert lines[titles[1] - 3].startswith("999  AX ")
    assert lines[titles[1] + 3].startswith("001  AX ")
    assert times(lines[titles[1] + 3]) == ["00:06:39:15", "00:06:40:00"]


def test_a_video_is_read_as_it_is(tmp_path, capsys):
    video = render_film(tmp_path / "numbers.mp4", FilmKind(frames=40))

    assert main([str(video), "--format", "json", "--detector", "adaptive@1.5"]) == 0

    shots = json.loads(capsys.readouterr().out)["numbers"]
    assert shots[0][0] == 0
    assert shots[-1][1] == 39


def test_what_cannot_be_read_is_named_and_the_rest_is_told(two_shots, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("no film")
    np.save(tmp_path / "wrong.npy", np.zeros((5, 9, 16, 3), np.uint8))
    files = [tmp_path / "text.mp4", tmp_path / "wrong.npy", tmp_path / "absent.npz", two_shots, two_shots]

    code = main([*map(str, files), "--format", "json"])

    told = capsys.readouterr()
    assert code == 1
    assert list(json.loads(told.out)) == ["shots"]
    assert [line.split(": ")[1].rpartition("/")[2] for line in told.err.splitlines()] == [
        "text.mp4",
        "wrong.npy",
        "absent.npz",
        "shots.npy",
    ]
    assert "(n, 27, 48, 3), not uint8 of (5, 9, 16, 3)" in told.err


def test_an_unknown_detector_is_refused_with_the_list(two_shots, capsys):
    assert main([str(two_shots), "--detector", "histogram"]) == 2

    assert "adaptive, transnetv2, cascade" in capsys.readouterr().err


def test_a_film_that_is_walked_through_in_pieces_has_the_cuts_of_the_whole(film):
    frames = film(*[((YELLOW, BLUE)[n % 2], 90 + n) for n in range(50)])

    cuts, count = cuts_of_film(Adaptive(), iter(frames))

    whole = Adaptive().detect(frames, Place.whole(len(frames))).cuts
    assert count == len(frames) > 5000
    assert tuple(cuts) == whole
    assert len(whole) == 49
