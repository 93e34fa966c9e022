"""A clip as a player wants it: copied packets and an exact edit list. numpy only: nothing here can decode or encode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heaters_media import mp4
from heaters_media.columns import Ints
from heaters_media.ledger import AudioPackets, Bools, Packets
from heaters_media.sound_grid import first_sample


@dataclass(frozen=True, slots=True)
class Read:
    """One ranged read.

    Attributes:
        part: index into the parts that the plan was made from.
        offset_bytes: where it begins in that part's object.
        length_bytes: how much; at least 1.
    """

    part: int
    offset_bytes: int
    length_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Packets to copy. `read` and `at_bytes` say where in what was read each one lies."""

    read: Ints
    at_bytes: Ints
    size_bytes: Ints

    def cut(self, blobs: Sequence[bytes | memoryview]) -> list[memoryview]:
        """The packets' bytes.

        Raises:
            ValueError: a blob is shorter than its read.
        """
        views = [memoryview(blob) for blob in blobs]
        places = zip(self.read.tolist(), self.at_bytes.tolist(), self.size_bytes.tolist(), strict=True)
        packets = [views[read][at : at + size] for read, at, size in places]
        if any(len(p) != size for p, size in zip(packets, self.size_bytes.tolist(), strict=True)):
            raise ValueError("what was read is shorter than what the plan asked for")
        return packets


@dataclass(frozen=True, slots=True, eq=False)
class Copied(Places):
    """Packets of one track to copy, in decode order, and their times in ticks of the video (of sound: samples)."""

    pts: Ints
    dts: Ints
    key: Bools


@dataclass(frozen=True, slots=True, eq=False)
class PlaybackPlan:
    """What to read for a clip and how to put it together.

    Attributes:
        reads: one for each segment touched, in order.
        start: first frame shown, of the whole video.
        end: past the last frame shown.
        start_ticks: when the first frame begins.
        end_ticks: when the last frame ends.
        video: packets from the key frame before.
        first: the part that the picture's configuration is taken from.
        audio: packets of the sound, or None.
        samples: the sound shown, [first, past last), on the video's sample grid.
    """

    reads: tuple[Read, ...]
    start: int
    end: int
    start_ticks: int
    end_ticks: int
    video: Copied
    first: Packets
    audio: Copied | None
    samples: tuple[int, int]


def touched(parts: Sequence[Packets], start: int, end: int) -> list[int]:
    """Indices of the parts that hold frames [start, end), in order.

    Raises:
        ValueError: the span is empty, or the parts do not hold all of it without a gap.
    """
    if not 0 <= start < end:
        raise ValueError(f"a clip needs frames, not [{start}, {end})")
    order = sorted(range(len(parts)), key=lambda n: parts[n].first_frame)
    hit = [n for n in order if parts[n].first_frame < end and parts[n].first_frame + parts[n].frames > start]
    at = start
    for n in hit:
        if parts[n].first_frame > at:
            break
        at = parts[n].first_frame + parts[n].frames
    if not hit or at < end:
        raise ValueError(f"frames [{start}, {end}) are not all in the given segments; frame {at} is missing")
    if len({(parts[n].time_base, mp4.codec_config(parts[n].sample_entry)) for n in hit}) > 1:
        raise ValueError("segments made in different ways cannot be joined")
    return hit


def plan_playback(parts: Sequence[Packets], start: int, end: int, *, audio: bool = False) -> PlaybackPlan:
    """Which reads and which packets show exactly the frames [start, end).

    Args:
        parts: packet indexes of a video's segments; all, or at least those that the clip touches.
        start: first frame, index in the whole video.
        end: past the last frame.
        audio: copy the sound too.

    Returns:
        A plan with one read for each segment touched.

    Raises:
        ValueError: the span is empty or not in the parts.
    """
    hit = touched(parts, start, end)
    reads: list[Read] = []
    video: list[tuple[NDArray[np.int64], ...]] = []
    sound: list[tuple[NDArray[np.int64], ...]] = []
    first, last = parts[hit[0]], parts[hit[-1]]
    start_ticks, end_ticks = ticks_of(first, start), ticks_of(last, end)
    samples = (0, 0)
    with_sound = audio and all(parts[n].audio is not None for n in hit)
    if with_sound and first.audio is not None:
        rate = first.audio.rate
        samples = (first_sample(start_ticks, first.time_base, rate), first_sample(end_ticks, first.time_base, rate))
        with_sound = samples[1] > samples[0]

    for number, n in enumerate(hit):
        part = parts[n]
        rows = _rows_of(part, max(start, part.first_frame), min(end, part.first_frame + part.frames))
        places = [(part.offset_bytes[rows], part.size_bytes[rows])]
        sound_rows = None
        if with_sound and part.audio is not None:
            sound_rows = _sound_rows(part.audio, samples, leads=number == 0, trails=number == len(hit) - 1)
            if sound_rows.stop > sound_rows.start:
                places.append((part.audio.offset_bytes[sound_rows], part.audio.size_bytes[sound_rows]))
            else:
                sound_rows = None  # a reused film's sound may end before its picture does
        low = min(int(offset.min()) for offset, _ in places)
        high = max(int((offset + size).max()) for offset, size in places)
        reads.append(Read(n, low, high - low))
        video.append(_columns(number, low, part.offset_bytes, part.size_bytes, part.pts, part.dts, part.key, rows))
        if sound_rows is not None and part.audio is not None:
            a = part.audio
            every = np.ones(len(a.pts), np.bool_)
            sound.append(_columns(number, low, a.offset_bytes, a.size_bytes, a.pts, a.pts, every, sound_rows))

    return PlaybackPlan(
        reads=tuple(reads),
        start=start,
        end=end,
        start_ticks=start_ticks,
        end_ticks=end_ticks,
        video=_joined(video),
        first=first,
        audio=_joined(sound) if sound else None,
        samples=samples,
    )


