import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heaters_media.errors import FrameCountMismatch
from heaters_media.film import FilmKind, ramp, read_number, read_numbers, render_film
from heaters_media.mp4 import codec_config
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW
from heaters_media.waveform import Waveform

Make = Callable[[str, int], Any]


def decoded_sound(path: Path) -> np.ndarray[Any, Any]:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def test_the_segments_hold_every_frame_once_and_in_order(any_film: str, made: Make) -> None:
    for parts in (1, 5):
        all_of_it = made(any_film, parts)

        numbers = [n for _, proxy in all_of_it.parts for n in read_numbers(proxy)]

        assert numbers == list(range(all_of_it.plan.frames))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("old.avi", FilmKind(frames=50, codec="mpeg4", audio_rate=48000)),
        ("reordered.avi", FilmKind(frames=50, b_frames=2, audio_rate=48000)),  # AVI has no times but those of decoding
        ("old.flv", FilmKind(frames=50, b_frames=2, audio_rate=48000)),
    ],
)
def test_old_formats_give_every_frame_and_their_sound(name: str, kind: FilmKind, tmp_path: Path) -> None:
    path = render_film(tmp_path / name, kind)
    *segments, whole = plan(path, first_s=1, longest_s=1)
    assert isinstance(whole, Plan)

    numbers, damaged, loudest = [], 0, 0
    for segment in segments:
        assert isinstance(segment, PlannedSegment)
        made = preprocess(path, segment, total_frames=whole.frames, out_dir=tmp_path, profile=REVIEW)
        assert made.proxy is not None
        assert made.waveform is not None
        numbers += read_numbers(made.proxy)
        damaged += made.frames_damaged
        loudest = max(loudest, int(Waveform.load(made.waveform).high.max()))

    assert len(segments) > 1
    assert numbers == list(range(50))
    assert damaged == 0
    assert loudest > 10


def test_one_segment_and_five_agree(any_film: str, made: Make) -> None:
    one, five = made(any_film, 1), made(any_film, 5)

    assert one.plan.table == five.plan.table
    assert len({codec_config(p.sample_entry) for p in [*one.packets, *five.packets]}) == 1
    assert np.array_equal(np.concatenate([p.pts for p in five.packets]), one.plan.table.pts)
    for tiny in five.tiny:
        same = one.tiny[0].frames[tiny.first_frame : tiny.first_frame + len(tiny.frames)]
        assert np.array_equal(tiny.frames, same)


def test_tiny_rows_show_their_own_frame_upright(any_film: str, made: Make) -> None:
    for tiny in made(any_film, 5).tiny:
        rows = [read_number(row) for row in tiny.frames]

        assert rows == list(range(tiny.first_frame, tiny.first_frame + len(tiny.frames)))


def test_context_is_clipped_at_the_ends_of_the_film(film: Callable[[str], Path], tmp_path: Path) -> None:
    *segments, whole = plan(film("open_gop.mp4"), parts=5)
    assert isinstance(whole, Plan)
    third = segments[2]
    assert isinstance(third, PlannedSegment)

    made = preprocess(film("open_gop.mp4"), third, total_frames=60, out_dir=tmp_path, profile=REVIEW, context_frames=7)

    with np.load(made.tiny) as tiny:
        assert int(tiny["first_frame"]) == third.first_frame - 7
        assert len(tiny["frames"]) == third.frames + 14


def test_context_needs_no_count_of_the_whole_film(film: Callable[[str], Path], tmp_path: Path) -> None:
    *segments, _ = plan(film("open_gop.mp4"), parts=5)
    first, last = segments[0], segments[-1]
    assert isinstance(first, PlannedSegment)
    assert isinstance(last, PlannedSegment)

    seen = []
    for segment in (first, last):
        made = preprocess(
            film("open_gop.mp4"), segment, total_frames=None, out_dir=tmp_path, profile=REVIEW, context_frames=7
        )
        with np.load(made.tiny) as tiny:
            seen.append((int(tiny["first_frame"]), len(tiny["frames"]), int(tiny["total_frames"])))

    assert seen == [(0, first.frames + 7, first.frames + 7), (last.first_frame - 7, last.frames + 7, 60)]


@pytest.mark.parametrize(
    ("name", "width_px", "height_px"),
    [("turned.mp4", 72, 128), ("odd.mkv", 132, 78), ("wide_pixels.mp4", 172, 72), ("deep.mkv", 128, 72)],
)
def test_the_proxy_is_upright_square_even_and_8_bit(name: str, width_px: int, height_px: int, made: Make) -> None:
    [(packets, proxy)] = made(name, 1).parts

    with av.open(str(proxy)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))

        assert (frame.width, frame.height, frame.format.name, frame.rotation) == (width_px, height_px, "yuv420p", 0)
        assert stream.sample_aspect_ratio in (None, 1)
        assert not frame.interlaced_frame
    assert (packets.width_px, packets.height_px) == (width_px, height_px)


