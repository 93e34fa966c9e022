import random
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heaters_media.film import ramp, read_numbers
from heaters_media.playback import LongClip, Read, mux_playback, plan_playback

Make = Callable[[str, int], Any]
FILMS = ("plain.mp4", "ntsc.mp4", "vfr.mkv", "late.ts", "turned.mp4", "one_gop.mp4", "sound.mp4", "odd.mkv")


def spans(frames: int, edges: list[int]) -> list[tuple[int, int]]:
    """Random clips, one- and two-frame ones, both ends of the film, and clips over the edges of segments."""
    dice = random.Random(7)
    drawn = [sorted(dice.sample(range(frames + 1), 2)) for _ in range(8)]
    over = [(e - 1, e + 1) for e in edges] + [(e, e + 1) for e in edges] + [(e - 1, e) for e in edges]
    return [(a, b) for a, b in drawn] + over + [(0, 1), (0, 2), (frames - 1, frames), (0, frames)]


@pytest.mark.parametrize("name", FILMS)
def test_a_player_shows_exactly_the_clips_frames(name: str, made: Make, tmp_path: Path) -> None:
    whole = made(name, 5)
    edges = [p.first_frame for p in whole.packets[1:]]

    for start, end in spans(whole.plan.frames, edges):
        plan = plan_playback(whole.packets, start, end)
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(mux_playback(plan, whole.read(plan.reads)))

        assert read_numbers(clip) == list(range(start, end)), (start, end)


def test_each_segment_touched_is_read_once(made: Make) -> None:
    whole = made("plain.mp4", 5)
    starts = [p.first_frame for p in whole.packets]

    inside = plan_playback(whole.packets, starts[1] + 1, starts[1] + 5)
    across = plan_playback(whole.packets, starts[1] + 1, starts[3] + 1)

    assert [r.part for r in inside.reads] == [1]
    assert [r.part for r in across.reads] == [1, 2, 3]
    assert all(r.length_bytes > 0 for r in across.reads)


def test_a_read_begins_at_the_key_frame_before_and_ends_with_the_last_frame(made: Make) -> None:
    [part] = made("fast.mp4", 1).packets
    key = int(np.flatnonzero(part.key)[1])

    plan = plan_playback([part], key + 3, key + 9)

    size = int(part.size_bytes[key : key + 9].sum())
    assert plan.reads == (Read(0, int(part.offset_bytes[key]), size),)


def test_times_in_the_clip_are_the_films(made: Make, tmp_path: Path) -> None:
    whole = made("vfr.mp4", 5)
    plan = plan_playback(whole.packets, 10, 50)
    clip = tmp_path / "clip.mp4"

    clip.write_bytes(mux_playback(plan, whole.read(plan.reads)))

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        ticks = [f.pts for f in container.decode(stream)]
        assert stream.time_base == whole.packets[0].time_base
    wanted = whole.plan.table.pts[10:50]
    assert ticks == (wanted - wanted[0]).tolist()


def test_a_clip_is_silent_unless_sound_is_asked_for(made: Make, tmp_path: Path) -> None:
    whole = made("sound.mp4", 5)

    for audio in (False, True):
        plan = plan_playback(whole.packets, 7, 50, audio=audio)
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(mux_playback(plan, whole.read(plan.reads)))

        with av.open(str(clip)) as container:
            assert len(container.streams.audio) == int(audio)


def test_the_sound_of_a_clip_across_segments_is_the_films_to_the_sample(made: Make, tmp_path: Path) -> None:
    whole = made("sound.mp4", 5)
    truth = ramp(48000, 60 * 48000 // 25, 2)[0]
    plan = plan_playback(whole.packets, 7, 50, audio=True)
    clip = tmp_path / "clip.mp4"

    clip.write_bytes(mux_playback(plan, whole.read(plan.reads)))

    with av.open(str(clip)) as container:
        sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0]
    first, past = 7 * 1920, 50 * 1920
    assert past - first <= len(sound) < past - first + 1024
    wanted = truth[first:past]
    assert float(np.abs(sound[: past - first] - wanted).max()) < 0.1  # also over the edges of segments
    for shift in (-2, -1, 1, 2):
        moved = truth[first + shift : past + shift]
        assert np.square(sound[: past - first] - wanted).sum() < np.square(sound[: past - first] - moved).sum()


