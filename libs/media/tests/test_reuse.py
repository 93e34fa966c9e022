import random
import struct
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heaters_media.errors import FrameCountMismatch
from heaters_media.export import export
from heaters_media.film import FilmKind, ramp, read_number, read_numbers, render_film
from heaters_media.ledger import Packets
from heaters_media.mp4 import codec_config, parameter_sets, sample_entries
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.playback import mux_playback, plan_playback
from heaters_media.preprocess import preprocess
from heaters_media.probe import probe
from heaters_media.profiles import REVIEW
from heaters_media.reuse import obstacles
from heaters_media.tiny import Tiny

Film = Callable[[str], Path]
OpenCv = Callable[[Path], list[int]]
SUITABLE = ("b_frames.mp4", "fast.mp4", "late.mp4", "ntsc.mp4", "plain.mp4", "sound.mp4", "vfr.mp4")


@pytest.fixture(scope="session")
def reused(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """All segments of a film that is its own proxy, about a second each, made once."""
    known: dict[str, tuple[Plan, list[Packets], list[Tiny]]] = {}

    def segments(name: str) -> tuple[Plan, list[Packets], list[Tiny]]:
        if name not in known:
            source = film(name)
            *pieces, whole = plan(source, first_s=Fraction(1, 2), longest_s=1, only_at_keys=True)
            assert isinstance(whole, Plan)
            packets, tiny = [], []
            for piece in pieces:
                assert isinstance(piece, PlannedSegment)
                out = tmp_path_factory.mktemp("reused")
                made = preprocess(
                    source, piece, total_frames=whole.frames, out_dir=out, profile=REVIEW, source_is_proxy=True
                )
                assert made.proxy is None
                assert not list(out.glob("*.mp4"))
                packets.append(Packets.load(made.packets))
                tiny.append(Tiny.load(made.tiny))
            known[name] = whole, packets, tiny
        return known[name]

    return segments


@pytest.mark.parametrize("name", SUITABLE)
def test_a_film_that_is_like_a_proxy_is_one(name: str, film: Film) -> None:
    assert obstacles(film(name), probe(film(name)), REVIEW) == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open_gop.mp4", "none that a decoder can begin at"), ("one_gop.mp4", "2.4 s lie between two key frames"),
        ("turned.mp4", "not upright"), ("wide_pixels.mp4", "not square"), ("fields.mp4", "interlaced"),
        ("hevc.mp4", "hevc"), ("vfr.mkv", "not MP4"), ("late.ts", "not MP4"), ("prores.mov", "yuv422p10le"),
        ("mjpeg.mov", "full range"),
    ],
)  # fmt: skip
def test_a_film_that_is_not_is_encoded_and_the_reason_is_told(name: str, said: str, film: Film) -> None:
    assert any(said in reason for reason in obstacles(film(name), probe(film(name)), REVIEW))


def test_key_frames_ten_seconds_apart_are_too_far(tmp_path: Path) -> None:
    path = render_film(tmp_path / "long.mp4", FilmKind(frames=600, gop_frames=250))

    assert obstacles(path, probe(path), REVIEW) == ("10.0 s lie between two key frames",)


def test_a_picture_larger_than_a_proxy_is_not_reused(tmp_path: Path) -> None:
    path = render_film(tmp_path / "large.mp4", FilmKind(frames=2, width_px=2560, height_px=1440))

    assert obstacles(path, probe(path), REVIEW) == ("2560x1440 is larger than a proxy",)


def test_sound_of_a_rate_that_no_proxy_has_is_not_reused(tmp_path: Path) -> None:
    path = render_film(tmp_path / "telephone.mp4", FilmKind(audio_rate=7350))

    assert obstacles(path, probe(path), REVIEW) == ("the sound is aac, not plain AAC-LC",)


def test_damage_is_found_by_decoding_a_sample(film: Film, tmp_path: Path) -> None:
    data = bytearray(film("plain.mp4").read_bytes())
    with av.open(str(film("plain.mp4"))) as container:
        first = next(p for p in container.demux(container.streams.video[0]) if not p.is_keyframe)
    data[first.pos + 5 : first.pos + first.size] = bytes(first.size - 5)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)

    [reason] = obstacles(path, probe(path), REVIEW)

    assert "packet 0" in reason


