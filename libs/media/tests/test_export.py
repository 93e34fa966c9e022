import hashlib
import mmap
import random
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heaters_media.cut import Cut, plan_cut, plan_export
from heaters_media.errors import BadMedia
from heaters_media.export import ExportMismatch, export, export_from
from heaters_media.film import ramp, read_numbers
from heaters_media.mp4 import codec_config, parameter_sets, sample_entries
from heaters_media.profiles import REVIEW

Make = Callable[[str, int], Any]
OpenCv = Callable[[Path], list[int]]
FILMS = ("plain.mp4", "ntsc.mp4", "vfr.mkv", "late.ts", "turned.mp4", "one_gop.mp4", "sound.mp4", "deep.mkv")


@pytest.mark.parametrize(
    ("start", "end", "cut"),
    [
        (0, 60, Cut(head=(0, 0), copy=(0, 6), tail=(6, 6))),
        (30, 60, Cut(head=(3, 3), copy=(3, 6), tail=(6, 6))),
        (10, 50, Cut(head=(1, 3), copy=(3, 5), tail=(5, 5))),
        (10, 30, Cut(head=(1, 3), copy=(0, 0), tail=(3, 3))),
        (50, 60, Cut(head=(5, 6), copy=(0, 0), tail=(6, 6))),
    ],
)
def test_only_frames_before_the_first_key_frame_are_encoded(start: int, end: int, cut: Cut) -> None:
    key = [True, False, False, True, False, False]

    assert plan_cut([0, 10, 20, 30, 40, 50], key, start, end) == cut


@pytest.mark.parametrize(
    ("start", "end", "cut"),
    [
        (0, 80, Cut(head=(0, 0), copy=(0, 8), tail=(8, 8))),
        (0, 30, Cut(head=(0, 0), copy=(0, 1), tail=(1, 3))),
        (0, 40, Cut(head=(0, 0), copy=(0, 4), tail=(4, 4))),
        (20, 70, Cut(head=(2, 4), copy=(4, 5), tail=(5, 7))),
        (10, 30, Cut(head=(1, 3), copy=(0, 0), tail=(3, 3))),
    ],
)
def test_frames_that_refer_past_the_end_are_encoded_too(start: int, end: int, cut: Cut) -> None:
    # I P B B, twice, in decode order
    key = [True, False, False, False] * 2

    assert plan_cut([0, 30, 10, 20, 40, 70, 50, 60], key, start, end) == cut


@pytest.mark.parametrize("name", FILMS)
def test_an_export_has_exactly_the_clips_frames_for_every_reader(
    name: str, made: Make, opencv_numbers: OpenCv, tmp_path: Path
) -> None:
    whole = made(name, 5)
    frames, edge = whole.plan.frames, whole.packets[2].first_frame
    dice = random.Random(11)
    spans = [tuple(sorted(dice.sample(range(frames + 1), 2))) for _ in range(4)]
    spans += [(0, 1), (edge - 1, edge + 1), (edge, edge + 2), (frames - 1, frames), (0, frames)]

    for start, end in spans:
        done = export(whole.parts, start, end, tmp_path / "clip.mp4", REVIEW)

        assert read_numbers(done.path) == list(range(start, end)), (start, end)
        assert opencv_numbers(done.path) == list(range(start, end)), (start, end)
        assert done.frames == done.frames_copied + done.frames_encoded == end - start
        assert done.proof.frames_counted == end - start
        assert done.frames_encoded <= done.proof.frames_decoded <= done.frames_encoded + 1
        assert done.proof.encoded_nearest == done.frames_encoded


def test_frames_from_the_first_key_frame_on_are_the_proxys_bytes(made: Make, tmp_path: Path) -> None:
    whole = made("plain.mp4", 2)
    second = whole.packets[1]

    done = export(whole.parts, second.first_frame - 3, second.first_frame + 4, tmp_path / "clip.mp4", REVIEW)

    proxy = whole.parts[1][1].read_bytes()
    places = list(zip(second.offset_bytes[:4].tolist(), second.size_bytes[:4].tolist(), strict=True))
    wanted = [proxy[at : at + size] for at, size in places]
    with av.open(str(done.path)) as container:
        written = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
    assert (done.frames_encoded, done.frames_copied) == (3, 4)
    assert written[3:] == wanted
    assert done.proof.copied_sha256 == hashlib.sha256(b"".join(wanted)).hexdigest()


