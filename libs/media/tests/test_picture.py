import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from heaters_media.film import draw_number, read_number, read_numbers
from heaters_media.hdr import HLG, PQ, to_sdr
from heaters_media.keyframes import keyframes
from heaters_media.ledger import Packets
from heaters_media.plan import PlannedSegment, plan
from heaters_media.preprocess import preprocess
from heaters_media.probe import probe
from heaters_media.profiles import REVIEW
from heaters_media.tiny import Tiny

_PQ_WHITE, _PQ_PEAK, _HLG_WHITE = 0.5807, 0.7518, 0.75  # 203 and 1000 cd/m2 in PQ, 203 in HLG (BT.2408, table 1)


def grey(level: float, transfer: int) -> float:
    red, green, blue = to_sdr(np.full((1, 3), level), transfer)[0].tolist()
    assert red == pytest.approx(green, abs=0.01) == pytest.approx(blue, abs=0.01)
    return float(green)


@pytest.mark.parametrize(("transfer", "white"), [(PQ, _PQ_WHITE), (HLG, _HLG_WHITE)])
def test_black_stays_black_and_diffuse_white_is_nearly_white(transfer: int, white: float) -> None:
    assert grey(0.0, transfer) == pytest.approx(0.0, abs=0.01)
    assert 0.85 < grey(white, transfer) < 0.97


def test_highlights_are_rolled_off_and_keep_their_order() -> None:
    levels = np.linspace(0, 1, 200)

    for transfer in (PQ, HLG):
        shown = to_sdr(np.repeat(levels[:, None], 3, axis=1), transfer)[:, 1]
        assert bool((np.diff(shown) >= -1e-9).all())
    assert grey(_PQ_PEAK, PQ) == pytest.approx(1.0, abs=0.005)
    assert grey(1.0, PQ) == pytest.approx(1.0, abs=0.005)
    assert grey(0.66, PQ) < 1.0


def test_what_is_no_brighter_than_the_knee_keeps_its_light() -> None:
    # 50 cd/m2 is a quarter of diffuse white: a quarter of a screen's light.
    assert grey(0.4403, PQ) ** 2.4 == pytest.approx(50 / 203, rel=0.01)


def test_a_highlight_keeps_its_hue() -> None:
    red, green, blue = (to_sdr(np.array([[0.85, 0.6, 0.6]]), PQ)[0] ** 2.4).tolist()

    assert red > 3 * max(green, blue)


def hdr_film(path: Path, transfer: str) -> Path:
    """A numbered film whose white is diffuse white, in ten bits."""
    level = _PQ_WHITE if transfer == "smpte2084" else _HLG_WHITE
    params = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:keyint=10"
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx265", rate=25, options={"preset": "ultrafast", "x265-params": params})
        video.width, video.height, video.pix_fmt = 128, 72, "yuv420p10le"
        for number in range(20):
            bits = (draw_number(number, 128, 72)[:, :, 0] > 128) * level
            luma = (64 + bits * 876).astype(np.uint16)
            frame = VideoFrame(128, 72, "yuv420p10le")
            for plane, values in zip(frame.planes, (luma, np.full((36, 64), 512), np.full((36, 64), 512)), strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_an_hdr_film_becomes_a_proxy_that_any_screen_shows(transfer: str, tmp_path: Path) -> None:
    source = hdr_film(tmp_path / "hdr.mp4", transfer)
    piece, _ = plan(source)
    assert isinstance(piece, PlannedSegment)

    made = preprocess(source, piece, total_frames=20, out_dir=tmp_path, profile=REVIEW)

    assert probe(source).color_transfer in (PQ, HLG)
    assert made.proxy is not None
    assert read_numbers(made.proxy) == list(range(20))
    seen = probe(made.proxy)
    assert (seen.pix_fmt, seen.color_primaries, seen.color_transfer, seen.color_space) == ("yuv420p", 1, 1, 1)
    with av.open(str(made.proxy)) as container:
        luma = next(container.decode(video=0)).to_ndarray(format="gray")  # full range: 255 is white
    assert int(luma.min()) < 8
    assert 215 < int(np.median(luma[luma > 128])) < 248


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
@pytest.mark.parametrize(("across", "down"), [(True, False), (False, True)])
def test_a_mirrored_film_is_set_right(turn_deg: int, across: bool, down: bool, tmp_path: Path) -> None:
    # Coded is what becomes the number when a player turns it counterclockwise and mirrors it then.
    source = tmp_path / "mirror.mp4"
    turned = turn_deg in (90, 270)
    with av.open(str(source), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "10"})
        video.width, video.height, video.pix_fmt = 128, 72, "yuv420p"
        video.set_display_rotation(turn_deg, across, down)
        for number in range(5):
            shown = draw_number(number + 100, *((72, 128) if turned else (128, 72)))
            shown = shown[:, ::-1] if across else shown
            shown = shown[::-1] if down else shown
            coded = np.ascontiguousarray(np.rot90(shown, -turn_deg // 90))
            frame = VideoFrame.from_ndarray(coded, format="rgb24")
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    piece, _ = plan(source)
    assert isinstance(piece, PlannedSegment)

    made = preprocess(source, piece, total_frames=5, out_dir=tmp_path, profile=REVIEW)

    assert probe(source).mirrored
    assert made.proxy is not None
    assert read_numbers(made.proxy) == list(range(100, 105))
    assert [read_number(row) for row in Tiny.load(made.tiny).frames] == list(range(100, 105))
    [picture] = keyframes(source, [2])
    assert read_number(_pixels(picture)) == 102


def _pixels(jpeg: bytes) -> Any:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def test_a_damaged_frame_shows_the_one_before_and_is_counted(film: Callable[[str], Path], tmp_path: Path) -> None:
    source = film("mjpeg.mov")  # each frame stands alone, so that damage to one is damage to one
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
    data = bytearray(source.read_bytes())
    for n in (0, 20, 21):
        data[packets[n].pos : packets[n].pos + packets[n].size] = bytes(packets[n].size)
    broken = tmp_path / "broken.mov"
    broken.write_bytes(data)
    *pieces, _whole = plan(broken)
    first = pieces[0]
    assert isinstance(first, PlannedSegment)

    made = preprocess(broken, first, total_frames=first.frames, out_dir=tmp_path, profile=REVIEW)

    begin = 60 - first.frames  # a damaged first frame is no frame: nothing can be shown in its place
    assert made.proxy is not None
    assert made.frames_damaged == 2
    assert read_numbers(made.proxy) == [n if n not in (20, 21) else 19 for n in range(begin, 60)]
    assert Packets.load(made.packets).frames == first.frames


def test_a_damaged_stretch_keeps_every_other_frame_at_its_index(film: Callable[[str], Path], tmp_path: Path) -> None:
    source = film("plain.mp4")  # key frames at 0, 12, 24, ...
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
    data = bytearray(source.read_bytes())
    for packet in packets[26:36]:
        data[packet.pos : packet.pos + packet.size] = struct.pack(">I", packet.size - 4) + b"\x1f" * (packet.size - 4)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    piece, _ = plan(broken)
    assert isinstance(piece, PlannedSegment)

    made = preprocess(broken, piece, total_frames=60, out_dir=tmp_path, profile=REVIEW)

    assert made.proxy is not None
    numbers = read_numbers(made.proxy)
    assert len(numbers) == made.frames == 60
    assert numbers[:26] == list(range(26))
    assert numbers[36:] == list(range(36, 60))
    assert made.frames_damaged == 10