def test_a_film_whose_sound_lies_far_from_its_picture_is_not_reused(tmp_path: Path) -> None:
    noise = {"preset": "ultrafast", "crf": "1"}
    near = render_film(tmp_path / "near.mp4", FilmKind(frames=150, audio_rate=48000, options=noise))
    far = tmp_path / "far.mp4"
    data = near.read_bytes()
    at = data.index(b"stco", data.index(b"soun"))
    (chunks,) = np.frombuffer(data[at + 8 : at + 12], ">u4")
    places = np.frombuffer(data[at + 12 : at + 12 + 4 * int(chunks)], ">u4") + len(data) + 5_000_000
    moved = data[: at + 12] + places.astype(">u4").tobytes() + data[at + 12 + 4 * int(chunks) :]
    far.write_bytes(moved + struct.pack(">I4s", 8 + 5_000_000 + len(data) - 8, b"free") + bytes(5_000_000 - 8) + data)

    assert obstacles(near, probe(near), REVIEW) == ()
    assert "sound and picture lie far apart in the file" in obstacles(far, probe(far), REVIEW)


@pytest.mark.parametrize("name", SUITABLE)
def test_the_index_names_every_packet_in_the_film_itself(name: str, film: Film, reused: Callable[[str], Any]) -> None:
    whole, packets, _ = reused(name)
    data = film(name).read_bytes()
    with av.open(str(film(name))) as container:
        coded = [(p.pts, bytes(p)) for p in container.demux(container.streams.video[0]) if p.size]

    places = [
        (int(pts), data[int(at) : int(at + size)])
        for part in packets
        for pts, at, size in zip(part.pts, part.offset_bytes, part.size_bytes, strict=True)
    ]

    assert len(packets) > 1
    assert places == coded
    assert sorted(pts for pts, _ in places) == whole.table.pts.tolist()


@pytest.mark.parametrize("name", SUITABLE)
def test_tiny_rows_of_a_reused_film_show_their_own_frame(name: str, reused: Callable[[str], Any]) -> None:
    for tiny in reused(name)[2]:
        rows = [read_number(row) for row in tiny.frames]

        assert rows == list(range(tiny.first_frame, tiny.first_frame + len(tiny.frames)))


@pytest.mark.parametrize("name", SUITABLE)
def test_a_player_shows_exactly_the_clips_frames_of_a_reused_film(
    name: str, film: Film, reused: Callable[[str], Any], tmp_path: Path
) -> None:
    whole, packets, _ = reused(name)
    data = film(name).read_bytes()
    dice = random.Random(5)
    edges = [p.first_frame for p in packets[1:]]
    spans = [tuple(sorted(dice.sample(range(whole.frames + 1), 2))) for _ in range(12)]
    spans += [(e - 1, e + 1) for e in edges] + [(0, 1), (0, 2), (whole.frames - 1, whole.frames), (0, whole.frames)]

    for start, end in spans:
        clip = plan_playback(packets, start, end)
        blobs = [data[r.offset_bytes : r.offset_bytes + r.length_bytes] for r in clip.reads]
        (tmp_path / "clip.mp4").write_bytes(mux_playback(clip, blobs))

        assert read_numbers(tmp_path / "clip.mp4") == list(range(start, end)), (start, end)


def test_the_sound_of_a_reused_film_is_cut_to_the_sample(
    film: Film, reused: Callable[[str], Any], tmp_path: Path
) -> None:
    _, packets, _ = reused("sound.mp4")
    data, truth = film("sound.mp4").read_bytes(), ramp(48000, 60 * 1920, 2)[0]

    for start, end in ((0, 60), (7, 50), (13, 29), (58, 60)):
        clip = plan_playback(packets, start, end, audio=True)
        blobs = [data[r.offset_bytes : r.offset_bytes + r.length_bytes] for r in clip.reads]
        (tmp_path / "clip.mp4").write_bytes(mux_playback(clip, blobs))
        with av.open(str(tmp_path / "clip.mp4")) as container:
            sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0]

        wanted = truth[start * 1920 : end * 1920]
        inner = slice(64, min(len(wanted), len(sound)) - 64)
        assert len(sound) >= len(wanted) - 1024
        assert float(np.abs(sound[inner] - wanted[inner]).max()) < 0.1