def mux_playback(plan: PlaybackPlan, blobs: Sequence[bytes]) -> bytes:
    """The clip as an MP4: index first, packets bit for bit, and an edit list that shows exactly the clip's frames.

    Args:
        plan: from plan_playback.
        blobs: what each of its reads gave, in order.

    Raises:
        ValueError: the blobs do not fit the reads.
    """
    if len(blobs) != len(plan.reads):
        raise ValueError(f"the plan has {len(plan.reads)} reads, not {len(blobs)}")
    return mp4.write(_tracks(plan), [rows.cut(blobs) for rows in _rows(plan)])


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some bytes of a clip.

    Attributes:
        reads: what they are made of; none for the index.
    """

    reads: tuple[Read, ...]
    _head: bytes
    _packets: Places | None
    _kept: slice

    def put_together(self, blobs: Sequence[bytes]) -> bytes:
        """The bytes, from what each read gave.

        Raises:
            ValueError: a blob is shorter than its read.
        """
        return (self._head if self._packets is None else b"".join(self._packets.cut(blobs)))[self._kept]


@dataclass(frozen=True, slots=True, eq=False)
class LongClip:
    """The same MP4, of which nothing but the index is there: what lies where in it is known, and any of it can be asked for.

    Attributes:
        size_bytes: of the whole.
    """

    size_bytes: int
    _head: bytes
    _at: Ints
    _places: Places
    _reads: tuple[Read, ...]

    @classmethod
    def of(cls, plan: PlaybackPlan) -> LongClip:
        """A clip by its plan."""
        laid = mp4.lay_out(_tracks(plan))
        columns = np.zeros((3, len(laid.track)), np.int64)
        for n, rows in enumerate(_rows(plan)):
            mine = laid.track == n
            columns[:, mine] = np.stack([rows.read, rows.at_bytes, rows.size_bytes])[:, laid.packet[mine]]
        return cls(laid.size_bytes, laid.head, laid.at_bytes, Places(*columns), plan.reads)

    def pieces(self, start: int, end: int, *, most_bytes: int) -> Iterator[Piece]:
        """What the bytes [start, end) are made of, in order.

        Args:
            start: first byte, within the whole.
            end: past the last.
            most_bytes: of the packets of a piece; a packet that is larger is a piece by itself.
        """
        if start < len(self._head):
            yield Piece((), self._head, None, slice(start, min(end, len(self._head))))
        low = max(0, int(np.searchsorted(self._at, start, side="right")) - 1)
        past = int(np.searchsorted(self._at, end))
        ends = self._at + self._places.size_bytes
        while low < past:
            full = int(np.searchsorted(ends, self._at[low] + most_bytes, side="right"))
            high = min(past, max(low + 1, full))
            reads, packets = self._read_for(slice(low, high))
            begin = int(self._at[low])
            yield Piece(reads, b"", packets, slice(max(0, start - begin), end - begin))
            low = high

    def _read_for(self, rows: slice) -> tuple[tuple[Read, ...], Places]:
        read, at, size = (
            column[rows] for column in (self._places.read, self._places.at_bytes, self._places.size_bytes)
        )
        reads: list[Read] = []
        index, offset = np.zeros_like(read), np.zeros_like(at)
        for n in np.unique(read).tolist():
            mine, whole = read == n, self._reads[n]
            low, high = int(at[mine].min()), int((at + size)[mine].max())
            index[mine], offset[mine] = len(reads), at[mine] - low
            reads.append(Read(whole.part, whole.offset_bytes + low, high - low))
        return tuple(reads), Places(index, offset, size)


def _rows(plan: PlaybackPlan) -> list[Copied]:
    return [plan.video] if plan.audio is None else [plan.video, plan.audio]


def _tracks(plan: PlaybackPlan) -> list[mp4.Track]:
    tracks = [video_track(plan.first, plan.video, plan.end_ticks, start_ticks=plan.start_ticks)]
    if plan.audio is not None and plan.first.audio is not None:
        tracks.append(sound_track(plan.first.audio, plan.audio, plan.samples))
    return tracks


def video_track(
    first: Packets,
    rows: Copied,
    end_ticks: int,
    *,
    start_ticks: int | None = None,
) -> mp4.Track:
    """A picture track of given packets.

    Args:
        first: where size, time base and codec configuration come from.
        rows: sizes, times and key flags of the packets, in ticks of the video.
        end_ticks: when the last frame ends.
        start_ticks: the first tick that is shown; None shows all and writes no edit list.
    """
    timescale, per_tick = mp4.timescale_of(first.time_base)
    dts = rows.dts * per_tick
    durations = np.diff(dts, append=max(end_ticks * per_tick, int(dts[-1]) + 1))
    offsets = (rows.pts - rows.dts) * per_tick
    shown = None
    if start_ticks is None:
        # Without an edit list the first frame must be shown at 0, so that later offsets may be negative; the last duration is what
        # makes the track as long as its frames are shown.
        lead = int((rows.pts.min() - rows.dts[0]) * per_tick)
        offsets = offsets - lead
        durations[-1] = max(1, int(durations[-1]) - lead)
    else:
        shown = ((start_ticks - int(rows.dts[0])) * per_tick, (end_ticks - start_ticks) * per_tick)
    return mp4.Track(
        handler="vide",
        timescale=timescale,
        sample_entry=first.sample_entry,
        sizes=rows.size_bytes,
        durations=durations,
        offsets=offsets,
        key=rows.key,
        shown=shown,
        width_px=first.width_px,
        height_px=first.height_px,
    )


def sound_track(first: AudioPackets, rows: Copied, samples: tuple[int, int]) -> mp4.Track:
    """A sound track of given packets; its edit list hides the run-up and what lies past the end, to the sample.

    Where the sound begins later than the clip or ends earlier (a reused film's may), it is silent there.
    """
    begin = max(samples[0], int(rows.pts[0]))
    end = min(samples[1], int(rows.pts[-1]) + first.packet_samples)
    return mp4.Track(
        handler="soun",
        timescale=first.rate,
        sample_entry=first.sample_entry,
        sizes=rows.size_bytes,
        durations=np.full(len(rows.pts), first.packet_samples, np.int64),
        shown=(begin - int(rows.pts[0]), max(1, end - begin)),
        delay=begin - samples[0],
    )


def ticks_of(part: Packets, frame: int) -> int:
    """When a frame of the whole video begins; past the part's last frame, when the part ends."""
    n = frame - part.first_frame
    if not 0 <= n <= part.frames:
        raise ValueError(f"frame {frame} is not in [{part.first_frame}, {part.first_frame + part.frames}]")
    return part.end_ticks if n == part.frames else int(np.sort(part.pts, kind="stable")[n])


def _rows_of(part: Packets, start: int, end: int) -> slice:
    """Packets needed for frames [start, end): from the key frame before, through the last one decoded."""
    shown = np.argsort(part.pts, kind="stable")[start - part.first_frame : end - part.first_frame]
    low, high = int(shown.min()), int(shown.max()) + 1
    first_pts = int(part.pts[shown].min())
    keys = np.flatnonzero(part.key[: low + 1] & (part.pts[: low + 1] <= first_pts))
    return slice(int(keys[-1]), high)


def _sound_rows(sound: AudioPackets, samples: tuple[int, int], *, leads: bool, trails: bool) -> slice:
    """Packets of one part. The first part gives one more before the packet that holds the first sample, to warm the decoder up;
    a packet that spans the edge of two parts comes from the earlier one."""
    first = int(np.searchsorted(sound.pts, samples[0], side="right")) - 2
    low = max(0, first) if leads else int(np.searchsorted(sound.pts, sound.start_sample))
    past = samples[1] if trails else min(samples[1], sound.end_sample)
    return slice(low, max(low, int(np.searchsorted(sound.pts, past))))


def _columns(
    number: int,
    low: int,
    offset_bytes: Ints,
    size_bytes: Ints,
    pts: Ints,
    dts: Ints,
    key: Bools,
    rows: slice,
) -> tuple[NDArray[np.int64], ...]:
    n = rows.stop - rows.start
    return (
        np.full(n, number, np.int64),
        offset_bytes[rows] - low,
        size_bytes[rows],
        pts[rows],
        dts[rows],
        key[rows].astype(np.int64),
    )


def _joined(columns: Sequence[tuple[NDArray[np.int64], ...]]) -> Copied:
    read, at, size, pts, dts, key = (np.concatenate(c) for c in zip(*columns, strict=True))
    return Copied(read, at, size, pts, dts, key.astype(np.bool_))
