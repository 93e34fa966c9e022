"""The edge to film: what runs in child processes.

PyAV is imported inside the functions: the children come from a process that has it already (`PRELOAD`), and the service
itself, which only waits for them, stays small.
"""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heaters_contracts.facts.video import AudioFormat, Technical
from heaters_contracts.spans import Segment
from heaters_edges.remote import RemoteFile
from heaters_media.profiles import REVIEW

from heaters_preprocessor.core import with_frames_known

if TYPE_CHECKING:
    from heaters_media.master import Master
    from heaters_media.plan import PlannedSegment
    from heaters_media.preprocess import PreprocessedSegment
    from heaters_media.probe import Probe

_FORGOTTEN_S = 7 * 24 * 3600
PRELOAD = ("heaters_media.master", "heaters_media.plan", "heaters_media.preprocess", "heaters_media.reuse")


@dataclass(frozen=True, slots=True)
class FoundSegment:
    """A segment of the plan, as soon as it can be worked on."""

    segment: Segment
    time_base: tuple[int, int]
    frames_known: int
    source_is_proxy: bool


@dataclass(frozen=True, slots=True)
class FoundFilm:
    """The whole plan; its frame table is written to a file."""

    technical: Technical
    time_base: tuple[int, int]
    frames: int
    segments: tuple[Segment, ...]
    source_is_proxy: bool


def scan(
    source: Path, table: Path, *, first_s: int, growth: int, longest_s: int, context_frames: int, reuse: bool
) -> Iterator[FoundSegment | FoundFilm]:
    """Divide a film: each segment as soon as the scan is far enough beyond it, the whole film last.

    Args:
        source: the film.
        table: the frame table's file, written before the last item comes.
        first_s: length of the first segment, about.
        growth: of each length over the one before.
        longest_s: length of the longest segments, about.
        context_frames: how far detection looks beyond a segment.
        reuse: whether a film that is like a proxy may be its own.

    Raises:
        BadMedia: what is wrong with the film.
    """
    from heaters_media.plan import Plan, plan
    from heaters_media.probe import probe
    from heaters_media.reuse import obstacles

    described = probe(source)
    time_base = described.time_base
    source_is_proxy = reuse and not obstacles(source, described, REVIEW)
    whole: list[Plan] = []

    def pieces() -> Iterator["PlannedSegment"]:
        for item in plan(source, first_s=first_s, growth=growth, longest_s=longest_s, only_at_keys=source_is_proxy):
            if isinstance(item, Plan):
                whole.append(item)
            else:
                yield item

    for piece, known in with_frames_known(pieces(), context_frames=context_frames):
        yield FoundSegment(_segment(piece), time_base, known, source_is_proxy)
    film = whole[0]
    film.table.save(table)
    segments = tuple(map(_segment, film.segments))
    yield FoundFilm(_technical(film.probe), time_base, film.frames, segments, source_is_proxy)


def make_segment(
    source: Path | RemoteFile,
    segment: Segment,
    out_dir: Path,
    *,
    frames_known: int,
    context_frames: int,
    source_is_proxy: bool,
    progress: Callable[[int, int], None],
) -> "PreprocessedSegment":
    """All that comes of a segment, in one decode. Raises BadMedia, and what reading a RemoteFile raises."""
    from heaters_media.errors import BadMedia
    from heaters_media.plan import PlannedSegment
    from heaters_media.preprocess import preprocess

    piece = PlannedSegment(segment.index, segment.first_frame, segment.frames, segment.start_ticks, segment.end_ticks)
    try:
        made = preprocess(
            source,
            piece,
            total_frames=frames_known,
            out_dir=out_dir,
            profile=REVIEW,
            source_is_proxy=source_is_proxy,
            context_frames=context_frames,
            progress=progress,
        )
    except BadMedia:
        _look_at(source)
        raise
    _look_at(source)
    return made


def _look_at(source: Path | RemoteFile) -> None:
    """Where the store failed in mid-film it is not the film that is bad, whatever the decoder made of it."""
    if isinstance(source, RemoteFile) and source.problem is not None:
        raise source.problem


def make_whole_master(
    source: Path, out: Path, pieces: Path, frames: int, *, progress: Callable[[int, int], None]
) -> "Master":
    """The lossless master, verified; goes on after the pieces that an earlier attempt left.

    Raises:
        BadMedia: what is wrong with the film.
        BlockingIOError: another process of this node is at it.
    """
    from heaters_media.master import make_master

    forget_old(pieces.parent, keep=pieces.name)
    pieces.mkdir(parents=True, exist_ok=True)
    with (pieces / "lock").open("w") as lock:  # let go when this process ends, however it ends
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return make_master(source, out, lambda done: progress(done, frames), pieces_dir=pieces)


def forget_old(folder: Path, *, keep: str) -> None:
    """Remove what masters left that nobody went on with for days."""
    if folder.is_dir():
        for left in folder.iterdir():
            if left.name != keep and time.time() - left.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(left, ignore_errors=True)


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