def test_the_index_comes_first(made: Make) -> None:
    whole = made("sound.mp4", 1)
    plan = plan_playback(whole.packets, 3, 9, audio=True)

    clip = mux_playback(plan, whole.read(plan.reads))

    at, kinds = 0, []
    while at < len(clip):
        kinds.append(clip[at + 4 : at + 8])
        at += int.from_bytes(clip[at : at + 4], "big")
    assert kinds == [b"ftyp", b"moov", b"mdat"]
    assert at == len(clip)


@pytest.mark.parametrize("name", ["plain.mp4", "sound.mp4", "vfr.mkv"])
def test_a_long_clip_is_given_out_piece_by_piece_and_is_the_same_to_the_byte(name: str, made: Make) -> None:
    whole, dice = made(name, 5), random.Random(3)
    plan = plan_playback(whole.packets, 3, 57, audio=True)
    clip, laid = mux_playback(plan, whole.read(plan.reads)), LongClip.of(plan)
    ranges = [
        (0, len(clip)),
        (0, 1),
        (len(clip) - 1, len(clip)),
        *(sorted(dice.sample(range(len(clip)), 2)) for _ in range(40)),
    ]

    for start, end in ranges:
        pieces = list(laid.pieces(start, end, most_bytes=200))

        assert b"".join(piece.put_together(whole.read(piece.reads)) for piece in pieces) == clip[start:end]

    assert laid.size_bytes == len(clip)
    assert len(list(laid.pieces(0, len(clip), most_bytes=200))) > 5
    assert len(list(laid.pieces(0, len(clip), most_bytes=1 << 30))) == 2


def test_a_part_of_a_long_clip_reads_little_more_than_itself(made: Make) -> None:
    whole = made("sound.mp4", 5)
    laid = LongClip.of(plan_playback(whole.packets, 0, 60, audio=True))
    at = laid.size_bytes // 2

    (piece,) = laid.pieces(at, at + 1, most_bytes=1)

    largest = max(int(part.size_bytes.max()) for part in whole.packets)
    assert sum(read.length_bytes for read in piece.reads) <= largest


@pytest.mark.parametrize(("start", "end"), [(5, 5), (9, 3), (-1, 4), (50, 61), (60, 61)])
def test_spans_outside_the_film_are_refused(start: int, end: int, made: Make) -> None:
    with pytest.raises(ValueError, match=r"\["):
        plan_playback(made("plain.mp4", 5).packets, start, end)


def test_a_gap_between_the_given_segments_is_refused(made: Make) -> None:
    parts = made("plain.mp4", 5).packets

    with pytest.raises(ValueError, match=f"frame {parts[2].first_frame} is missing"):
        plan_playback([parts[1], parts[3]], parts[1].first_frame, parts[3].first_frame + 1)


def test_blobs_that_do_not_fit_are_refused(made: Make) -> None:
    whole = made("plain.mp4", 5)
    plan = plan_playback(whole.packets, 5, 30)
    blobs = whole.read(plan.reads)

    with pytest.raises(ValueError, match="reads"):
        mux_playback(plan, blobs[:-1])
    with pytest.raises(ValueError, match="shorter"):
        mux_playback(plan, [*blobs[:-1], blobs[-1][:-1]])


def test_playback_loads_no_decoder_and_no_encoder(made: Make, tmp_path: Path) -> None:
    made("plain.mp4", 1).packets[0].save(tmp_path / "packets.npz")
    proxy = made("plain.mp4", 1).parts[0][1]
    code = f"""
import sys
from pathlib import Path
from heaters_media import Packets
from heaters_media.playback import mux_playback, plan_playback
part = Packets.load(Path({str(tmp_path / "packets.npz")!r}))
plan = plan_playback([part], 3, 9)
[read] = plan.reads
data = Path({str(proxy)!r}).read_bytes()
assert mux_playback(plan, [data[read.offset_bytes:read.offset_bytes + read.length_bytes]])
assert not any(name == "av" or name.startswith("av.") for name in sys.modules), "PyAV was loaded"
"""

    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_all_clips_of_a_tiling_show_all_frames_once(made: Make, tmp_path: Path) -> None:
    whole = made("b_frames.mp4", 5)
    cuts = [0, 1, 3, 17, 18, 40, 59, 60]
    shown = []

    for start, end in pairwise(cuts):
        plan = plan_playback(whole.packets, start, end)
        (tmp_path / "clip.mp4").write_bytes(mux_playback(plan, whole.read(plan.reads)))
        shown += read_numbers(tmp_path / "clip.mp4")

    assert shown == list(range(60))
