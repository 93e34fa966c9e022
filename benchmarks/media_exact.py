"""A thousand clips at random over many kinds of film, in which every frame carries its number: how many frames are wrong."""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from heaters_media.export import export
from heaters_media.film import FilmKind, read_number, read_numbers, render_film
from heaters_media.playback import mux_playback, plan_playback
from heaters_media.probe import probe
from heaters_media.profiles import REVIEW
from heaters_media.reuse import obstacles
from playwright.sync_api import Page

from benchmarks._chromium import screen, shown_numbers
from benchmarks._media import Film, make
from benchmarks.harness import Claim, note

CLIPS = 1000
CLIPS_A_SCREENING = 11
"""One clip of so many is shown by Chromium as well, if it is short; no divisor of the number of films, so that all come by."""
_LONGEST_ON_SCREEN = 40
_UNEVEN = [0]
for _n in range(149):
    _UNEVEN.append(_UNEVEN[-1] + (33, 34, 41, 17, 66)[_n % 5])
_MILLISECOND = Fraction(1, 1000)

KINDS: dict[str, FilmKind] = {
    "25.mp4": FilmKind(frames=150),
    "23.976.mp4": FilmKind(frames=150, rate=Fraction(24000, 1001), b_frames=2),
    "29.97.mkv": FilmKind(frames=150, rate=Fraction(30000, 1001)),
    "50.mp4": FilmKind(frames=200, rate=Fraction(50), b_frames=1, gop_frames=40),
    "60.mp4": FilmKind(frames=240, rate=Fraction(60), gop_frames=30),
    "b_frames.mp4": FilmKind(frames=150, b_frames=3, gop_frames=24),
    "open_gop.mp4": FilmKind(frames=150, b_frames=2, open_gop=True),
    "ten_second_gops.mp4": FilmKind(frames=500, gop_frames=250, b_frames=2),
    "uneven.mp4": FilmKind(frames=150, pts=_UNEVEN, time_base=_MILLISECOND, b_frames=2),
    "uneven.mkv": FilmKind(frames=150, pts=_UNEVEN, time_base=_MILLISECOND),
    "begins_late.mp4": FilmKind(frames=150, first_tick=37, b_frames=2),
    "begins_late.ts": FilmKind(frames=150, first_tick=900, b_frames=2),
    "trimmed.mp4": FilmKind(frames=150, hidden_frames=17, b_frames=2),
    "turned.mp4": FilmKind(frames=150, rotation_deg=90),
    "odd.mkv": FilmKind(frames=150, width_px=131, height_px=77, pix_fmt="yuv444p"),
    "sound.mp4": FilmKind(frames=150, audio_rate=48000, b_frames=2),
    "deep.mkv": FilmKind(frames=100, pix_fmt="yuv420p10le"),
    "vp9.webm": FilmKind(
        frames=150, codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "crf": "20"}
    ),
}


def _opencv(path: Path) -> list[int]:
    import cv2  # comes with the scene detector

    film, numbers = cv2.VideoCapture(str(path)), list[int]()
    while True:
        more, picture = film.read()
        if not more:
            return numbers
        numbers.append(read_number(np.asarray(picture, np.uint8)))


def _wrong(shown: Sequence[int], start: int, end: int) -> int:
    """Frames that are missing or extra, and frames in a place where another should be."""
    wanted = range(start, end)
    misplaced = sum(a != b for a, b in zip(shown, wanted, strict=False))
    return max(misplaced, sum(((Counter(shown) - Counter(wanted)) + (Counter(wanted) - Counter(shown))).values()))


def _films(folder: Path) -> Iterator[tuple[str, Film]]:
    """Each kind, encoded and, where it is suitable, reused."""
    for name, kind in KINDS.items():
        source = render_film(folder / name, kind)
        yield f"{name}, encoded", make(source, folder / f"{name}-made", first_s=1, longest_s=2)
        if not obstacles(source, probe(source), REVIEW):
            yield f"{name}, reused", make(source, folder / f"{name}-made", reuse=True, first_s=1, longest_s=2)


def _span(dice: random.Random, frames: int) -> tuple[int, int]:
    length = dice.choice((1, 2, dice.randint(1, 12), dice.randint(1, frames)))
    start = dice.randint(0, frames - length)
    return start, start + length


def _on_screen(page: Page, film: Film, clip: Path, start: int, end: int) -> list[int]:
    """What Chromium shows; the last picture, at the very end, may only be the last frame again."""
    ticks = [*film.whole.table.pts.tolist(), film.whole.table.end_ticks][start : end + 1]
    *numbers, last = shown_numbers(page, clip, ticks, film.whole.table.time_base)
    return numbers if last == end - 1 else [*numbers, last]


def claims() -> Iterator[Claim]:
    """`exactness`: exports read by PyAV and OpenCV, playback by PyAV; samples of both in Chromium."""
    dice = random.Random(2)
    readers: dict[str, list[int]] = {"PyAV, export": [0, 0], "OpenCV, export": [0, 0], "PyAV, playback": [0, 0]}
    readers |= {"Chromium, export": [0, 0], "Chromium, playback": [0, 0]}
    with tempfile.TemporaryDirectory(prefix="heaters-bench-") as name, screen() as page:
        folder = Path(name)
        films = list(_films(folder))
        for number in range(CLIPS):
            label, film = films[number % len(films)]
            start, end = _span(dice, film.whole.frames)
            done = export(film.parts, start, end, folder / "export.mp4", REVIEW)
            plan = plan_playback([packets for packets, _ in film.parts], start, end)
            blobs = []
            for read in plan.reads:
                with film.parts[read.part][1].open("rb") as file:
                    file.seek(read.offset_bytes)
                    blobs.append(file.read(read.length_bytes))
            (folder / "play.mp4").write_bytes(mux_playback(plan, blobs))
            shown = [read_numbers(done.path), _opencv(done.path), read_numbers(folder / "play.mp4")]
            if number % CLIPS_A_SCREENING == 0 and end - start <= _LONGEST_ON_SCREEN:
                shown += [_on_screen(page, film, clip, start, end) for clip in (done.path, folder / "play.mp4")]
            for counts, numbers in zip(readers.values(), shown, strict=False):
                wrong = _wrong(numbers, start, end)
                counts[0] += wrong
                counts[1] += end - start
                if wrong:
                    note(f"{label} [{start}, {end}): {wrong} wrong")
    note(f"{CLIPS} clips of {len(films)} films of {len(KINDS)} kinds; wrong of all frames: {readers}")
    wrong, frames = (sum(counts[n] for counts in readers.values()) for n in (0, 1))
    yield Claim("exactness", wrong, frames, "frames", "lower", 0.0)
