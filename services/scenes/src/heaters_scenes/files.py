"""`python -m heaters_scenes.files FILE...` prints the cuts of films in files: what `heaters detect` runs."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from heaters_contracts.detectors import DETECTORS, UnknownDetector, read_wish
from heaters_media.errors import BadMedia
from heaters_media.timecode import Pace

from heaters_scenes.core import FoundCut, shots
from heaters_scenes.detectors import make
from heaters_scenes.errors import DetectorUnavailable, UnusableTiny
from heaters_scenes.films import cuts_of_film, films_in

NOMINAL_RATE = Fraction(25)
"""Arrays of frames have no rate; their timecodes count in this one."""
_EVENTS_MOST = 999
"""An event's number has three digits."""
_ROUNDED = Fraction(1, 5000)


@dataclass(frozen=True, slots=True)
class FilmCuts:
    """What was found in one film."""

    name: str
    frames: int
    rate: Fraction
    cuts: list[FoundCut]


def as_table(films: Sequence[FilmCuts]) -> str:
    """For people: a line a cut."""
    lines = []
    for film in films:
        lines.append(f"{film.name}: {film.frames} frames, {len(film.cuts)} cuts")
        if film.cuts:
            lines.append(f"  {'frame':>8}  {'time':>12}  {'kind':<8}  {'extent':>17}  confidence")
        for cut in film.cuts:
            extent = f"[{cut.start_frame}, {cut.end_frame})"
            time = _clock(cut.frame, film.rate)
            lines.append(f"  {cut.frame:>8}  {time:>12}  {cut.kind:<8}  {extent:>17}  {cut.confidence:>10.3f}")
    return "\n".join(lines)


def as_json(films: Sequence[FilmCuts]) -> str:
    """For programs: the shots of each film, first and last frame included; frames between two shots are a gradual transition."""
    return json.dumps({film.name: shots(film.cuts, film.frames) for film in films})


def as_csv(films: Sequence[FilmCuts]) -> str:
    """For spreadsheets: a row a cut."""

    class _Lines(list[str]):
        write = list.append

    lines = _Lines()
    rows = csv.writer(lines, lineterminator="")
    rows.writerow(("film", "frame", "kind", "start_frame", "end_frame", "confidence"))
    for film in films:
        for cut in film.cuts:
            rows.writerow((film.name, cut.frame, cut.kind, cut.start_frame, cut.end_frame, f"{cut.confidence:.4f}"))
    return "\n".join(lines)


def as_edl(films: Sequence[FilmCuts]) -> str:
    """For editing programs: CMX 3600, an event a shot, from cut to cut; a film has as many lists as its events need.

    Frames at a rate that timecode cannot count are counted at the one that is nearest to it.
    """
    lists = []
    for film in films:
        grid = Pace(film.rate, film.rate).grid()
        # Containers round the rates that they announce.
        faster = grid.rate / film.rate if abs(grid.rate / film.rate - 1) > _ROUNDED else 1
        edges = [math.ceil(frame * faster) for frame in (0, *(cut.frame for cut in film.cuts), film.frames)]
        shots = list(enumerate(((start, end) for start, end in pairwise(edges) if start < end), 1))
        for begin in range(0, len(shots), _EVENTS_MOST):
            part = f" {begin // _EVENTS_MOST + 1}" if len(shots) > _EVENTS_MOST else ""
            lines = [f"TITLE: {film.name}{part}", f"FCM: {'DROP FRAME' if grid.drop else 'NON-DROP FRAME'}", ""]
            for n, (start, end) in shots[begin : begin + _EVENTS_MOST]:
                times = f"{grid.name(start)} {grid.name(end)}"
                lines.append(f"{n - begin:03d}  AX       V     C        {times} {times}")
                lines.append(f"* FROM CLIP NAME: {film.name}")
            lists.append("\n".join(lines))
    return "\n\n".join(lists)


FORMATS: dict[str, Callable[[Sequence[FilmCuts]], str]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
    "edl": as_edl,
}


def _clock(frame: int, rate: Fraction) -> str:
    """When a frame is shown, to the millisecond: for people only."""
    ms = int(frame / rate * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, print the cuts; 1 where a file could not be read, 2 where the words make no sense."""
    parser = argparse.ArgumentParser(prog="heaters detect", description="Print the cuts of films in files.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a video, or .npy/.npz of (n, 27, 48, 3)")
    parser.add_argument("--detector", default="adaptive", help=f"{', '.join(DETECTORS)}; adaptive@1.2 is stricter")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("--threads", type=int, default=1, help="threads that the detector's network may use")
    said = parser.parse_args(words)
    if said.threads < 1:
        parser.error("--threads must be at least 1")
    try:
        detector = make(read_wish(said.detector), threads=said.threads)
    except (UnknownDetector, DetectorUnavailable) as problem:
        print(f"Error: {problem}", file=sys.stderr)  # noqa: T201 - a command's output
        return 2

    films: dict[str, FilmCuts] = {}
    failed = False
    for file in said.files:
        try:
            for film in films_in(file):
                if film.name in films:
                    raise UnusableTiny(f"another film is called {film.name!r} already: detect them one by one")
                cuts, frames = cuts_of_film(detector, film.frames())
                films[film.name] = FilmCuts(film.name, frames, film.rate or NOMINAL_RATE, cuts)
        except (UnusableTiny, BadMedia, OSError) as problem:
            print(f"Error: {file}: {problem}", file=sys.stderr)  # noqa: T201 - a command's output
            failed = True
    if films or not failed:
        print(FORMATS[said.format](list(films.values())))  # noqa: T201 - a command's output
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
