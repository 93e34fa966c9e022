"""Films that are broken in every way that was thought of or found, each made from a good one.

Whatever is sent: refused with a reason or processed with what is whole; no other file is read, and nothing grows or hangs.
"""

import contextlib
import io
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from heaters_media import mp4
from heaters_media.errors import BadLedger, BadMedia
from heaters_media.film import FilmKind, render_film
from heaters_media.ledger import FrameTable, Packets
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.preprocess import preprocess
from heaters_media.probe import probe
from heaters_media.profiles import REVIEW
from heaters_media.reuse import obstacles
from heaters_media.storyboard import Storyboard
from heaters_media.tiny import Tiny
from heaters_media.waveform import Waveform
from PIL import Image

OTHER = "other.mp4"
"""A good film beside the broken one; nothing may ever open it."""


@dataclass(frozen=True)
class Broken:
    """A case.

    Attributes:
        name: what is wrong, in a word or two.
        suffix: of the file.
        data: its bytes.
        refused: part of the reason for which it is refused; empty if what is whole of it is processed.
        frames: (fewest, most) that it may give then.
    """

    name: str
    suffix: str
    data: bytes
    refused: str = ""
    frames: tuple[int, int] = (60, 60)


def boxes(data: bytes, *path: str) -> int:
    """Where the payload of the first box of a path begins."""
    at, end = 0, len(data)
    for name in path:
        while at + 8 <= end:
            (length,) = struct.unpack(">I", data[at : at + 4])
            if data[at + 4 : at + 8] == name.encode():
                end, at = at + length, at + 8
                break
            at += length
        else:
            raise KeyError(name)
    return at


STBL = ("moov", "trak", "mdia", "minf", "stbl")


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def flipped(data: bytes, low: int, high: int, times: int, seed: int) -> bytes:
    dice, broken = random.Random(seed), bytearray(data)
    for _ in range(times):
        broken[dice.randrange(low, high)] ^= 1 << dice.randrange(8)
    return bytes(broken)


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 36), "red").save(out, kind)
    return out.getvalue()


