"""Numbered films of many kinds, and one way to make all segments of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from heaters_media.film import FilmKind, read_number, render_film
from heaters_media.ledger import Packets
from heaters_media.plan import Plan, plan
from heaters_media.playback import Read
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW
from heaters_media.tiny import Tiny


def _uneven(frames: int) -> tuple[int, ...]:
    """Times as a phone gives them: never the same distance twice in a row, with one long stop."""
    ticks, at = [], 0
    for n in range(frames):
        ticks.append(at)
        at += (33, 34, 41, 17, 66)[n % 5] + (700 if n == 31 else 0)
    return tuple(ticks)


HEVC_OPEN = "keyint=12:min-keyint=12:scenecut=0:open-gop=1:bframes=2:log-level=none"
VP8_HIDDEN = {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "10", "b": "1M", "crf": "10"}
MILLISECOND = Fraction(1, 1000)
KINDS: dict[str, tuple[str, FilmKind]] = {
    "plain.mp4": ("mp4", FilmKind()),
    "b_frames.mp4": ("mp4", FilmKind(b_frames=3, gop_frames=20)),
    "open_gop.mp4": ("mp4", FilmKind(b_frames=2, open_gop=True)),
    "open_gop.mkv": ("mkv", FilmKind(b_frames=2, open_gop=True, gop_frames=10)),
    "ntsc.mp4": ("mp4", FilmKind(rate=Fraction(24000, 1001), b_frames=1)),
    "fast.mp4": ("mp4", FilmKind(rate=Fraction(60), frames=90, gop_frames=30)),
    "vfr.mp4": ("mp4", FilmKind(pts=_uneven(60), time_base=MILLISECOND, b_frames=2)),
    "vfr.mkv": ("mkv", FilmKind(pts=_uneven(60), time_base=MILLISECOND)),
    "late.mp4": ("mp4", FilmKind(first_tick=37, b_frames=2)),
    "late.ts": ("ts", FilmKind(first_tick=500, b_frames=2)),
    "turned.mp4": ("mp4", FilmKind(rotation_deg=90)),
    "odd.mkv": ("mkv", FilmKind(width_px=131, height_px=77, pix_fmt="yuv444p")),
    "wide_pixels.mp4": ("mp4", FilmKind(pixel_aspect=Fraction(4, 3))),
    "deep.mkv": ("mkv", FilmKind(pix_fmt="yuv420p10le")),
    "fields.mp4": ("mp4", FilmKind(interlaced=True, height_px=96)),
    "old.avi": ("avi", FilmKind(codec="mpeg4", b_frames=2)),
    "one_gop.mp4": ("mp4", FilmKind(gop_frames=250, b_frames=2)),
    "one_frame.mp4": ("mp4", FilmKind(frames=1)),
    "hevc.mp4": ("mp4", FilmKind(codec="libx265", options={"preset": "ultrafast", "x265-params": HEVC_OPEN})),
    "vp9.webm": ("webm", FilmKind(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "crf": "20"})),
    "vp8.webm": ("webm", FilmKind(codec="libvpx", options=VP8_HIDDEN)),
    "av1.mkv": ("mkv", FilmKind(codec="libsvtav1", options={"preset": "12", "crf": "30"})),
    "mpeg2.ts": ("ts", FilmKind(codec="mpeg2video", b_frames=2, options={"b": "4M"})),
    "prores.mov": ("mov", FilmKind(codec="prores_ks", pix_fmt="yuv422p10le", frames=30)),
    "mjpeg.mov": ("mov", FilmKind(codec="mjpeg", pix_fmt="yuvj420p")),
    "sound.mkv": ("mkv", FilmKind(audio_rate=44100, b_frames=2)),
    "sound.mp4": ("mp4", FilmKind(audio_rate=48000, b_frames=2)),
    "surround.mp4": ("mp4", FilmKind(audio_rate=44100, audio_channels=6)),
    "short_sound.mp4": ("mp4", FilmKind(audio_rate=44100, audio_channels=1, audio_samples=30000)),
}


@dataclass(frozen=True)
class Made:
    """All segments of one film."""

    plan: Plan
    parts: tuple[tuple[Packets, Path], ...]
    tiny: tuple[Tiny, ...]

    @property
    def packets(self) -> list[Packets]:
        return [part for part, _ in self.parts]

    def read(self, reads: Sequence[Read]) -> list[bytes]:
        return [self.parts[r.part][1].read_bytes()[r.offset_bytes : r.offset_bytes + r.length_bytes] for r in reads]


def make_segments(source: Path, out: Path, **how: object) -> Made:
    *segments, whole = plan(source, **how)  # type: ignore[arg-type]  # the tests name what plan takes
    assert isinstance(whole, Plan)
    parts, tiny = [], []
    for segment in segments:
        folder = out / str(segment.index)  # type: ignore[union-attr]  # all but the last are segments
        folder.mkdir(parents=True)
        made = preprocess(source, segment, total_frames=whole.frames, out_dir=folder, profile=REVIEW)  # type: ignore[arg-type]  # as above
        parts.append((Packets.load(made.packets), made.proxy))
        tiny.append(Tiny.load(made.tiny))
    return Made(whole, tuple(parts), tuple(tiny))


@pytest.fixture(scope="session")
def segments_of() -> Callable[..., Made]:
    """Makes the segments of any film."""
    return make_segments


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A numbered film by its name in KINDS, rendered once."""
    folder = tmp_path_factory.mktemp("films")

    def rendered(name: str) -> Path:
        path = folder / name
        return path if path.exists() else render_film(path, KINDS[name][1])

    return rendered


@pytest.fixture(scope="session")
def made(film: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Made]:
    """All segments of a numbered film, divided into so many parts, made once."""
    known: dict[tuple[str, int], Made] = {}

    def segments(name: str, parts: int) -> Made:
        if (name, parts) not in known:
            known[name, parts] = make_segments(film(name), tmp_path_factory.mktemp(Path(name).stem), parts=parts)
        return known[name, parts]

    return segments


@pytest.fixture(scope="session")
def opencv_numbers() -> Callable[[Path], list[int]]:
    """What OpenCV reads off a file's frames; it obeys no edit list, like most readers of data sets."""
    cv2 = pytest.importorskip("cv2")

    def read(path: Path) -> list[int]:
        film, numbers = cv2.VideoCapture(str(path)), []
        while True:
            more, picture = film.read()
            if not more:
                return numbers
            numbers.append(read_number(picture))

    return read


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `any_film` run over every kind."""
    if "any_film" in metafunc.fixturenames:
        metafunc.parametrize("any_film", sorted(KINDS))
