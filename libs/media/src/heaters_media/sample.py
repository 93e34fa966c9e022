"""A film to try the system on, rendered on the spot: ten scenes that anyone tells apart, with their true cuts known.

Everything is procedural (gradients, textures, moving shapes, one tone a scene), so there is nothing to license or download.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX, RATE = 640, 360, 25
SOUND_RATE = 48000
SCENES = 10
DISSOLVE_FRAMES = 20  # from the fourth scene to the fifth
FADE_FRAMES = 24  # from the seventh to the eighth, through black
_BLACK_FRAMES = 6  # of the fade, in its middle
_DISSOLVE_AFTER, _FADE_AFTER = 3, 6
_TONES_HZ = (220.0, 277.2, 329.6, 246.9, 392.0, 293.7, 440.0, 261.6, 349.2, 196.0)

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Scene = Callable[[int], Image]


@dataclass(frozen=True, slots=True)
class SampleFilm:
    """What is in a rendered sample. Spans are half-open.

    Attributes:
        frames: of the film.
        cuts: first frame of each new scene that begins with a hard cut; strictly increasing.
        dissolve: frames in which two scenes are mixed.
        fade: frames of the way to black and back.
    """

    frames: int
    cuts: tuple[int, ...]
    dissolve: tuple[int, int]
    fade: tuple[int, int]


def render_sample(path: Path, *, seconds: int = 40) -> SampleFilm:
    """Render the sample film: 640x360 at 25 frames a second, H.264 and AAC.

    Args:
        path: a .mp4 to write; it appears when it is whole.
        seconds: about; each scene gets its share, none less than two seconds.

    Returns:
        The truth about its cuts.
    """
    lengths = _lengths(max(seconds, 2 * SCENES) * RATE)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    frames = int(starts[-1])
    dissolve = int(starts[_DISSOLVE_AFTER + 1]) - DISSOLVE_FRAMES // 2
    fade = int(starts[_FADE_AFTER + 1]) - FADE_FRAMES // 2
    soft = {_DISSOLVE_AFTER + 1, _FADE_AFTER + 1}
    film = SampleFilm(
        frames=frames,
        cuts=tuple(int(starts[n]) for n in range(1, SCENES) if n not in soft),
        dissolve=(dissolve, dissolve + DISSOLVE_FRAMES),
        fade=(fade, fade + FADE_FRAMES),
    )
    part = path.with_name(path.name + ".part")
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        video = output.add_stream(
            "libx264", rate=RATE, options={"preset": "superfast", "crf": "23", "x264-params": "keyint=50:bframes=2"}
        )
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        sound = output.add_stream("aac", rate=SOUND_RATE)
        sound.codec_context.layout = "stereo"
        sound.codec_context.bit_rate = 96_000
        pieces = _sound(starts)
        for number, picture in enumerate(_pictures(lengths, film)):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(video.encode(frame))
            if number % RATE == 0:
                for piece in _until(pieces, (number + RATE) * SOUND_RATE // RATE):
                    output.mux(sound.encode(piece))
        for piece in pieces:
            output.mux(sound.encode(piece))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    os.replace(part, path)
    return film


def _lengths(frames: int) -> list[int]:
    """Scenes of unequal length, as in a real film, that add up to the whole."""
    weights = np.array([10, 8, 12, 11, 12, 7, 11, 12, 9, 8])
    lengths = (weights * frames // weights.sum()).tolist()
    lengths[-1] += frames - sum(lengths)
    return [int(n) for n in lengths]


def _pictures(lengths: list[int], film: SampleFilm) -> Iterator[Image]:
    """All frames in order. In the dissolve and the fade both scenes go on moving."""
    starts = [0, *np.cumsum(lengths).tolist()]
    scene, upcoming = _scene(0), _scene(1)
    number = 0
    for frame in range(film.frames):
        while number + 1 < SCENES and frame >= starts[number + 1]:
            number, scene = number + 1, upcoming
            if number + 1 < SCENES:
                upcoming = _scene(number + 1)
        here = frame - starts[number]
        if film.dissolve[0] <= frame < film.dissolve[1]:
            share = (frame - film.dissolve[0] + 1) / (DISSOLVE_FRAMES + 1)
            yield _mixed(number, scene, upcoming, starts, frame, share)
        elif film.fade[0] <= frame < film.fade[1]:
            middle = film.fade[0] + FADE_FRAMES / 2 - 0.5
            light = max(0.0, abs(frame - middle) - _BLACK_FRAMES / 2) / (FADE_FRAMES / 2 + 1 - _BLACK_FRAMES / 2)
            yield (scene(here) * np.float32(light)).astype(np.uint8)
        else:
            yield scene(here)


def _mixed(number: int, scene: Scene, upcoming: Scene, starts: list[int], frame: int, share: float) -> Image:
    """Two neighbouring scenes on top of each other."""
    if number == _DISSOLVE_AFTER:
        old, new = scene, upcoming
    else:
        old, new = _scene(number - 1), scene
    old_start = starts[_DISSOLVE_AFTER]
    return np.asarray(
        old(frame - old_start) * np.float32(1 - share) + new(frame - starts[_DISSOLVE_AFTER + 1]) * np.float32(share)
    ).astype(np.uint8)


_X, _Y = np.meshgrid(
    np.linspace(0, 1, WIDTH_PX + 160, dtype=np.float32), np.linspace(0, 1, HEIGHT_PX + 90, dtype=np.float32)
)


def _scene(number: int) -> Scene:
    """A large painted backdrop that the camera moves over, and something that moves in front of it."""
    random = np.random.default_rng(1000 + number)
    backdrop, colour, movers, drift = _PAINTERS[number](random)
    sprites = [_ball(radius, colour) for radius in movers]
    phase = random.uniform(0, 6.28, len(sprites))

    def at(frame: int) -> Image:
        x = round(80 + 78 * np.sin(frame * drift[0] / 100))
        y = round(45 + 43 * np.sin(frame * drift[1] / 100 + 1))
        picture = backdrop[y : y + HEIGHT_PX, x : x + WIDTH_PX].copy()
        for sprite, start, radius in zip(sprites, phase, movers, strict=True):
            cx = WIDTH_PX / 2 + (WIDTH_PX / 2 - radius) * np.sin(frame * 0.035 + start)
            cy = HEIGHT_PX / 2 + (HEIGHT_PX / 2 - radius) * np.sin(frame * 0.047 + 2 * start)
            _put(picture, sprite, round(cx), round(cy))
        return picture

    return at


def _ball(radius: int, colour: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """A shaded ball: colour times cover, and one minus cover."""
    y, x = np.mgrid[-radius:radius, -radius:radius].astype(np.float32) / radius
    far = np.sqrt(x * x + y * y)
    cover = np.clip((1 - far) * radius / 1.5, 0, 1)[..., None]
    light = np.clip(1.15 - np.hypot(x + 0.4, y + 0.4) * 0.6, 0.25, 1.2)[..., None]
    shaded = np.clip(light * np.array(colour, np.float32), 0, 255)
    return (shaded * cover).astype(np.float32), (1 - cover).astype(np.float32)


def _put(picture: Image, sprite: tuple[Floats, Floats], cx: int, cy: int) -> None:
    colour, rest = sprite
    radius = len(rest) // 2
    left, top = max(0, cx - radius), max(0, cy - radius)
    right, bottom = min(WIDTH_PX, cx + radius), min(HEIGHT_PX, cy + radius)
    if left >= right or top >= bottom:
        return
    cut = np.s_[top - cy + radius : bottom - cy + radius, left - cx + radius : right - cx + radius]
    here = picture[top:bottom, left:right]
    here[:] = (here * rest[cut] + colour[cut]).astype(np.uint8)


Painted = tuple[Image, tuple[int, int, int], tuple[int, ...], tuple[float, float]]


def _blend(low: tuple[int, int, int], high: tuple[int, int, int], share: Floats) -> Floats:
    share = np.clip(share, 0, 1)[..., None]
    return np.array(low, np.float32) * (1 - share) + np.array(high, np.float32) * share


def _clouds(random: np.random.Generator, scale: int = 6) -> Floats:
    """Smooth noise in [0, 1]: waves of many directions."""
    total = np.zeros_like(_X)
    for octave in range(1, 5):
        for _ in range(3):
            angle, phase = random.uniform(0, 6.28, 2)
            turn = np.cos(angle) * _X * 1.78 + np.sin(angle) * _Y
            total += np.sin(turn * scale * octave * 1.7 + phase + total * 0.7) / octave
    return np.asarray((total - total.min()) / (np.ptp(total) + 1e-6), np.float32)


def _finished(picture: Floats, random: np.random.Generator, grain: float = 3) -> Image:
    return np.clip(picture + random.normal(0, grain, (*_X.shape, 1)), 0, 255).astype(np.uint8)


def _sunset(r: np.random.Generator) -> Painted:
    sky = _blend((250, 190, 90), (70, 40, 110), 1 - _Y * 1.3 + _clouds(r) * 0.35)
    hills = (0.72 + 0.05 * np.sin(_X * 9) < _Y)[..., None]
    return _finished(np.where(hills, np.array([38, 22, 44], np.float32), sky), r), (255, 236, 170), (44,), (1.1, 0.4)


def _sea(r: np.random.Generator) -> Painted:
    waves = 0.5 + 0.5 * np.sin(_Y * 60 + 5 * np.sin(_X * 8) + _clouds(r) * 6)
    return _finished(_blend((8, 60, 110), (120, 205, 220), waves * _Y), r), (240, 250, 255), (20, 30), (1.6, 0.8)


def _forest(r: np.random.Generator) -> Painted:
    trunks = (np.sin(_X * 70 + 2 * np.sin(_Y * 3)) > 0.55).astype(np.float32)
    leaves = _blend((14, 46, 20), (120, 170, 60), _clouds(r, 14))
    return _finished(leaves * (1 - 0.7 * trunks[..., None]), r, 6), (235, 220, 80), (14, 18, 22), (2.0, 0.5)


def _night(r: np.random.Generator) -> Painted:
    sky = _blend((4, 6, 20), (24, 30, 70), _Y + _clouds(r) * 0.3)
    stars = r.random(_X.shape) > 0.9985
    windows = (
        (np.sin(_X * 190) > 0.1)
        & (np.sin(_Y * 120) > 0.1)
        & (0.45 + 0.25 * np.abs(np.sin(np.floor(_X * 12) * 2.3)) < _Y)
    )
    sky[stars] = (230, 230, 255)
    sky[windows] = (250, 205, 110)
    return _finished(sky, r), (235, 235, 220), (36,), (0.9, 0.3)


def _desert(r: np.random.Generator) -> Painted:
    dunes = 0.5 + 0.5 * np.sin(_Y * 26 + 3 * np.sin(_X * 5 + 1) + _clouds(r, 3) * 2)
    return _finished(_blend((196, 132, 70), (250, 222, 160), dunes), r, 5), (120, 60, 40), (26, 18), (1.3, 0.9)


def _checker(r: np.random.Generator) -> Painted:
    squares = ((np.floor(_X * 20) + np.floor(_Y * 11)) % 2).astype(np.float32)
    return (
        _finished(_blend((225, 30, 60), (250, 245, 240), squares * (0.8 + 0.2 * _clouds(r))), r, 2),
        (20, 30, 160),
        (52,),
        (2.2, 1.5),
    )


def _ice(r: np.random.Generator) -> Painted:
    cracks = np.abs(np.sin(_clouds(r, 9) * 22))
    return _finished(_blend((150, 190, 225), (245, 250, 255), cracks), r), (60, 110, 190), (24, 34, 16), (0.8, 1.2)


def _lava(r: np.random.Generator) -> Painted:
    return (
        _finished(_blend((40, 4, 2), (255, 130, 10), _clouds(r, 8) ** 2 * 1.6), r, 4),
        (255, 240, 120),
        (12, 16, 20, 24),
        (1.0, 1.7),
    )


def _meadow(r: np.random.Generator) -> Painted:
    grass = _blend((70, 140, 40), (170, 215, 90), 0.5 + 0.5 * np.sin(_X * 240 + _clouds(r) * 9))
    flowers = r.random((_X.shape[0] // 6, _X.shape[1] // 6)) > 0.97
    flowers = np.kron(flowers, np.ones((6, 6), bool))[: _X.shape[0], : _X.shape[1]]
    sky = _blend((110, 180, 245), (225, 240, 255), _Y * 3)
    picture = np.where((_Y > 0.4)[..., None], grass, sky)
    low, wide = flowers.shape
    picture[:low, :wide][flowers & (_Y[:low, :wide] > 0.42)] = (245, 110, 190)
    return _finished(picture, r), (255, 250, 120), (30,), (1.8, 0.6)


def _rings(r: np.random.Generator) -> Painted:
    far = np.hypot((_X - 0.5) * 1.78, _Y - 0.5)
    return (
        _finished(_blend((30, 10, 60), (90, 240, 200), 0.5 + 0.5 * np.sin(far * 70 + _clouds(r))), r),
        (255, 90, 200),
        (22, 40),
        (1.4, 1.1),
    )


_PAINTERS: tuple[Callable[[np.random.Generator], Painted], ...] = (
    _sunset, _sea, _forest, _night, _desert, _checker, _ice, _lava, _meadow, _rings,
)  # fmt: skip


def _sound(starts: NDArray[np.int64]) -> Iterator[AudioFrame]:
    """One chord a scene, soft at both ends, in pieces of 1024 samples."""
    signal = np.zeros((2, int(starts[-1]) * SOUND_RATE // RATE), np.float32)
    for number, tone in enumerate(_TONES_HZ):
        low, high = (int(starts[number + n]) * SOUND_RATE // RATE for n in (0, 1))
        t = np.arange(high - low, dtype=np.float32) / SOUND_RATE
        shape = np.minimum(1, np.minimum(t, t[::-1]) * 20) * (0.75 + 0.25 * np.sin(t * 3))
        chord = np.sin(6.2832 * tone * t) + 0.5 * np.sin(6.2832 * tone * 1.5 * t) + 0.25 * np.sin(6.2832 * tone * 2 * t)
        signal[:, low:high] = 0.12 * shape * chord
    for at in range(0, signal.shape[1], 1024):
        piece = AudioFrame.from_ndarray(np.ascontiguousarray(signal[:, at : at + 1024]), format="fltp", layout="stereo")
        piece.sample_rate, piece.pts, piece.time_base = SOUND_RATE, at, Fraction(1, SOUND_RATE)
        yield piece


def _until(pieces: Iterator[AudioFrame], sample: int) -> Iterator[AudioFrame]:
    for piece in pieces:
        yield piece
        if piece.pts is not None and piece.pts + piece.samples >= sample:
            return
