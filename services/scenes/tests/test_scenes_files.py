"""Films in files: what `heaters detect` prints."""

import csv
import json

import numpy as np
import pytest
from heaters_media.film import FilmKind, render_film
from heaters_scenes.adaptive import Adaptive
from heaters_scenes.core import Place
from heaters_scenes.files import main
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