def test_sound_that_begins_late_is_played_late(tmp_path: Path) -> None:
    source = tmp_path / "late_sound.mp4"
    kind = FilmKind(frames=50, audio_rate=48000)
    with_sound = render_film(tmp_path / "sound.mp4", kind)
    with av.open(str(with_sound)) as given, av.open(str(source), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in given.streams}
        for packet in given.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                packet.pts += 480 * 50  # half a second
                packet.dts = packet.pts
            packet.stream = copies[packet.stream.index]
            output.mux(packet)
    *pieces, whole = plan(source, only_at_keys=True)
    assert isinstance(whole, Plan)
    assert isinstance(pieces[0], PlannedSegment)
    made = preprocess(
        source, pieces[0], total_frames=50, out_dir=tmp_path, profile=REVIEW, source_is_proxy=True, context_frames=5
    )
    clip = plan_playback([Packets.load(made.packets)], 6, 50, audio=True)
    data = source.read_bytes()

    (tmp_path / "clip.mp4").write_bytes(
        mux_playback(clip, [data[r.offset_bytes : r.offset_bytes + r.length_bytes] for r in clip.reads])
    )

    with av.open(str(tmp_path / "clip.mp4")) as container:
        first = next(container.decode(audio=0))
    with av.open(str(source)) as container:
        original = next(container.decode(audio=0))
    assert original.pts * original.time_base > Fraction(2, 5)
    assert first.pts * first.time_base == original.pts * original.time_base - Fraction(6, 25)
    assert read_numbers(tmp_path / "clip.mp4") == list(range(6, 50))


def test_all_clips_of_a_tiling_of_a_reused_film_show_all_frames_once(
    film: Film, reused: Callable[[str], Any], tmp_path: Path
) -> None:
    _, packets, _ = reused("b_frames.mp4")
    data = film("b_frames.mp4").read_bytes()
    shown = []

    for start, end in pairwise([0, 1, 3, 17, 18, 40, 59, 60]):
        clip = plan_playback(packets, start, end)
        blobs = [data[r.offset_bytes : r.offset_bytes + r.length_bytes] for r in clip.reads]
        (tmp_path / "clip.mp4").write_bytes(mux_playback(clip, blobs))
        shown += read_numbers(tmp_path / "clip.mp4")

    assert shown == list(range(60))


def test_a_segment_between_key_frames_cannot_be_reused(film: Film, tmp_path: Path) -> None:
    *_, second, _whole = plan(film("plain.mp4"), lengths_s=[Fraction(1)])
    assert isinstance(second, PlannedSegment)
    inside = PlannedSegment(1, second.first_frame + 1, second.frames - 1, second.start_ticks + 512, second.end_ticks)

    with pytest.raises(FrameCountMismatch):
        preprocess(film("plain.mp4"), inside, total_frames=60, out_dir=tmp_path, profile=REVIEW, source_is_proxy=True)


@pytest.mark.parametrize("name", SUITABLE)
def test_an_export_of_a_reused_film_is_exact_for_every_reader(
    name: str, film: Film, reused: Callable[[str], Any], opencv_numbers: OpenCv, tmp_path: Path
) -> None:
    whole, packets, _ = reused(name)
    parts = [(part, film(name)) for part in packets]
    dice = random.Random(19)
    spans = [tuple(sorted(dice.sample(range(whole.frames + 1), 2))) for _ in range(10)]
    edge = packets[1].first_frame
    spans += [(0, 1), (0, 2), (edge - 1, edge + 1), (edge, edge + 3), (whole.frames - 1, whole.frames)]

    for start, end in spans:
        done = export(parts, start, end, tmp_path / "clip.mp4", REVIEW)

        assert read_numbers(done.path) == list(range(start, end)), (start, end)
        assert opencv_numbers(done.path) == list(range(start, end)), (start, end)
        assert done.frames_copied + done.frames_encoded == done.proof.frames_counted == end - start
        assert b"vide" in (data := done.path.read_bytes())
        assert data.count(b"elst") == int(done.has_audio)  # the sound's


def test_an_export_of_a_reused_film_has_both_parameter_sets_and_copies_the_rest(
    film: Film, reused: Callable[[str], Any], tmp_path: Path
) -> None:
    _, packets, _ = reused("b_frames.mp4")  # key frames at 0, 20 and 40; I BBB P BBB P ...
    parts = [(part, film("b_frames.mp4")) for part in packets]

    done = export(parts, 15, 47, tmp_path / "clip.mp4", REVIEW)

    sps, pps = parameter_sets(codec_config(sample_entries(done.path)["vide"]))
    assert (len(sps), len(pps)) == (2, 2)
    assert done.frames_encoded == 5 + 2
    assert done.frames_copied == 25
    with av.open(str(done.path)) as container:
        assert [f.pts * f.time_base for f in container.decode(video=0)] == [Fraction(n, 25) for n in range(32)]


def test_an_exact_run_of_gops_is_copied_whole(film: Film, reused: Callable[[str], Any], tmp_path: Path) -> None:
    _, packets, _ = reused("b_frames.mp4")

    done = export([(part, film("b_frames.mp4")) for part in packets], 20, 40, tmp_path / "clip.mp4", REVIEW)

    assert (done.frames_copied, done.frames_encoded, done.proof.frames_decoded) == (20, 0, 1)
