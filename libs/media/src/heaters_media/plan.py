"""The plan: a packet scan that counts frames and divides a film at its own key frames, telling each segment at once."""

from __future__ import annotations

import heapq
import itertools
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from heaters_media.errors import NoTimestamps, TooLong, Undecodable
from heaters_media.ledger import FrameTable
from heaters_media.probe import Probe, open_media, probe, video_of, whole_frames, whole_packets
from heaters_media.readable import Readable

MOST_FRAMES = 6000  # a minute and a half at 60 a second; 24 MB of tiny frames
MOST_SEGMENTS = 2200
"""All of them lie in one fact, which holds 256 KiB."""
_LONG_AFTER, _LONGER_EVERY = 1000, 500
"""After so many segments (16 hours) the longest become twice as long, and again every so many: days fit, and memory is held by MOST_FRAMES."""
_LONGEST_FRAME_S = 3600  # beyond this it is no slide show but a broken clock


@dataclass(frozen=True, slots=True)
class PlannedSegment:
    """A piece of a film: the frames whose pts lie in [start_ticks, end_ticks).

    Leading pictures of an open GOP belong to the segment in whose range they lie.

    Attributes:
        index: of the segment, from 0.
        first_frame: index of its first frame in the whole film.
        frames: how many; at least 1.
        start_ticks: pts of the first frame.
        end_ticks: pts of the next segment's first frame, or the end of the film.
    """

    index: int
    first_frame: int
    frames: int
    start_ticks: int
    end_ticks: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole film, counted and divided. Segments tile the film."""

    probe: Probe
    frames: int
    table: FrameTable
    segments: tuple[PlannedSegment, ...]


@dataclass(frozen=True, slots=True)
class Cap:
    """How long a segment may become before it is cut where no long-enough key frame is.

    Attributes:
        ticks: cut at any frame once a segment is longer than this (or than its length and a half) and has no key frame to end at.
        frames: cut at the last key frame, or else at any frame, before a segment has more frames than this.
        only_at_keys: wait for a key frame all the same.
    """

    ticks: int
    frames: int = MOST_FRAMES
    only_at_keys: bool = False


class Row(NamedTuple):
    """One frame of the scan, in decode order. dts is None where the container has none."""

    pts: int
    dts: int | None
    key: bool
    duration: int


def plan(
    path: Path,
    *,
    first_s: Fraction | int = 5,
    longest_s: Fraction | int = 60,
    growth: Fraction | int = 3,
    lengths_s: Sequence[Fraction | int] | None = None,
    parts: int | None = None,
    most_frames: int = MOST_FRAMES,
    only_at_keys: bool = False,
) -> Iterator[PlannedSegment | Plan]:
    """Count a film's frames and divide it, yielding each segment as soon as it is known and the whole plan last.

    Args:
        path: the film.
        first_s: length of the first segment, so that review begins early.
        longest_s: segments grow up to this; those of films of many hours go on growing. A segment without a key frame for half as
            long again is cut between key frames, which costs its decoder a run-up but keeps every unit of work short.
        growth: of each length over the one before.
        lengths_s: lengths one by one instead, the last one repeating; `[10**9]` keeps a film whole.
        parts: divide into this many equal parts instead, at key frames where one is near; told after the scan.
        most_frames: a segment has no more than these, however short they are; not for `lengths_s` and `parts`.
        only_at_keys: never cut between key frames, for a film that is its own proxy and has many; not for `parts`.

    Yields:
        PlannedSegment in order, then one Plan.

    Raises:
        BadMedia: one of its subclasses says what is wrong.
    """
    described = probe(path)
    tick = described.tick
    seconds = _growing(first_s, longest_s, growth) if lengths_s is None else _repeating_last(lengths_s)
    lengths = (max(1, int(s / tick)) for s in seconds)
    cap = None if lengths_s is not None else Cap(int(Fraction(longest_s) * 3 / 2 / tick), most_frames, only_at_keys)

    times = array("q")  # a film of days has millions
    latest: list[Row] = []  # the one that is shown last

    def scanned(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            times.append(row.pts)
            if not latest or row.pts > latest[0].pts:
                latest[:] = [row]
            yield row

    segments: list[PlannedSegment] = []
    try:
        if parts is None:
            for segment in plan_segments(scanned(scan_packets(path)), lengths=lengths, cap=cap):
                segments.append(segment)
                if cap is not None and len(segments) > MOST_SEGMENTS:
                    raise TooLong(
                        f"the film has more than {MOST_SEGMENTS} segments: {len(times)} frames are too many for one video"
                    )
                yield segment
        else:
            segments = divide(list(scanned(scan_packets(path))), parts)
            yield from segments
    except NoTimestamps:
        if segments:
            raise
        # Some old formats keep no usable time in their packets; the decoder reconstructs it.
        del times[:], latest[:]
        rows = list(scanned(_scan_by_decoding(path)))
        segments = divide(rows, parts) if parts is not None else list(plan_segments(rows, lengths=lengths, cap=cap))
        yield from segments

    pts = np.sort(np.array(times, np.int64))
    table = FrameTable(pts=pts, time_base=tick, end_ticks=_end_ticks(latest[0]))
    _check(segments, table)
    yield Plan(probe=described, frames=table.frames, table=table, segments=tuple(segments))


def plan_segments(rows: Iterable[Row], *, lengths: Iterable[int], cap: Cap | None = None) -> Iterator[PlannedSegment]:
    """Divide a stream of frames at its key frames.

    A segment ends at the first key frame that is at least its length after its start, and is told as soon as no frame that
    belongs to it can follow: once a dts has reached its end, for no frame is shown before it is decoded.

    Args:
        rows: frames in decode order; pts distinct.
        lengths: wanted length of each segment in ticks, endless or ending in the one that repeats.
        cap: how long a segment may become; None lets it grow to the key frame at its end, wherever that is.

    Yields:
        Segments that tile the frames: in order, no gap, no overlap, never empty.

    Raises:
        NoTimestamps: there are no frames, or frames whose order cannot be told.
    """
    wanted = _endless(lengths)
    length = next(wanted)
    start: int | None = None
    index = first_frame = 0
    waiting: list[int] = []  # pts that belong to no told segment yet, a heap
    keys: list[int] = []  # pts of key frames at which a later segment may begin, sorted
    last: Row | None = None

    def boundary(begin: int) -> int | None:
        n = bisect_left(keys, begin + length)
        at_key = keys[n] if n < len(keys) else None
        if cap is None or last is None:
            return at_key
        if len(waiting) > cap.frames:
            past = heapq.nsmallest(cap.frames + 1, waiting)[-1]
            if at_key is None or at_key > past:
                inside = bisect_left(keys, past + 1)
                if inside or not cap.only_at_keys:
                    return keys[inside - 1] if inside else past
        most = max(cap.ticks, length * 3 // 2)
        long = last.pts - begin > most and (at_key is None or at_key - begin > most)
        if not long or cap.only_at_keys:
            return at_key
        return min((p for p in waiting if p - begin >= length), default=at_key)

    def close(end: int) -> PlannedSegment:
        frames = 0
        while waiting and waiting[0] < end:
            heapq.heappop(waiting)
            frames += 1
        assert start is not None  # noqa: S101  # a boundary lies after a start
        return PlannedSegment(index, first_frame, frames, start, end)

    for row in rows:
        if start is None:
            start = row.pts
        if row.pts < start:
            raise NoTimestamps(f"a frame at tick {row.pts} came after the segment from {start} was closed or begun")
        heapq.heappush(waiting, row.pts)
        if last is None or row.pts > last.pts:
            last = row
        if row.key and row.pts > start:
            keys.insert(bisect_left(keys, row.pts), row.pts)
        if row.dts is None or (not keys and cap is None):
            continue
        while (end := boundary(start)) is not None and row.dts >= end:
            segment = close(end)
            yield segment
            index, first_frame, start = index + 1, first_frame + segment.frames, end
            length = next(wanted)
            del keys[: bisect_left(keys, end + 1)]

    if start is None or last is None:
        raise NoTimestamps("the film has no frames")
    while (end := boundary(start)) is not None:
        segment = close(end)
        yield segment
        index, first_frame, start = index + 1, first_frame + segment.frames, end
        length = next(wanted)
        del keys[: bisect_left(keys, end + 1)]
    yield close(_end_ticks(last))


def divide(rows: Sequence[Row], parts: int) -> list[PlannedSegment]:
    """Divide a scanned film into parts of about equal length.

    Args:
        rows: all frames, in decode order.
        parts: how many; a film with fewer frames gives one a frame.

    Returns:
        Segments that tile the film, cut at the nearest key frame if it is within a quarter of a part, else at the frame.

    Raises:
        ValueError: parts is less than 1.
        NoTimestamps: there are no frames.
    """
    if parts < 1:
        raise ValueError(f"a film cannot be divided into {parts} parts")
    if not rows:
        raise NoTimestamps("the film has no frames")
    pts = sorted(row.pts for row in rows)
    keys = [bisect_left(pts, row.pts) for row in rows if row.key]
    part = Fraction(len(pts), parts)
    cuts = {0}
    for n in range(1, parts):
        even = round(n * part)
        near = min(keys, key=lambda k: abs(k - even), default=even)
        cuts.add(near if abs(near - even) * 4 <= part else even)
    edges = [*sorted(cuts), len(pts)]
    ticks = [*pts, _end_ticks(max(rows, key=lambda row: row.pts))]
    return [
        PlannedSegment(index, first, end - first, ticks[first], ticks[end])
        for index, (first, end) in enumerate(itertools.pairwise(edges))
        if end > first
    ]


def scan_packets(path: Readable) -> Iterator[Row]:
    """Frames that a decode will give, from the packets alone.

    Raises:
        NoTimestamps: a packet without pts, or two with the same.
    """
    first_pts = _first_decoded_pts(path)
    seen: set[int] = set()
    with open_media(path) as container:
        stream = video_of(container)
        codec = stream.codec_context.name
        for packet in whole_packets(container, stream):
            # Hidden by an edit list; empty; or a reference that is never shown.
            if packet.size == 0 or packet.is_discard or not _shows(codec, packet):
                continue
            if packet.pts is None:
                raise NoTimestamps("a frame has no presentation time")
            if packet.pts < first_pts:
                continue  # refers to a key frame that the file does not have: no decoder shows it
            if packet.pts in seen:
                raise NoTimestamps(f"two frames have the same presentation time, tick {packet.pts}")
            seen.add(packet.pts)
            yield Row(packet.pts, packet.dts, packet.is_keyframe, packet.duration or 0)


def _scan_by_decoding(path: Readable) -> Iterator[Row]:
    last: int | None = None
    with open_media(path) as container:
        stream = video_of(container)
        for frame in whole_frames(container, stream):
            if frame.pts is None:
                raise NoTimestamps("a decoded frame has no presentation time")
            if last is not None and frame.pts <= last:
                raise NoTimestamps(f"decoded frames go back in time, from tick {last} to {frame.pts}")
            last = frame.pts
            yield Row(frame.pts, frame.pts, frame.key_frame, frame.duration or 0)


def _first_decoded_pts(path: Readable) -> int:
    with open_media(path) as container:
        first = next(whole_frames(container, video_of(container)), None)
        if first is None:
            raise Undecodable("not a single frame could be decoded")
        if first.pts is None:
            raise NoTimestamps("the first frame has no presentation time")
        return first.pts


def _shows(codec: str, packet: Packet[VideoStream]) -> bool:
    """Whether a packet gives a frame. VP8 and VP9 have packets that are only referred to (RFC 6386 9.1, VP9 spec 6.2)."""
    if codec == "vp8":
        return bool(bytes(packet)[0] & 0x10)
    if codec == "vp9":
        head = bytes(packet)
        if (head[-1] & 0xE0) == 0xC0:
            return True  # a superframe: hidden frames travel together with a shown one
        bits = head[0]
        profile = (bits >> 5 & 1) | (bits >> 3 & 2)
        at = 3 if profile < 3 else 2
        show_existing = bits >> at & 1
        return bool(show_existing) or bool(bits >> (at - 2) & 1)
    return True


def _end_ticks(last: Row) -> int:
    return last.pts + max(1, last.duration)


def _check(segments: Sequence[PlannedSegment], table: FrameTable) -> None:
    counted = 0
    for segment in segments:
        last = segment.first_frame + segment.frames
        if (
            segment.first_frame != counted
            or last > table.frames
            or table.ticks_of(segment.first_frame) != segment.start_ticks
            or table.ticks_of(last) != segment.end_ticks
        ):
            raise NoTimestamps(
                f"frames of segment {segment.index} came out of order: their times contradict each other"
            )
        counted = last
    longest = int(np.diff(table.pts, append=table.end_ticks).max()) * table.time_base
    if longest > _LONGEST_FRAME_S:
        raise NoTimestamps(f"a frame would be shown for {float(longest):.0f} s: the film's times jump")
    if counted != table.frames:
        raise NoTimestamps(f"the segments hold {counted} frames of {table.frames}")


def _growing(first: Fraction | int, longest: Fraction | int, growth: Fraction | int) -> Iterator[Fraction]:
    length, most = Fraction(first), Fraction(longest)
    for n in itertools.count():
        if n >= _LONG_AFTER and (n - _LONG_AFTER) % _LONGER_EVERY == 0:
            most *= 2
            length = max(length, most)
        yield min(length, most)
        length = min(length * growth, most)


def _repeating_last(lengths: Sequence[Fraction | int]) -> Iterator[Fraction]:
    if not lengths:
        raise ValueError("at least one length is needed")
    yield from (Fraction(length) for length in lengths)
    yield from itertools.repeat(Fraction(lengths[-1]))


def _endless(lengths: Iterable[int]) -> Iterator[int]:
    last = 0
    for last in lengths:  # the last one repeats
        yield last
    yield from itertools.repeat(last)
