"""Small films of every kind in which each frame carries its number, so that a test or a benchmark can read what it got."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

COLUMNS, ROWS = 8, 4
_BITS = COLUMNS * ROWS // 2


@dataclass(frozen=True, slots=True)
class FilmKind:
    """What kind of film to render. The defaults are the plainest.

    Attributes:
        frames: how many, at most 65,536.
        rate: frames a second, for films of constant rate.
        width_px: as coded.
        height_px: as coded.
        pts: instead of a constant rate: ticks of each frame, increasing.
        time_base: seconds a tick of `pts`.
        first_tick: pts of the first frame of a film of constant rate, in frames.
        hidden_frames: so many more before it, coded and hidden by an edit list, as in a film that a phone has trimmed.
        gop_frames: longest distance between key frames.
        b_frames: between two others, at most.
        open_gop: whether pictures before a key frame may refer past it.
        rotation_deg: counterclockwise, as containers store it.
        pixel_aspect: of a pixel.
        interlaced: whether to flag and code fields.
        codec: FFmpeg's name of the encoder.
        pix_fmt: FFmpeg's name.
        audio_rate: samples a second, or 0 for silence.
        audio_channels: of the sound.
        audio_samples: where the sound ends; None lets it end with the picture.
        options: more for the encoder.
        container_options: for the container.
    """

    frames: int = 60
    rate: Fraction = Fraction(25)
    width_px: int = 128
    height_px: int = 72
    pts: Sequence[int] | None = None
    time_base: Fraction | None = None
    first_tick: int = 0
    hidden_frames: int = 0
    gop_frames: int = 12
    b_frames: int = 0
    open_gop: bool = False
    rotation_deg: int = 0
    pixel_aspect: Fraction = Fraction(1)
    interlaced: bool = False
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    audio_rate: int = 0
    audio_channels: int = 2
    audio_samples: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)


def render_film(path: Path, kind: FilmKind) -> Path:
    """Render a numbered film; the container follows from the file's name."""
    with _ordinary_priority():
        return _rendered(path, kind)


@contextmanager
def _ordinary_priority() -> Iterator[None]:
    """Give this thread its scheduling back: SVT-AV1, run as root, leaves it a real-time one, and every child inherits that."""
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def _rendered(path: Path, kind: FilmKind) -> Path:
    with av.open(str(path), "w", options=kind.container_options) as output:
        video = output.add_stream(kind.codec, rate=kind.rate, options=_options(kind))
        assert isinstance(video, VideoStream)  # noqa: S101  # the kind names a picture's codec
        video.width, video.height, video.pix_fmt = kind.width_px, kind.height_px, kind.pix_fmt
        time_base = kind.time_base or 1 / kind.rate
        video.time_base = video.codec_context.time_base = time_base
        video.codec_context.sample_aspect_ratio = kind.pixel_aspect
        video.codec_context.gop_size = kind.gop_frames
        video.codec_context.max_b_frames = kind.b_frames
        if kind.rotation_deg:
            video.set_display_rotation(kind.rotation_deg)
        sound = None
        if kind.audio_rate:
            sound = output.add_stream("aac", rate=kind.audio_rate)
            assert isinstance(sound, AudioStream)  # noqa: S101  # aac is a sound codec
            sound.codec_context.layout = {1: "mono", 2: "stereo", 6: "5.1"}[kind.audio_channels]
        ticks = kind.pts
        if ticks is None:
            ticks = range(kind.first_tick - kind.hidden_frames, kind.first_tick + kind.frames)
        for number, pts in enumerate(ticks, start=-kind.hidden_frames):
            frame = VideoFrame.from_ndarray(_coded(number, kind), format="rgb24").reformat(format=kind.pix_fmt)
            frame.pts, frame.time_base = pts, time_base
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound is not None:
            begin = int(ticks[0] * time_base * kind.audio_rate)
            samples = (
                int(len(ticks) / kind.rate * kind.audio_rate) if kind.audio_samples is None else kind.audio_samples
            )
            layout = sound.codec_context.layout.name
            signal = ramp(kind.audio_rate, samples, kind.audio_channels)
            size = sound.codec_context.frame_size or 1024
            for at in range(0, samples, size):
                piece = AudioFrame.from_ndarray(
                    np.ascontiguousarray(signal[:, at : at + size]), format="fltp", layout=layout
                )
                piece.sample_rate, piece.pts, piece.time_base = (
                    kind.audio_rate,
                    begin + at,
                    Fraction(1, kind.audio_rate),
                )
                output.mux(sound.encode(piece))
            output.mux(sound.encode(None))
    return path


def ramp(rate: int, samples: int, channels: int) -> NDArray[np.float32]:
    """A sound whose pitch rises steadily, so that each moment sounds like no other."""
    t = np.arange(samples, dtype=np.float64) / rate
    wave = 0.3 * np.sin(2 * np.pi * (200 * t + 40 * t * t))
    return np.tile(wave.astype(np.float32), (channels, 1))


def draw_number(number: int, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """A picture that carries a number: 32 black and white blocks, the 16 bits of the number and their opposites."""
    bits = [(number >> n) & 1 for n in range(_BITS)]
    cells = np.array([*bits, *(1 - b for b in bits)], np.uint8).reshape(ROWS, COLUMNS) * 200 + 28
    rows = np.arange(height_px) * ROWS // height_px
    columns = np.arange(width_px) * COLUMNS // width_px
    return np.repeat(cells[rows][:, columns, None], 3, axis=2)


def read_number(picture: NDArray[np.uint8]) -> int:
    """The number that a picture carries.

    Args:
        picture: (height, width) or (height, width, 3), upright, of any size.

    Raises:
        ValueError: the picture carries none, or not clearly.
    """
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    height, width = grey.shape
    values = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, bottom = (height * (4 * (row + n) + d) // (4 * ROWS) for n, d in ((0, 1), (1, -1)))
            left, right = (width * (4 * (column + n) + d) // (4 * COLUMNS) for n, d in ((0, 1), (1, -1)))
            values.append(float(grey[top : max(bottom, top + 1), left : max(right, left + 1)].mean()))
    bits = [value > 128 for value in values]
    if any(a == b for a, b in zip(bits[:_BITS], bits[_BITS:], strict=True)):
        raise ValueError("the picture carries no clear number")
    return sum(1 << n for n, bit in enumerate(bits[:_BITS]) if bit)


def read_numbers(path: Path) -> list[int]:
    """The numbers of all frames that a decode of a film shows, edit lists obeyed, upright."""
    numbers = []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            picture = frame.to_ndarray(format="gray")
            numbers.append(read_number(np.rot90(picture, round(frame.rotation / 90)).astype(np.uint8)))
    return numbers


def _coded(number: int, kind: FilmKind) -> NDArray[np.uint8]:
    """A frame as it is coded: turned back by what a player will turn it."""
    turns = kind.rotation_deg // 90
    size_px = (kind.height_px, kind.width_px) if turns % 2 else (kind.width_px, kind.height_px)
    return np.ascontiguousarray(np.rot90(draw_number(number % (1 << _BITS), *size_px), -turns))


def _options(kind: FilmKind) -> dict[str, str]:
    if kind.codec != "libx264":
        return dict(kind.options)
    params = {
        "keyint": kind.gop_frames,
        "min-keyint": 1,
        "scenecut": 0,
        "bframes": kind.b_frames,
        "b-adapt": 0,
        "open-gop": int(kind.open_gop),
    }
    if kind.interlaced:
        params["tff"] = 1
    said = ":".join(f"{name}={value}" for name, value in params.items())
    return {"preset": "ultrafast", "crf": "16", "x264-params": said, **kind.options}
