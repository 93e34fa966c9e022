"""A clip from the original instead of its proxy: as large and as good as it was filmed.

Where the original can be cut like a proxy (H.264 in MP4, of any size and with key frames any distance apart), it is: edges
encoded, the rest copied bit for bit. Everything else is decoded and encoded once, with the best settings here, and each frame
is compared with the original's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from heaters_media.errors import FrameCountMismatch
from heaters_media.export import Exported, ExportMismatch, export
from heaters_media.ledger import Packets
from heaters_media.plan import PlannedSegment, Row, scan_packets
from heaters_media.preprocess import frames_of
from heaters_media.probe import Probe, open_media, probe, video_of, whole_frames
from heaters_media.profiles import SOURCE_QUALITY, ProxyProfile
from heaters_media.proxy import ProxyWriter
from heaters_media.reuse import SourceIndexer, obstacles

_ALIKE = 0.25  # mean square of a luma level: frames nearer than this are the same to every eye
_SMALL_PX = (160, 90)


def export_source(
    source: Path,
    *,
    start: int,
    frames: int,
    ticks: tuple[int, int],
    out: Path,
    profile: ProxyProfile = SOURCE_QUALITY,
    content: str | None = None,
) -> Exported:
    """Write some frames of a film as an MP4 of exactly these frames, and prove it.

    Args:
        source: the film.
        start: index of the first frame in the whole video.
        frames: how many.
        ticks: pts of the first frame, and when the last one ends, as the ledger says.
        out: the file to write; it appears when it is whole.
        profile: how to encode what cannot be copied.
        content: a hash of the film. What was found out about it is kept by this process for the film's next clips: to look
            through the packets of a film of hours costs more than most clips do.

    Raises:
        BadMedia: the film is damaged there.
        ExportMismatch: what was written is not what was asked for.
    """
    opened = _open(_Asked(content, profile, source)) if content else _look_through(source, profile)
    described = opened.described
    if opened.rows is not None:
        part = _index_around(source, opened.rows, described, start, frames, ticks)
        return export([(part, source)], start, start + frames, out, profile)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        segment = PlannedSegment(0, start, frames, *ticks)
        wanted = _Small()
        made = Path(folder, "encoded.mp4")
        with open_media(source) as container, ProxyWriter(made, source, described, segment, profile, wanted) as writer:
            stream = video_of(container, threads=profile.threads)
            for frame in frames_of(container, stream, segment):
                writer.add(frame)
            if len(wanted.seen) != frames:
                raise FrameCountMismatch(f"the source gave {len(wanted.seen)} frames where {frames} were asked for")
            packets = writer.finish()
        _check_nearest(made, wanted.seen, start)
        done = export([(packets, made)], start, start + frames, out, profile)
    return replace(
        done,
        frames_copied=0,
        frames_encoded=frames,
        proof=replace(done.proof, frames_decoded=frames, encoded_nearest=frames),
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is to know of a film before a clip is made from it; rows are its packets, None where it cannot be copied."""

    described: Probe
    rows: tuple[Row, ...] | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A film by its content; where it lies now may be another place than before."""

    content: str
    profile: ProxyProfile
    source: Path = field(compare=False)


def _look_through(source: Path, profile: ProxyProfile) -> _Opened:
    described = probe(source)
    can_be_copied = not obstacles(source, described, profile, longest_gop_s=None)
    return _Opened(described, tuple(scan_packets(source)) if can_be_copied else None)


@lru_cache(maxsize=2)
def _open(asked: _Asked) -> _Opened:
    return _look_through(asked.source, asked.profile)


def _index_around(
    source: Path, rows: tuple[Row, ...], described: Probe, start: int, frames: int, ticks: tuple[int, int]
) -> Packets:
    """The packets from the key frame before the clip to the key frame after it."""
    keys = sorted(row.pts for row in rows if row.key)
    low = max((pts for pts in keys if pts <= ticks[0]), default=ticks[0])
    last = max(rows, key=lambda row: row.pts)
    high = min((pts for pts in keys if pts >= ticks[1] and pts > ticks[0]), default=last.pts + max(1, last.duration))
    if high == ticks[1]:  # one GOP more, for the proof compares with the frame after the clip
        high = min((pts for pts in keys if pts > high), default=last.pts + max(1, last.duration))
    inside = sum(1 for row in rows if low <= row.pts < high)
    before = sum(1 for row in rows if low <= row.pts < ticks[0])
    if start < before or sum(1 for row in rows if ticks[0] <= row.pts < ticks[1]) != frames:
        raise FrameCountMismatch(f"the source does not hold {frames} frames from tick {ticks[0]} to {ticks[1]}")
    indexer = SourceIndexer(source, described, PlannedSegment(0, start - before, inside, low, high))
    with open_media(source) as container:
        stream = video_of(container)
        container.seek(low, stream=stream, backward=True)
        for packet in container.demux(stream):
            if packet.dts is not None and packet.dts >= high:
                break
            indexer.saw(packet)
    return indexer.finish()


class _Small:
    """Keeps a small grey picture of each frame that goes into the encoder."""

    def __init__(self) -> None:
        self.seen: list[NDArray[np.uint8]] = []
        self._scaler = VideoReformatter()

    def add(self, frame: VideoFrame, _: int) -> None:
        """The next frame."""
        self.seen.append(self.of(frame))

    def of(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A frame, small and grey."""
        small = self._scaler.reformat(
            frame, width=_SMALL_PX[0], height=_SMALL_PX[1], format="gray", interpolation=Interpolation.AREA, threads=1
        )
        return np.asarray(small.to_ndarray(), np.uint8)


def _check_nearest(made: Path, wanted: list[NDArray[np.uint8]], start: int) -> None:
    """Each encoded frame is nearer to the original's of its index than to that one's neighbours, unless these are alike."""
    small = _Small()
    count = 0
    for n, frame in enumerate(_decoded(made)):
        if n >= len(wanted):
            raise ExportMismatch(f"the encoder gave more than {len(wanted)} frames")
        count += 1
        mine = small.of(frame)
        distance = _apart(mine, wanted[n])
        for other in wanted[max(0, n - 1) : n] + wanted[n + 1 : n + 2]:
            if _apart(wanted[n], other) >= _ALIKE and _apart(mine, other) <= distance:
                raise ExportMismatch(f"encoded frame {start + n} is nearer to a neighbour than to itself")
    if count != len(wanted):
        raise ExportMismatch(f"the encoder gave {count} frames of {len(wanted)}")


def _decoded(path: Path) -> Iterator[VideoFrame]:
    with open_media(path) as container:
        yield from whole_frames(container, video_of(container))


def _apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Fraction:
    """Mean squared difference."""
    difference = a.astype(np.int64) - b
    return Fraction(int(np.square(difference).sum()), difference.size)
