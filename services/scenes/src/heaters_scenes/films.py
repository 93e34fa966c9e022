"""Films in files, as tiny pictures: videos, and arrays of frames. And the cuts of a film that is walked through in pieces."""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from heaters_scenes.core import CONTEXT_FRAMES, TINY_SHAPE, FoundCut, Place
from heaters_scenes.detectors import Detector
from heaters_scenes.errors import UnusableTiny
from heaters_scenes.measure import Frames, check

ARRAYS = frozenset({".npy", ".npz"})

_PIECE = 2000
_UNREADABLE = (ValueError, EOFError, OSError, KeyError, SyntaxError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Film:
    """A film in a file.

    Attributes:
        name: the file's stem; in a file of several arrays, the array's name.
        rate: frames a second, for timecodes; None where nobody says so.
        frames: gives its frames, each (27, 48, 3), from the first on.
    """

    name: str
    rate: Fraction | None
    frames: Callable[[], Iterable[Frames]]


def films_in(path: Path) -> Iterator[Film]:
    """The films of a file: a video is one, an .npy is one, an .npz is one for each array of its own.

    Raises:
        UnusableTiny: an array of another shape or kind, or a file that is none.
        BadMedia: what is wrong with a video.
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    if path.suffix.lower() not in ARRAYS:
        from heaters_media.whole import nominal_rate, tiny_frames

        yield Film(path.stem, nominal_rate(path), lambda: tiny_frames(path))
        return
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix.lower() == ".npy" else None)
    except _UNREADABLE as wrong:
        raise UnusableTiny(f"{path.name} is no array of numbers: {wrong}") from wrong
    if isinstance(loaded, np.ndarray):
        yield _film(path.stem, loaded)
        return
    with loaded:
        # A tiny array of the pipeline has its place beside it; any other file of several arrays is of several films.
        names = ["frames"] if "frames" in loaded.files else list(loaded.files)
        if not names:
            raise UnusableTiny(f"{path.name} holds no array")
        for name in names:
            try:
                array = loaded[name]
            except _UNREADABLE as wrong:
                raise UnusableTiny(f"{path.name}: {name} cannot be read: {wrong}") from wrong
            yield _film(path.stem if len(names) == 1 else name, array)


def _film(name: str, array: Frames) -> Film:
    try:
        check(array)
    except UnusableTiny as wrong:
        raise UnusableTiny(f"{name}: {wrong}") from None
    if not len(array):
        raise UnusableTiny(f"{name}: a film has at least one frame")
    return Film(name, None, lambda: array)


def cuts_of_film(detector: Detector, frames: Iterable[Frames]) -> tuple[list[FoundCut], int]:
    """The cuts of a whole film, in pieces: an hour needs no more memory than a minute.

    Returns:
        The cuts in order, and how many frames the film has.
    """
    cuts: list[FoundCut] = []
    rows = np.empty((_PIECE + 2 * CONTEXT_FRAMES, *TINY_SHAPE), np.uint8)
    held = first = done = 0  # rows that are filled, the frame in row 0, the first frame whose cuts are not told yet

    def tell(until: int, total: int) -> None:
        nonlocal held, first, done
        place = Place(first, held, done, until - done, total)
        cuts.extend(detector.detect(rows[:held], place).cuts)
        kept = min(held, until - first, CONTEXT_FRAMES)
        begin = until - first - kept
        rows[: held - begin] = rows[begin:held].copy()
        first, held, done = first + begin, held - begin, until

    for frame in frames:
        if held == len(rows):
            tell(first + held - CONTEXT_FRAMES, first + held + 1)  # there is at least this frame more
        rows[held] = frame
        held += 1
    total = first + held
    if total > done:
        tell(total, total)
    return cuts, total