def huge_header(side_px: int) -> bytes:
    """An MP4 whose H.264 header (7.3.2.1.1) promises a picture that no machine has room for."""

    def ue(value: int) -> str:
        bits = f"{value + 1:b}"
        return "0" * (len(bits) - 1) + bits

    blocks = side_px // 16 - 1
    bits = ue(0) + ue(0) + ue(2) + ue(1) + "0" + ue(blocks) + ue(blocks) + "1100" + "1"
    bits += "0" * (-len(bits) % 8)
    sps = bytes([0x67, 66, 0, 51]) + int(bits, 2).to_bytes(len(bits) // 8, "big")
    pps = bytes([0x68, 0xCE, 0x38, 0x80])
    avcc = bytes([1, 66, 0, 51, 0xFF, 0xE1]) + struct.pack(">H", len(sps)) + sps
    avcc += b"\1" + struct.pack(">H", len(pps)) + pps
    config = struct.pack(">I", 8 + len(avcc)) + b"avcC" + avcc
    entry = bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HH", side_px & 0xFFFF, side_px & 0xFFFF)
    entry += struct.pack(">IIIH", 0x480000, 0x480000, 0, 1) + bytes(32) + struct.pack(">Hh", 24, -1) + config
    entry = struct.pack(">I", 8 + len(entry)) + b"avc1" + entry
    packet = struct.pack(">I", 8) + b"\x65\x88\x84\0\0\0\0\1"
    return mp4.write(
        [
            mp4.Track(
                "vide",
                25,
                entry,
                np.full(5, len(packet), np.int64),
                np.ones(5, np.int64),
                width_px=side_px & 0xFFFF,
                height_px=side_px & 0xFFFF,
            )
        ],
        [[packet] * 5],
    )


def many_frames(good: Path, count: int) -> bytes:
    """A second of film with a great many frames in it: one key frame over and over."""
    entry = mp4.sample_entries(good)["vide"]
    data = good.read_bytes()
    at = boxes(data, *STBL, "stsz")
    (first_size,) = struct.unpack(">I", data[at + 12 : at + 16])
    at = boxes(data, *STBL, "stco")
    (place,) = struct.unpack(">I", data[at + 8 : at + 12])
    packet = data[place : place + first_size]
    sizes, ones = np.full(count, len(packet), np.int64), np.ones(count, np.int64)
    return mp4.write([mp4.Track("vide", count, entry, sizes, ones, width_px=32, height_px=16)], [[packet] * count])


def render_broken(folder: Path) -> list[Broken]:
    """All cases."""

    def film(name: str, **kind: object) -> bytes:
        return render_film(folder / name, FilmKind(**kind)).read_bytes()  # type: ignore[arg-type]  # named as FilmKind names them

    front = {"movflags": "+faststart"}
    good = film("good.mp4", b_frames=2, container_options=front)
    sound = film("sound.mp4", audio_rate=48000, container_options=front)
    late_index = film("late_index.mp4")
    mkv, webm = (
        film("good.mkv"),
        film("good.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    )
    stream = film("good.ts", b_frames=2)
    avi = film("good.avi", codec="mpeg4")
    render_film(folder / OTHER, FilmKind(frames=33))
    render_film(folder / "small.mp4", FilmKind(frames=2, width_px=32, height_px=16, container_options=front))
    other = folder / OTHER
    mdat = boxes(good, "mdat")
    sizes, places = boxes(good, *STBL, "stsz"), boxes(good, *STBL, "stco")
    times, keys = boxes(good, *STBL, "stts"), boxes(good, *STBL, "stss")
    edit = boxes(good, "moov", "trak", "edts", "elst")
    chunk = boxes(good, *STBL, "stsc")
    text, cut_off, playlist = "text or an unknown format", "index is missing or damaged", "playlist"
    packet = 188  # of a transport stream

    return [
        Broken("nothing", ".mp4", b"", "the file is empty"),
        Broken("one byte", ".mp4", b"\0", text),
        Broken("zeros", ".mp4", bytes(100_000), text),
        Broken("noise", ".mp4", random.Random(1).randbytes(100_000), text),
        Broken("text", ".mp4", b"This is not a film.\n" * 999, text),
        Broken("a page", ".mp4", b"<!doctype html><html><body>404 Not Found</body></html>\n" * 50, text),
        Broken("a zip", ".mp4", b"PK\3\4" + random.Random(2).randbytes(9999), text),
        Broken("a pdf", ".mp4", b"%PDF-1.7\n" + random.Random(3).randbytes(9999), text),
        Broken("subtitles", ".mp4", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 99, text),
        *(Broken(f"a {kind}", ".mp4", picture(kind), "single picture") for kind in ("PNG", "JPEG", "BMP", "WEBP", "TIFF")[:4]),
        Broken("a wave file", ".mp4", b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(999), text),
        Broken("ffconcat", ".mp4", f"ffconcat version 1.0\nfile {other}\n".encode(), playlist),
        Broken("ffconcat, protocol", ".mp4", f"ffconcat version 1.0\nfile 'file:{other}'\n".encode(), playlist),
        Broken("ffconcat, relative", ".mp4", f"ffconcat version 1.0\nfile {OTHER}\n".encode(), playlist),
        Broken("hls", ".mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n".encode(), playlist),
        Broken("hls, master", ".m3u8", f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{OTHER}\n".encode(), playlist),
        Broken("dash", ".mpd", f'<?xml version="1.0"?><MPD><BaseURL>{other}</BaseURL></MPD>'.encode(), text),
        Broken("sdp", ".sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 1234 RTP/AVP 96\n", text),
        Broken("cut off in the first box", ".mp4", good[:20], cut_off),
        Broken("cut off in the index", ".mp4", good[: mdat // 2], cut_off),
        Broken("cut off before the data", ".mp4", good[:mdat], "not a single frame"),
        Broken("cut off in the first frame", ".mp4", good[: mdat + 40], "not a single frame"),
        Broken("cut off at a quarter", ".mp4", good[: mdat + (len(good) - mdat) // 4], frames=(3, 20)),
        Broken("cut off at three quarters", ".mp4", good[: mdat + (len(good) - mdat) * 3 // 4], frames=(30, 50)),
        Broken("without its last byte", ".mp4", good[:-1], frames=(59, 60)),
        Broken("cut off before a late index", ".mp4", late_index[: len(late_index) // 2], cut_off),
        Broken("data without an index", ".mp4", good[: boxes(good, "ftyp") + 24] + good[mdat - 8 :], cut_off),
        Broken("a box longer than all", ".mp4", put(good, boxes(good, "moov") - 8, b"\x7f\xff\xff\xff")),
        Broken("a box shorter than its head", ".mp4", put(good, boxes(good, "moov", "trak") - 8, b"\0\0\0\3"), "no video stream"),
        Broken("four billion sizes", ".mp4", put(good, sizes + 8, b"\xff\xff\xff\xff"), frames=(0, 60)),
        Broken("a packet of two gigabytes", ".mp4", put(good, sizes + 12, b"\x7f\xff\xff\xff"), frames=(0, 60)),
        Broken("packets of no bytes", ".mp4", put(good, sizes + 12, bytes(4 * 60)), "not a single frame"),
        Broken("data beyond the end", ".mp4", put(good, places + 8, b"\x7f\xff\xff\xff"), "not a single frame"),
        Broken("data in the index", ".mp4", put(good, places + 8, bytes(4)), "not a single frame"),
        Broken("times that stand still", ".mp4", put(good, times + 12, bytes(4)), frames=(0, 60)),
        Broken("a frame of an hour each", ".mp4", put(good, times + 12, struct.pack(">I", 12800 * 4000)), "would be shown for"),
        Broken("times past all counting", ".mp4", put(good, times + 12, b"\xff\xff\xff\xff"), frames=(0, 60)),
        Broken("key frames that are none", ".mp4", put(good, keys + 8, struct.pack(">II", 2, 5)), frames=(60, 60)),
        Broken("chunks of a billion frames", ".mp4", put(good, chunk + 12, b"\x3f\xff\xff\xff"), frames=(0, 60)),
        Broken("an edit list past the end", ".mp4", put(good, edit + 12, b"\x7f\xff\xff\xff"), frames=(0, 60)),
        Broken("an edit list of nothing", ".mp4", put(good, edit + 8, bytes(4)), frames=(0, 60)),
        Broken("data of zeros", ".mp4", good[:mdat] + bytes(len(good) - mdat), "not a single frame"),
        Broken("data of noise", ".mp4", good[:mdat] + random.Random(4).randbytes(len(good) - mdat), frames=(0, 60)),
        *(Broken(f"flipped in the index, {n}", ".mp4", flipped(good, 32, mdat, 6, n), frames=(0, 60)) for n in range(6)),
        *(Broken(f"flipped in the data, {n}", ".mp4", flipped(sound, mdat + 99, len(sound), 20, n), frames=(0, 60)) for n in range(6)),
        Broken("a picture of 9k x 9k", ".mp4", huge_header(9008), "9008x9008 is larger than the limit"),
        Broken("a picture of 16k x 16k", ".mp4", huge_header(16384), "the header names no picture size"),
        Broken("a picture of 65k x 65k", ".mp4", huge_header(65536), "the header names no picture size"),
        Broken("fifty thousand frames in a second", ".mp4", many_frames(folder / "small.mp4", 50_000), frames=(50_000, 50_000)),
        Broken("matroska, cut off", ".mkv", mkv[: len(mkv) // 2], frames=(20, 45)),
        Broken("matroska, head only", ".mkv", mkv[:200], frames=(0, 0)),
        Broken("matroska, without its head", ".mkv", mkv[64:], frames=(0, 60)),
        Broken("webm, flipped", ".webm", flipped(webm, 400, len(webm), 20, 1), frames=(0, 60)),
        Broken("transport stream, cut off in a packet", ".ts", stream[: packet * 30 + 77], frames=(1, 59)),
        Broken("transport stream, without its first key frame", ".ts", stream[packet * 12 :], frames=(1, 59)),
        Broken("transport stream, every tenth packet lost", ".ts", b"".join(stream[n : n + packet] for n in range(0, len(stream), packet) if n // packet % 10 != 5), frames=(0, 60)),
        Broken("transport stream, out of step", ".ts", stream[55:], frames=(1, 60)),
        Broken("transport stream, times that wrap", ".ts", film("wrap.ts", first_tick=2**33 // 3600 - 20, b_frames=2), frames=(60, 60)),
        Broken("transport stream, times that go back", ".ts", stream + stream, frames=(0, 120)),
        Broken("transport stream, a day between", ".ts", stream + film("day.ts", first_tick=25 * 40000), frames=(0, 120)),
        Broken("avi, cut off", ".avi", avi[: len(avi) // 2], frames=(0, 45)),
        Broken("avi, without its index", ".avi", avi[: avi.rindex(b"idx1")], frames=(55, 60)),
        # Found by chance: FFmpeg believes an index that promises packets of half a gigabyte, and asks for the memory: for as many at once as
        # it has threads, one for each core.
        Broken("avi, pictures where its index was", ".avi", avi[: (at := avi.rindex(b"idx1")) + 177] + avi[at - 1767 : at + 177], frames=(0, 60)),
    ]  # fmt: skip


_MEMORY_BYTES = 1 << 30
_BUDGET_S = 30


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Broken]]:
    folder = tmp_path_factory.mktemp("broken")
    return folder, render_broken(folder)


def work_on(path: Path, out: Path) -> tuple[str, int, int]:
    """Everything that is done with a film, up to review: the reason for which it is refused, or its frames, and how many are damaged.

    Of films of many segments the first two are made.
    """
    try:
        *pieces, whole = plan(path)
        assert isinstance(whole, Plan)
        obstacles(path, probe(path), REVIEW)
        damaged = 0
        for piece in whole.segments[:2]:
            (folder := out / str(piece.index)).mkdir(parents=True)
            made = preprocess(path, piece, total_frames=whole.frames, out_dir=folder, profile=REVIEW)
            assert Packets.load(made.packets).frames == piece.frames
            damaged += made.frames_damaged
        assert len(pieces) == len(whole.segments)
    except BadMedia as wrong:
        return str(wrong), 0, 0
    except MemoryError:  # as the child process says it, which the services work in
        return "the work wanted more memory than a job may have", 0, 0
    return "", whole.frames, damaged


def _limited(path: Path, out: Path, say: Callable[[object], None]) -> None:
    # Beyond what was forked along: much, where many tests ran before.
    held = int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (held + _MEMORY_BYTES, resource.RLIM_INFINITY))
    signal.alarm(_BUDGET_S)  # kills a decoder that never comes back, which no exception could
    say(work_on(path, out))


def in_a_process(path: Path, out: Path) -> tuple[str, int, int]:
    context = multiprocessing.get_context("fork")
    hear, say = context.Pipe(duplex=False)
    child = context.Process(target=_limited, args=(path, out, say.send))
    child.start()
    say.close()
    try:
        told: tuple[str, int, int] = hear.recv()
    except EOFError:
        child.join()
        raise AssertionError(f"the work on {path.name} ended without a word, exit code {child.exitcode}") from None
    child.join()
    return told


def test_what_is_broken_is_refused_with_a_reason_or_processed_with_what_is_whole(
    cases: tuple[Path, list[Broken]], tmp_path: Path
) -> None:
    folder, every = cases
    for number, case in enumerate(every):
        path = folder / f"case {number}{case.suffix}"
        path.write_bytes(case.data)

        reason, frames, damaged = in_a_process(path, tmp_path / str(number))

        if case.refused:
            assert case.refused in reason, case.name
        elif reason:
            assert case.frames[0] == 0, (case.name, reason)
            assert "Errno" not in reason, (case.name, reason)
        else:
            assert max(1, case.frames[0]) <= frames <= case.frames[1], (case.name, frames)
            assert damaged <= frames // 2, case.name
    assert len(every) >= 60


def test_no_broken_film_makes_anything_read_the_one_beside_it(cases: tuple[Path, list[Broken]]) -> None:
    # The film beside has 33 frames, which no case has and none but it can give.
    folder, every = cases
    assert len(list(plan(folder / OTHER))) == 2
    for case in every:
        if OTHER.encode() in case.data or str(folder).encode() in case.data:
            assert case.refused, case.name


def test_damaged_ledgers_are_refused_or_read_and_never_crash(tmp_path: Path) -> None:
    source = render_film(tmp_path / "film.mp4", FilmKind(frames=30, audio_rate=48000))
    piece, whole = plan(source)
    assert isinstance(piece, PlannedSegment)
    assert isinstance(whole, Plan)
    made = preprocess(source, piece, total_frames=30, out_dir=tmp_path, profile=REVIEW)
    whole.table.save(tmp_path / "table.npz")
    assert made.waveform is not None
    readers: dict[Path, Callable[[bytes], object]] = {
        tmp_path / "table.npz": FrameTable.load,
        made.packets: Packets.load,
        made.tiny: Tiny.load,
        made.storyboard: Storyboard.load,
        made.waveform: Waveform.load,
    }
    refused = 0
    for path, load in readers.items():
        data = path.read_bytes()
        for seed in range(150):
            broken = flipped(data, 0, min(len(data), 2000), 3, seed)
            with contextlib.suppress(BadLedger):
                load(broken)
                refused -= 1
            refused += 1

    assert refused > 300


EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A film with some of the things done to it that happen to films, and some that only an enemy does."""
    broken = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        # Half of the time near the start or the end, where the headers and indexes are.
        low = dice.choice((0, 0, max(0, len(broken) - 4096), dice.randrange(len(broken))))
        at = min(len(broken) - 1, low + dice.randrange(4096))
        length = dice.choice((1, 4, 16, 200, 5000))
        match dice.randrange(7):
            case 0:
                broken[at] ^= 1 << dice.randrange(8)
            case 1:
                broken[at : at + 4] = dice.choice(EXTREMES)
            case 2:
                broken[at : at + length] = bytes(length)
            case 3:
                del broken[at : at + length]
            case 4:
                broken[at:at] = broken[at : at + length]
            case 5:
                other = dice.randrange(len(broken))
                broken[at : at + length] = broken[other : other + length]
            case _:
                del broken[max(1, at) :]
        if not broken:
            broken = bytearray(b"\0")
    return bytes(broken)


@pytest.mark.long
def test_whatever_happens_to_a_film_is_refused_or_processed(tmp_path: Path) -> None:
    """For HEATERS_FUZZ_S seconds, by HEATERS_SEED. What it finds is kept in the folder that it names, to become a case above."""
    dice = random.Random(int(os.environ.get("HEATERS_SEED", "1")))
    until = time.monotonic() + float(os.environ.get("HEATERS_FUZZ_S", "60"))
    kinds = {
        ".mp4": FilmKind(b_frames=2, audio_rate=48000),
        ".mov": FilmKind(codec="mjpeg", pix_fmt="yuvj420p"),
        ".mkv": FilmKind(audio_rate=48000),
        ".webm": FilmKind(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
        ".ts": FilmKind(b_frames=2, audio_rate=48000),
        ".avi": FilmKind(codec="mpeg4"),
        ".flv": FilmKind(audio_rate=44100),
    }
    good = {suffix: render_film(tmp_path / f"good{suffix}", kind).read_bytes() for suffix, kind in kinds.items()}
    found, tried, refused = [], 0, 0
    while time.monotonic() < until or tried < len(good):
        suffix = dice.choice(list(good))
        path = tmp_path / f"{tried}{suffix}"
        path.write_bytes(mutated(good[suffix], dice))
        tried += 1
        try:
            reason, *_ = in_a_process(path, tmp_path / f"out{tried}")
            refused += bool(reason)
            assert "Errno" not in reason, reason
        except AssertionError as problem:
            found.append(f"{path}: {problem}")
        else:
            path.unlink()
        shutil.rmtree(tmp_path / f"out{tried}", ignore_errors=True)

    assert not found, f"{len(found)} of {tried}: {found}"
    assert 0 < refused < tried