def test_the_proxy_keeps_the_times_of_the_film(made: Make) -> None:
    all_of_it = made("vfr.mkv", 5)

    for packets, proxy in all_of_it.parts:
        with av.open(str(proxy)) as container:
            stream = container.streams.video[0]
            times = [f.pts * stream.time_base for f in container.decode(stream)]  # type: ignore[operator]  # MP4 has both

        assert times == [(int(p) - packets.start_ticks) * packets.time_base for p in packets.pts]


def test_the_index_says_where_each_packet_lies(made: Make) -> None:
    for packets, proxy in made("sound.mp4", 5).parts:
        data = proxy.read_bytes()
        with av.open(str(proxy), options={"ignore_editlist": "1"}) as container:
            coded = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
            container.seek(0)
            sounds = [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]

        places = zip(packets.offset_bytes, packets.size_bytes, strict=True)
        assert [data[at : at + size] for at, size in places] == coded
        places = zip(packets.audio.offset_bytes, packets.audio.size_bytes, strict=True)
        assert [data[at : at + size] for at, size in places] == sounds


def test_proxies_have_no_b_frames_and_begin_with_a_key_frame(any_film: str, made: Make) -> None:
    for packets in made(any_film, 5).packets:
        assert bool(packets.key[0])
        assert np.array_equal(packets.pts, packets.dts)


def test_the_sound_of_a_segment_is_its_own_to_the_sample(made: Make) -> None:
    all_of_it = made("sound.mp4", 5)
    truth = ramp(48000, 60 * 48000 // 25, 2)

    for packets, proxy in all_of_it.parts:
        sound = decoded_sound(proxy)
        low, high = packets.audio.start_sample, packets.audio.end_sample
        inner = slice(200, min(high, truth.shape[1]) - low - 200)
        errors = [
            float(np.square(sound[0, inner] - truth[0, low + shift :][inner]).mean())
            for shift in range(-3 if low else 0, 4)
        ]

        assert errors.index(min(errors)) == (3 if low else 0)
        assert min(errors) < 1e-3


def test_sound_that_ends_early_becomes_silence_and_surround_becomes_stereo(made: Make) -> None:
    short, surround = made("short_sound.mp4", 1), made("surround.mp4", 1)

    quiet = decoded_sound(short.parts[0][1])
    assert quiet.shape[0] == 1
    assert float(np.abs(quiet[0, 20000:28000]).max()) > 0.2
    assert float(np.abs(quiet[0, 34000:]).max()) < 0.01
    assert decoded_sound(surround.parts[0][1]).shape[0] == 2


def test_a_film_without_sound_gives_a_proxy_without(made: Make) -> None:
    [(packets, proxy)] = made("plain.mp4", 1).parts

    with av.open(str(proxy)) as container:
        assert not container.streams.audio
    assert packets.audio is None


def test_another_count_than_the_plans_is_refused(film: Callable[[str], Path], tmp_path: Path) -> None:
    segment, whole = plan(film("plain.mp4"))
    assert isinstance(segment, PlannedSegment)
    assert isinstance(whole, Plan)
    wrong = replace(segment, frames=61)

    with pytest.raises(FrameCountMismatch, match="60 frames where the plan counts 61"):
        preprocess(film("plain.mp4"), wrong, total_frames=61, out_dir=tmp_path, profile=REVIEW)

    assert list(tmp_path.iterdir()) == []


def test_progress_ends_at_the_segments_frames(film: Callable[[str], Path], tmp_path: Path) -> None:
    segment, _ = plan(film("plain.mp4"))
    assert isinstance(segment, PlannedSegment)
    told: list[tuple[int, int]] = []

    preprocess(
        film("plain.mp4"),
        segment,
        total_frames=60,
        out_dir=tmp_path,
        profile=REVIEW,
        progress=lambda done, of: told.append((done, of)),
    )

    assert told == [(25, 60), (50, 60), (60, 60)]


def test_what_travels_between_processes_pickles(made: Make) -> None:
    whole = made("sound.mp4", 5)

    for value in (whole.plan, whole.packets[0], whole.tiny[0], REVIEW, FrameCountMismatch("a")):
        again = pickle.loads(pickle.dumps(value))  # noqa: S301  # our own bytes

        assert type(again) is type(value)
    assert pickle.loads(pickle.dumps(whole.packets[0])) == whole.packets[0]  # noqa: S301  # our own bytes
