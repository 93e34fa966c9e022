import multiprocessing
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from heaters_media.errors import BadMedia
from heaters_media.film import ramp, read_numbers
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


def _make_forever_slowly(source: Path, out: Path, pieces: Path) -> None:
    make_master(source, out, lambda _: time.sleep(0.2), pieces_dir=pieces, piece_s=Fraction(1, 2))


@pytest.mark.parametrize("name", ["sound.mp4", "open_gop.mp4", "vfr.mkv"])
def test_a_killed_master_goes_on_after_its_last_whole_piece(
    name: str, film: Callable[[str], Path], tmp_path: Path
) -> None:
    pieces, out = tmp_path / "pieces", tmp_path / "master.mkv"
    child = multiprocessing.get_context("fork").Process(target=_make_forever_slowly, args=(film(name), out, pieces))
    child.start()
    while not (pieces / "00001.npz").exists():
        assert child.is_alive()
        time.sleep(0.01)
    child.kill()
    child.join()
    saved = {path.name: path.stat().st_mtime_ns for path in pieces.glob("0000[01].mkv")}
    assert len(saved) == 2
    kept: dict[str, int] = {}
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        kept.update({path.name: path.stat().st_mtime_ns for path in pieces.glob("0000[01].mkv")})

    master = make_master(film(name), out, progress, pieces_dir=pieces, piece_s=Fraction(1, 2))

    assert kept == saved
    assert min(told) > 20
    assert master.frames == 60
    assert read_numbers(out) == list(range(60))
    assert not pieces.exists()


def test_in_pieces_and_in_one_go_are_the_same_frames_at_the_same_times(
    film: Callable[[str], Path], tmp_path: Path
) -> None:
    one = make_master(film("b_frames.mp4"), tmp_path / "one.mkv")
    many = make_master(film("b_frames.mp4"), tmp_path / "many.mkv", piece_s=Fraction(1, 2))

    assert one.frames_sha256 == many.frames_sha256
    times = []
    for path in (one.path, many.path):
        with av.open(str(path)) as container:
            times.append([frame.pts for frame in container.decode(video=0)])
    assert times[0] == times[1] == [40 * n for n in range(60)]


def test_a_piece_that_was_damaged_meanwhile_is_never_part_of_a_master(
    film: Callable[[str], Path], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def stop(done: int) -> None:
        if done == 50:
            raise Killed

    pieces = tmp_path / "pieces"
    with pytest.raises(Killed):
        make_master(film("plain.mp4"), tmp_path / "m.mkv", stop, pieces_dir=pieces, piece_s=Fraction(1, 2))
    data = bytearray((pieces / "00000.mkv").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (pieces / "00000.mkv").write_bytes(data)

    with pytest.raises(BadMedia):
        make_master(film("plain.mp4"), tmp_path / "m.mkv", pieces_dir=pieces, piece_s=Fraction(1, 2))
    master = make_master(film("plain.mp4"), tmp_path / "m.mkv", pieces_dir=pieces, piece_s=Fraction(1, 2))

    assert master.frames == 60


def _with_more_sound(source: Path, out: Path) -> Path:
    """The film with two more sound tracks, of kinds that lose nothing."""
    with av.open(str(source)) as film, av.open(str(out), "w", format="matroska") as output:
        inputs = (film.streams.video[0], film.streams.audio[0])
        copies = {stream.index: output.add_stream_from_template(stream) for stream in inputs}
        more = [output.add_stream(codec, rate=48000, layout="mono") for codec in ("flac", "pcm_s16le")]
        for packet in film.demux(*inputs):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
        for volume, track in enumerate(more, 1):
            samples = (ramp(48000, 48000, 1) / volume * 32767).astype(np.int16)
            for at in range(0, 48000, 4608):
                piece = np.ascontiguousarray(samples[:, at : at + 4608])
                frame = AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48000, at
                output.mux(track.encode(frame))
            output.mux(track.encode(None))
    return out


def test_every_sound_track_is_kept_to_the_bit(film: Callable[[str], Path], tmp_path: Path) -> None:
    source = _with_more_sound(film("sound.mp4"), tmp_path / "source.mkv")

    master = make_master(source, tmp_path / "master.mkv")

    tracks = []
    for path in (source, master.path):
        with av.open(str(path)) as container:
            names = [stream.codec_context.name for stream in container.streams.audio]
            packets: dict[int, list[bytes]] = {}
            for packet in container.demux(*container.streams.audio):
                packets.setdefault(packet.stream_index, []).append(bytes(packet))
            tracks.append((names, list(packets.values())))
    assert tracks[0][0] == ["aac", "flac", "pcm_s16le"]
    assert tracks[0] == tracks[1]
    assert read_numbers(master.path) == list(range(60))