def test_the_picture_has_no_edit_list_and_the_index_comes_first(made: Make, tmp_path: Path) -> None:
    done = export(made("plain.mp4", 2).parts, 5, 40, tmp_path / "clip.mp4", REVIEW)

    data = done.path.read_bytes()

    assert b"elst" not in data
    assert data.index(b"moov") < data.index(b"mdat")


def test_times_between_frames_are_the_films(made: Make, tmp_path: Path) -> None:
    whole = made("vfr.mp4", 5)

    done = export(whole.parts, 20, 45, tmp_path / "clip.mp4", REVIEW)

    with av.open(str(done.path)) as container:
        ticks = [f.pts for f in container.decode(container.streams.video[0])]
        assert container.streams.video[0].duration == whole.plan.table.ticks_of(45) - whole.plan.table.ticks_of(20)
    wanted = whole.plan.table.pts[20:45]
    assert ticks == (wanted - wanted[0]).tolist()


def test_the_sound_of_an_export_is_the_films_to_the_sample(made: Make, tmp_path: Path) -> None:
    whole = made("sound.mp4", 5)

    done = export(whole.parts, 13, 41, tmp_path / "clip.mp4", REVIEW)

    with av.open(str(done.path)) as container:
        sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0]
    wanted = ramp(48000, 60 * 1920, 2)[0, 13 * 1920 : 41 * 1920]
    assert done.has_audio
    assert float(np.abs(sound[: len(wanted)] - wanted).max()) < 0.1


def test_another_profile_than_the_proxys_stands_beside_it_in_one_file(
    made: Make, opencv_numbers: OpenCv, tmp_path: Path
) -> None:
    whole = made("plain.mp4", 2)

    done = export(whole.parts, 5, 40, tmp_path / "clip.mp4", replace(REVIEW, preset="medium"))

    sps, pps = parameter_sets(codec_config(sample_entries(done.path)["vide"]))
    assert (len(sps), len(pps)) == (2, 2)
    assert 0 < done.frames_encoded < 25
    assert read_numbers(done.path) == opencv_numbers(done.path) == list(range(5, 40))


def test_a_proxy_that_is_not_what_its_index_says_is_never_exported(made: Make, tmp_path: Path) -> None:
    whole = made("plain.mp4", 1)
    [(packets, proxy)] = whole.parts
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(proxy.read_bytes())
    key = int(np.flatnonzero(packets.key)[1])
    at = int(packets.offset_bytes[key + 2])
    data[at : at + 4] = struct.pack(">I", 2**31)  # a NAL unit longer than its packet
    damaged.write_bytes(data)

    with pytest.raises((ExportMismatch, BadMedia)):
        export([(packets, damaged)], 0, 60, tmp_path / "clip.mp4", REVIEW)

    assert not (tmp_path / "clip.mp4").exists()
    assert not (tmp_path / "clip.mp4.part").exists()


def test_the_length_of_a_clip_costs_no_memory(segments_of: Callable[..., Any], tmp_path: Path) -> None:
    film = tmp_path / "noise.mp4"
    dice = np.random.default_rng(5)
    with av.open(str(film), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "20", "g": "12"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        for number in range(150):
            frame = av.VideoFrame.from_ndarray(dice.integers(0, 255, (180, 320, 3), np.uint8), format="rgb24")
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    [(packets, path)] = segments_of(film, tmp_path, parts=1).parts
    plan = plan_export([packets], 5, 140)
    (read,) = plan.reads
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    tracemalloc.start()
    made = export_from(plan, [mapped[read.offset_bytes :][: read.length_bytes]], tmp_path / "clip.mp4", REVIEW)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert made.frames_copied > 100
    assert most < made.bytes // 2
