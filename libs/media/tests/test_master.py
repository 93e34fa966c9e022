from collections.abc import Callable
from pathlib import Path

import av
import pytest
from heaters_media.film import read_numbers
from heaters_media.master import make_master


@pytest.mark.parametrize("name", ["sound.mp4", "deep.mkv", "turned.mp4", "vfr.mp4", "odd.mkv", "open_gop.mp4"])
def test_a_master_shows_what_the_film_showed(name: str, film: Callable[[str], Path], tmp_path: Path) -> None:
    told: list[int] = []

    master = make_master(film(name), tmp_path / "master.mkv", progress=told.append)

    assert master.frames == 60
    assert told == [25, 50]
    assert read_numbers(master.path) == list(range(60))
    with av.open(str(master.path)) as container, av.open(str(film(name))) as source:
        assert container.streams.video[0].codec_context.name == "ffv1"
        assert container.streams.video[0].codec_context.pix_fmt == source.streams.video[0].codec_context.pix_fmt
        assert len(container.streams.audio) == len(source.streams.audio)
        if source.streams.audio:
            copies = [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]
            originals = [bytes(p) for p in source.demux(source.streams.audio[0]) if p.size]
            assert copies == originals
    assert sorted(p.name for p in tmp_path.iterdir()) == ["master.mkv"]
