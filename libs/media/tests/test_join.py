"""What came apart is put together without touching a packet's content."""

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from heaters_media.errors import NoVideoStream
from heaters_media.film import FilmKind, read_numbers, render_film
from heaters_media.join import join, tracks_of
from heaters_media.keyframes import count_frames


def contents(path: Path, kind: str) -> list[str]:
    """Hashes of the frames that a file decodes to, in order."""
    with av.open(str(path)) as film:
        stream = getattr(film.streams, kind)[0]
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in film.decode(stream)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = FilmKind(frames=75, b_frames=2, audio_rate=48000)
    return render_film(tmp_path_factory.mktemp("join") / "both.mp4", kind)


def split(whole: Path, folder: Path, ending: str) -> list[Path]:
    """Picture and sound of a film in files of their own."""
    parts = []
    for kind in ("video", "audio"):
        part = folder / f"{kind}.{ending}"
        with av.open(str(whole)) as film, av.open(str(part), "w") as output:
            stream = getattr(film.streams, kind)[0]
            copy = output.add_stream_from_template(stream)
            for packet in film.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    output.mux(packet)
        parts.append(part)
    return parts


@pytest.mark.parametrize("ending", ["mp4", "ts"])
def test_picture_and_sound_become_one_file_with_every_frame(both: Path, tmp_path: Path, ending: str) -> None:
    picture, sound = split(both, tmp_path, ending)

    out, tracks = join([picture, sound], tmp_path / "joined")

    assert out == tmp_path / "joined.mp4"
    assert (tracks.container, tracks.video, tracks.audio) == ("mp4", "h264", "aac")
    assert (tracks.width_px, tracks.height_px, tracks.rate) == (128, 72, (25, 1))
    assert tracks.duration_ms == 3000
    assert contents(out, "video") == contents(both, "video")
    assert contents(out, "audio") == contents(sound, "audio")


def test_a_broadcast_begins_at_zero_and_keeps_every_frames_distance(both: Path, tmp_path: Path) -> None:
    broadcast = tmp_path / "late.ts"
    with av.open(str(both)) as film, av.open(str(broadcast), "w", options={"mpegts_copyts": "1"}) as output:
        copies = [output.add_stream_from_template(stream) for stream in film.streams]
        for packet in film.demux():
            if packet.dts is not None:
                late = int(Fraction(3600) / packet.time_base)
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
                packet.stream = copies[packet.stream_index]
                output.mux(packet)

    out, _ = join([broadcast], tmp_path / "joined")

    with av.open(str(out)) as film:
        times = [frame.pts * frame.time_base for frame in film.decode(video=0)]
    assert len(times) == 75
    assert times[0] < 1
    assert {b - a for a, b in pairwise(times)} == {Fraction(1, 25)}


def test_codecs_that_mp4_does_not_hold_go_into_matroska(tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mkv", FilmKind(frames=10, codec="ffv1"))

    out, tracks = join([film], tmp_path / "joined")

    assert (out.suffix, tracks.container, tracks.video, tracks.audio) == (".mkv", "mkv", "ffv1", None)
    assert count_frames(out) == 10


def test_sound_alone_is_no_film(both: Path, tmp_path: Path) -> None:
    _, sound = split(both, tmp_path, "mp4")

    with pytest.raises(NoVideoStream):
        join([sound], tmp_path / "joined")
    with pytest.raises(NoVideoStream):
        tracks_of(sound)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_broadcast_whose_clock_begins_anew_goes_on(b_frames: int, tmp_path: Path) -> None:
    part = render_film(tmp_path / "part.ts", FilmKind(frames=50, b_frames=b_frames, audio_rate=48000))
    twice = tmp_path / "twice.ts"
    twice.write_bytes(2 * part.read_bytes())

    out, tracks = join([twice], tmp_path / "joined")

    numbers = read_numbers(out)
    with av.open(str(out)) as film:
        sound = [packet.pts for packet in film.demux(film.streams.audio[0]) if packet.pts is not None]
    assert numbers[:48] + numbers[-50:] == [*range(48), *range(50)]  # at the seam a frame may be broken
    assert all(0 < after - before < 2048 for before, after in pairwise(sound))
    assert tracks.duration_ms is not None
    assert abs(tracks.duration_ms - 4000) < 100
