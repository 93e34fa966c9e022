import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heaters_media import source_export
from heaters_media.errors import BadMedia
from heaters_media.film import FilmKind, ramp, read_numbers, render_film
from heaters_media.plan import Plan, plan
from heaters_media.source_export import export_source

Film = Callable[[str], Path]
OpenCv = Callable[[Path], list[int]]
SPANS = ((0, 60), (7, 41), (33, 34), (58, 60))


def table(source: Path) -> Any:
    *_, whole = plan(source)
    assert isinstance(whole, Plan)
    return whole.table


@pytest.mark.parametrize("name", ["one_gop.mp4", "b_frames.mp4", "vfr.mp4", "late.mp4", "sound.mp4"])
def test_a_source_that_can_be_cut_is_copied(name: str, film: Film, opencv_numbers: OpenCv, tmp_path: Path) -> None:
    times = table(film(name))

    for start, end in SPANS:
        ticks = (times.ticks_of(start), times.ticks_of(end))
        done = export_source(film(name), start=start, frames=end - start, ticks=ticks, out=tmp_path / "clip.mp4")

        assert read_numbers(done.path) == opencv_numbers(done.path) == list(range(start, end)), (start, end)
        assert (done.start, done.end) == (start, end)
        if (start, end) == (0, 60):
            assert (done.frames_copied, done.frames_encoded) == (60, 0)


@pytest.mark.parametrize(
    "name", ["hevc.mp4", "turned.mp4", "vp9.webm", "deep.mkv", "vfr.mkv", "open_gop.mp4", "late.ts"]
)
def test_a_source_that_cannot_is_encoded_and_exact(
    name: str, film: Film, opencv_numbers: OpenCv, tmp_path: Path
) -> None:
    times = table(film(name))

    for start, end in SPANS:
        ticks = (times.ticks_of(start), times.ticks_of(end))
        done = export_source(film(name), start=start, frames=end - start, ticks=ticks, out=tmp_path / "clip.mp4")

        assert read_numbers(done.path) == opencv_numbers(done.path) == list(range(start, end)), (start, end)
        assert (done.frames_copied, done.frames_encoded, done.proof.encoded_nearest) == (0, end - start, end - start)
        assert b"elst" not in done.path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4"]


@pytest.mark.parametrize(("codec", "name"), [("libx264", "wide.mp4"), ("mpeg4", "wide.avi")])
def test_a_large_source_stays_large(codec: str, name: str, tmp_path: Path) -> None:
    source = render_film(tmp_path / name, FilmKind(frames=12, width_px=2560, height_px=1440, codec=codec))
    times = table(source)

    done = export_source(
        source, start=3, frames=6, ticks=(times.ticks_of(3), times.ticks_of(9)), out=tmp_path / "c.mp4"
    )

    assert (done.width_px, done.height_px) == (2560, 1440)
    assert read_numbers(done.path) == list(range(3, 9))


def test_the_sound_of_an_encoded_source_is_the_films(film: Film, tmp_path: Path) -> None:
    times = table(film("sound.mkv"))

    done = export_source(
        film("sound.mkv"), start=13, frames=28, ticks=(times.ticks_of(13), times.ticks_of(41)), out=tmp_path / "c.mp4"
    )

    with av.open(str(done.path)) as container:
        sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0]
    wanted = ramp(44100, 60 * 1764, 2)[0, 13 * 1764 : 41 * 1764]
    inner = slice(100, len(wanted) - 100)
    assert float(np.abs(sound[inner] - wanted[inner]).max()) < 0.1


@pytest.mark.parametrize("name", ["plain.mp4", "hevc.mp4"])
def test_a_count_that_is_not_the_ledgers_is_refused(name: str, film: Film, tmp_path: Path) -> None:
    times = table(film(name))

    with pytest.raises(BadMedia):
        export_source(
            film(name), start=5, frames=9, ticks=(times.ticks_of(5), times.ticks_of(15)), out=tmp_path / "c.mp4"
        )

    assert list(tmp_path.iterdir()) == []


def test_the_next_clip_of_a_film_knows_what_the_first_found_out(film: Film, tmp_path: Path) -> None:
    times = table(film("b_frames.mp4"))
    elsewhere = tmp_path / "elsewhere.mp4"
    os.link(film("b_frames.mp4"), elsewhere)
    before = source_export._open.cache_info()

    for source, start, end in ((film("b_frames.mp4"), 7, 41), (elsewhere, 3, 9)):
        ticks = (times.ticks_of(start), times.ticks_of(end))
        out = tmp_path / "clip.mp4"
        done = export_source(source, start=start, frames=end - start, ticks=ticks, out=out, content="b_frames")
        assert read_numbers(done.path) == list(range(start, end))

    after = source_export._open.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)
