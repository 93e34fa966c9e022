"""The edge to film: what runs in child processes.

PyAV is imported inside the functions: the children come from a process that has it already (`PRELOAD`), and the service
itself, which only waits for them, stays small.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from heaters_contracts.facts.video import AudioFormat, Technical
from heaters_contracts.spans import Segment
from heaters_media.profiles import REVIEW

from heaters_preprocessor.core import with_frames_known

if TYPE_CHECKING:
    from heaters_media.master import Master
    from heaters_media.plan import PlannedSegment
    from heaters_media.preprocess import PreprocessedSegment
    from heaters_media.probe import Probe

PRELOAD = ("heaters_media.master", "heaters_media.plan", "heaters_media.preprocess")


@dataclass(frozen=True, slots=True)
class FoundSegment:
    """A segment of the plan, as soon as it can be worked on."""

    segment: Segment
    time_base: tuple[int, int]
    frames_known: int


@dataclass(frozen=True, slots=True)
class FoundFilm:
    """The whole plan; its frame table is written to a file."""

    technical: Technical
    time_base: tuple[int, int]
    frames: int
    segments: tuple[Segment, ...]


def scan(
    source: Path, table: Path, *, first_s: int, longest_s: int, context_frames: int
) -> Iterator[FoundSegment | FoundFilm]:
    """Divide a film: each segment as soon as the scan is far enough beyond it, the whole film last.

    Args:
        source: the film.
        table: the frame table's file, written before the last item comes.
        first_s: length of the first segment, about.
        longest_s: length of the longest segments, about.
        context_frames: how far detection looks beyond a segment.

    Raises:
        BadMedia: what is wrong with the film.
    """
    from heaters_media.plan import Plan, plan
    from heaters_media.probe import probe

    time_base = probe(source).time_base
    whole: list["Plan"] = []

    def pieces() -> Iterator["PlannedSegment"]:
        for item in plan(source, first_s=Fraction(first_s), longest_s=Fraction(longest_s)):
            if isinstance(item, Plan):
                whole.append(item)
            else:
                yield item

    for piece, known in with_frames_known(pieces(), context_frames=context_frames):
        yield FoundSegment(_segment(piece), time_base, known)
    film = whole[0]
    film.table.save(table)
    yield FoundFilm(_technical(film.probe), time_base, film.frames, tuple(map(_segment, film.segments)))


def make_segment(
    source: Path,
    segment: Segment,
    out_dir: Path,
    *,
    frames_known: int,
    context_frames: int,
    progress: Callable[[int, int], None],
) -> "PreprocessedSegment":
    """A segment's proxy, packet index and tiny array, in one decode. Raises BadMedia."""
    from heaters_media.plan import PlannedSegment
    from heaters_media.preprocess import preprocess

    piece = PlannedSegment(segment.index, segment.first_frame, segment.frames, segment.start_ticks, segment.end_ticks)
    return preprocess(
        source,
        piece,
        total_frames=frames_known,
        out_dir=out_dir,
        profile=REVIEW,
        context_frames=context_frames,
        progress=progress,
    )


def make_whole_master(source: Path, out: Path, frames: int, *, progress: Callable[[int, int], None]) -> "Master":
    """The lossless master, verified. Raises BadMedia."""
    from heaters_media.master import make_master

    return make_master(source, out, lambda done: progress(done, frames))


def _segment(piece: "PlannedSegment") -> Segment:
    return Segment(
        index=piece.index,
        first_frame=piece.first_frame,
        frames=piece.frames,
        start_ticks=piece.start_ticks,
        end_ticks=piece.end_ticks,
    )


def _technical(found: "Probe") -> Technical:
    audio = found.audio
    return Technical(
        container=found.container,
        codec=found.codec,
        width_px=found.display_width_px,
        height_px=found.display_height_px,
        rotation_deg=found.rotation_deg,
        average_rate=found.average_rate,
        audio=AudioFormat(codec=audio.codec, rate_hz=audio.rate, channels=audio.channels) if audio else None,
    )
