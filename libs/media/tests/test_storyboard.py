import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heaters_media.errors import BadLedger
from heaters_media.film import FilmKind, ramp, read_number, render_film
from heaters_media.plan import PlannedSegment, plan
from heaters_media.preprocess import PreprocessedSegment, preprocess
from heaters_media.profiles import REVIEW
from heaters_media.storyboard import Storyboard
from heaters_media.waveform import Waveform, loudest
from PIL import Image

Film = Callable[[str], Path]


def all_made(source: Path, out: Path, **division: Any) -> list[PreprocessedSegment]:
    made = []
    for piece in plan(source, **division):
        if isinstance(piece, PlannedSegment):
            (folder := out / str(piece.index)).mkdir()
            made.append(preprocess(source, piece, total_frames=None, out_dir=folder, profile=REVIEW, context_frames=0))
    return made


@pytest.mark.parametrize("name", ["fast.mp4", "vfr.mp4", "turned.mp4", "odd.mkv"])
def test_each_tile_shows_the_frame_that_the_index_names(name: str, film: Film, tmp_path: Path) -> None:
    for made in all_made(film(name), tmp_path, parts=2):
        jpeg = made.storyboard.read_bytes()
        index = Storyboard.load(jpeg)
        sheet = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))

        for number, frame in enumerate(index.frames):
            left, top = index.tile_px(number)
            tile = sheet[top : top + index.tile_height_px, left : left + index.tile_width_px]
            assert read_number(tile) == frame


def test_there_is_a_tile_at_the_start_and_about_one_a_second(film: Film, tmp_path: Path) -> None:
    [made] = all_made(render_film(tmp_path / "film.mp4", FilmKind(frames=300)), tmp_path, lengths_s=[100])

    index = Storyboard.load(made.storyboard.read_bytes())

    assert index.frames == tuple(range(0, 300, 25))
    assert (index.columns, index.tile_width_px, index.tile_height_px) == (10, 128, 72)


def test_a_long_segment_has_no_more_tiles_than_the_limit(tmp_path: Path) -> None:
    slow = FilmKind(frames=300, pts=tuple(range(0, 3000, 10)), time_base=FilmKind().time_base or 1 / FilmKind().rate)

    [made] = all_made(render_film(tmp_path / "slow.mp4", slow), tmp_path, lengths_s=[1000])

    assert len(Storyboard.load(made.storyboard.read_bytes()).frames) == 120


def test_the_index_is_read_from_the_first_bytes(film: Film, tmp_path: Path) -> None:
    [made] = all_made(film("plain.mp4"), tmp_path, parts=1)
    jpeg = made.storyboard.read_bytes()

    assert Storyboard.load(jpeg[:1024]) == Storyboard.load(jpeg)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xfe\0\x04{}\xff\xda", b"text" * 50])
def test_what_is_no_storyboard_is_refused(data: bytes) -> None:
    with pytest.raises(BadLedger, match="not a storyboard"):
        Storyboard.load(data)


def test_the_waveforms_of_all_segments_are_the_films_peaks(film: Film, tmp_path: Path) -> None:
    truth = ramp(48000, 60 * 1920, 2)[0].reshape(-1, 960)

    waves = [Waveform.load(made.waveform) for made in all_made(film("sound.mp4"), tmp_path, parts=5) if made.waveform]

    assert len(waves) == 5
    assert [w.first_bucket for w in waves] == np.cumsum([0, *(len(w.low) for w in waves[:-1])]).tolist()
    low, high = (np.concatenate(columns) / 127 for columns in ([w.low for w in waves], [w.high for w in waves]))
    assert len(low) == len(truth) == 120
    assert float(np.abs(low - truth.min(axis=1)).max()) < 0.05
    assert float(np.abs(high - truth.max(axis=1)).max()) < 0.05


def test_a_silent_film_has_no_waveform(film: Film, tmp_path: Path) -> None:
    [made] = all_made(film("plain.mp4"), tmp_path, parts=1)

    assert made.waveform is None


def test_what_is_no_waveform_is_refused(film: Film, tmp_path: Path) -> None:
    [made] = all_made(film("plain.mp4"), tmp_path, parts=1)

    for data in (b"text", made.packets.read_bytes()):
        with pytest.raises(BadLedger):
            Waveform.load(data)


def test_a_stretch_is_as_loud_as_the_loudest_bucket_that_it_touches() -> None:
    first = Waveform(1000, 20, 0, np.array([-5, -90], np.int8), np.array([7, 3], np.int8))
    second = Waveform(1000, 20, 2, np.array([0, -128], np.int8), np.array([127, 1], np.int8))

    # Ticks of 1/100 s: a bucket is two of them.
    peaks = loudest([second, first], [(0, 1), (0, 2), (1, 3), (3, 5), (5, 8), (8, 20)], Fraction(1, 100))

    assert peaks == [7, 7, 90, 127, 127, None]
