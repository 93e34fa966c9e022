"""A film that already is what a proxy would be: looked for by its packets, and indexed where it lies. Nothing is encoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from heaters_media import mp4
from heaters_media.errors import BadMedia, FrameCountMismatch
from heaters_media.hdr import needs_mapping
from heaters_media.ledger import AudioPackets, Packets
from heaters_media.plan import PlannedSegment
from heaters_media.probe import Probe, open_media, video_of, whole_packets
from heaters_media.profiles import ProxyProfile
from heaters_media.readable import Readable
from heaters_media.sheet import FrameTaker
from heaters_media.sound import AAC_RATES, PACKET_SAMPLES, Peaks, SoundRange, range_of, sound_pieces
from heaters_media.waveform import Waveform

LONGEST_GOP_S = Fraction(21, 10)  # about two seconds: an encoder told 2 s at 29.97 makes it 2.002
_SAMPLES = 3  # GOPs that are decoded to see that the packets are what they seem
_SPREAD = 2  # a GOP may lie in this many times its own bytes ...
_SPREAD_BYTES = 1 << 18  # ... and this much more, for one ranged read fetches all of it
_SPS, _PPS, _IDR, _SLICE = 7, 8, 5, 1  # NAL unit types (ITU-T H.264, table 7-1)


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """Packets of one track as the file's own index tells them, in decode order."""

    dts: NDArray[np.int64]
    offset_bytes: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    key: NDArray[np.bool_]
    hidden: bool

    @classmethod
    def of(cls, stream: Stream) -> _Index:
        entries = list(stream.index_entries)
        columns = np.array([(e.timestamp, e.pos, e.size) for e in entries], np.int64).reshape(-1, 3)
        key = np.array([e.is_keyframe for e in entries], np.bool_)
        return cls(columns[:, 0], columns[:, 1], columns[:, 2], key, any(e.is_discard for e in entries))


def obstacles(
    path: Path, described: Probe, profile: ProxyProfile, *, longest_gop_s: Fraction | None = LONGEST_GOP_S
) -> tuple[str, ...]:
    """Why a film cannot be its own proxy, each reason in a few words; empty if it can.

    The header is asked first, then the file's index, then each key frame's first bytes, then a decode of three GOPs; the first
    step that finds something ends it. Only MP4 and QuickTime files can be reused: their packets lie bare in the file.

    Args:
        path: the film.
        described: its probe.
        profile: what a proxy must not exceed.
        longest_gop_s: between key frames at most; None does not mind, for a film that is only to be cut once.

    Raises:
        BadMedia: the film cannot be read at all.
    """
    found = tuple(said for wrong, said in _by_header(described, profile) if wrong)
    if found:
        return found
    try:
        with open_media(path) as container:
            stream = video_of(container)
            by_index = partial(_by_index, longest_gop_s=longest_gop_s)
            for check in (_by_tracks, by_index, _by_key_frames, _by_decoding):
                found = tuple(check(path, container, stream))
                if found:
                    return found
    except BadMedia as wrong:
        return (str(wrong),)
    return ()


def _by_header(seen: Probe, profile: ProxyProfile) -> Iterator[tuple[bool, str]]:
    size = (seen.width_px, seen.height_px)
    yield "mp4" not in seen.container.split(","), f"the container is {seen.container}, not MP4"
    yield seen.codec != "h264", f"the codec is {seen.codec}, not h264"
    yield seen.pix_fmt != "yuv420p", f"the pictures are {seen.pix_fmt}, not yuv420p"
    yield seen.color_range == 2, "the pictures use the full range"
    yield needs_mapping(seen.color_primaries, seen.color_transfer), "the colours are wider than a screen's"
    yield profile.size_px(*size) != size, f"{size[0]}x{size[1]} is larger than a proxy"
    yield seen.width_px % 2 == 1 or seen.height_px % 2 == 1, "a side is odd"
    yield seen.pixel_aspect != (1, 1), "the pixels are not square"
    yield seen.rotation_deg != 0 or seen.mirrored, "the picture is not upright"
    yield seen.interlaced, "the picture is interlaced"


def _by_tracks(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[str]:
    tracks = mp4.described_tracks(path)
    if len(tracks) != len(container.streams):
        yield "its tracks cannot be told apart"
        return
    _, count, entry = tracks[stream.index]
    if count != 1 or entry[4:8] != b"avc1":
        yield f"the picture has {count} descriptions, the first a {entry[4:8].decode('latin-1')}"
        return
    config = mp4.codec_config(entry)
    if len(config) < 7 or config[4] & 3 != 3 or not all(mp4.parameter_sets(config)):
        yield "its packets are not counted in four bytes"
    if not container.streams.audio:
        return
    sound = container.streams.audio[0]
    _, count, entry = tracks[sound.index]
    if not _is_plain_aac(sound, entry) or count != 1:
        yield f"the sound is {sound.codec_context.name}, not plain AAC-LC"


def _is_plain_aac(sound: AudioStream, entry: bytes) -> bool:
    codec = sound.codec_context
    return (
        codec.name == "aac"
        and codec.profile == "LC"
        and codec.sample_rate in AAC_RATES
        and sound.time_base == Fraction(1, codec.sample_rate)
        # Version 0 of the entry, its esds right behind (14496-12, 12.2.3); QuickTime's own versions do not fit an MP4.
        and entry[4:8] == b"mp4a"
        and entry[16:18] == b"\0\0"
        and entry[40:44] == b"esds"
    )


def _by_index(
    _: Path, container: InputContainer, stream: VideoStream, *, longest_gop_s: Fraction | None
) -> Iterator[str]:
    index = _Index.of(stream)
    if not len(index.dts) or not bool(index.key[0]):
        yield "it does not begin with a key frame"
        return
    if index.hidden:
        yield "an edit list hides frames"
    if stream.time_base is None:
        yield "it has no time base"
        return
    if bool((np.diff(index.dts) <= 0).any()) or bool((index.size_bytes <= 0).any()):
        yield "its decode times do not increase, or packets are empty"
        return
    keys = np.flatnonzero(index.key)
    step = int(index.dts[-1] - index.dts[-2]) if len(index.dts) > 1 else 0
    gops = np.diff(index.dts[keys], append=index.dts[-1] + step)
    longest = int(gops.max()) * stream.time_base
    if longest_gop_s is not None and longest > longest_gop_s:
        yield f"{float(longest):.1f} s lie between two key frames"
    edges = [*keys.tolist(), len(index.dts)]
    ends = index.offset_bytes + index.size_bytes
    for low, high in pairwise(edges):
        span = int(ends[low:high].max() - index.offset_bytes[low:high].min())
        if span > _SPREAD * int(index.size_bytes[low:high].sum()) + _SPREAD_BYTES:
            yield "its pictures are scattered over the file"
            break
    if container.streams.audio:
        yield from _by_sound(_Index.of(container.streams.audio[0]), index, container.streams.audio[0], stream)


def _by_sound(sound: _Index, picture: _Index, track: AudioStream, stream: VideoStream) -> Iterator[str]:
    if not len(sound.dts) or stream.time_base is None or track.time_base is None:
        yield "the sound has no packets"
        return
    if bool((np.diff(sound.dts) != PACKET_SAMPLES).any()):
        yield "the sound has gaps"
    # Where the picture lies when a sound packet is played: read together, they must lie together.
    numerator = track.time_base.numerator * stream.time_base.denominator
    at = sound.dts * numerator // (track.time_base.denominator * stream.time_base.numerator)
    beside = np.clip(np.searchsorted(picture.dts, at), 0, len(picture.dts) - 1)
    apart = np.abs(sound.offset_bytes - picture.offset_bytes[beside])
    a_second = np.searchsorted(picture.dts, picture.dts[beside] + int(1 / stream.time_base))
    reach = picture.offset_bytes[np.clip(a_second, 0, len(picture.dts) - 1)] - picture.offset_bytes[beside]
    if bool((apart > 2 * np.abs(reach) + 4 * _SPREAD_BYTES).any()):
        yield "sound and picture lie far apart in the file"


def _by_key_frames(path: Path, _: InputContainer, stream: VideoStream) -> Iterator[str]:
    """A decoder can begin at an IDR picture only, and what it is told there must be what the index tells it."""
    index = _Index.of(stream)
    known = {unit for sets in mp4.parameter_sets(mp4.codec_config(_entry(path, stream))) for unit in sets}
    with path.open("rb") as file:
        for n in np.flatnonzero(index.key).tolist():
            kinds = set()
            for kind, unit in _units_at(file.fileno(), int(index.offset_bytes[n]), int(index.size_bytes[n])):
                kinds.add(kind)
                if kind in (_SPS, _PPS) and unit not in known:
                    yield "its parameter sets change"
                    return
            if _IDR not in kinds or _SLICE in kinds:
                yield f"key frame {n} is none that a decoder can begin at"
                return


def _units_at(file: int, at: int, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The kind of each NAL unit of a packet; whole parameter sets, and of others the first byte only."""
    end = at + size_bytes
    while at + 5 <= end:
        head = os.pread(file, 5, at)
        if len(head) < 5:
            return
        length, kind = int.from_bytes(head[:4], "big"), head[4] & 31
        yield kind, os.pread(file, length, at + 4) if kind in (_SPS, _PPS) and length < 4096 else head[4:]
        at += 4 + length


def _by_decoding(_: Path, container: InputContainer, stream: VideoStream) -> Iterator[str]:
    index = _Index.of(stream)
    keys = np.flatnonzero(index.key)
    size = (stream.codec_context.width, stream.codec_context.height)
    chosen = sorted({int(n) for n in np.linspace(0, len(keys) - 1, _SAMPLES).round()})
    for n in chosen:
        low = int(keys[n])
        high = int(keys[n + 1]) if n + 1 < len(keys) else len(index.dts)
        container.seek(int(index.dts[low]), stream=stream, backward=True)
        frames: list[VideoFrame] = []
        try:
            for count, packet in enumerate(whole_packets(container, stream)):
                if count == high - low or packet.size == 0:
                    frames += stream.codec_context.decode(None)
                    break
                frames += packet.decode()
        except FFmpegError as wrong:
            yield f"the pictures from packet {low} on cannot be decoded: {wrong.strerror}"
            return
        good = [f for f in frames if not f.is_corrupt and not f.interlaced_frame and (f.width, f.height) == size]
        if len(good) != high - low:
            yield f"{high - low} packets from packet {low} on gave {len(good)} good pictures"
            return


def _entry(path: Readable, stream: Stream) -> bytes:
    return mp4.described_tracks(path)[stream.index][2]


class SourceIndexer:
    """Indexes a segment of a film that is its own proxy, while it is decoded for other reasons."""

    def __init__(
        self, source: Readable, described: Probe, segment: PlannedSegment, board: FrameTaker | None = None
    ) -> None:
        self._source, self._described, self._segment, self._board = source, described, segment, board
        self._rows: dict[int, tuple[int, int, int, int, bool]] = {}
        self._waveform: Waveform | None = None

    def __enter__(self) -> SourceIndexer:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def saw(self, packet: Packet[VideoStream]) -> None:
        """Note where a packet of the segment lies."""
        if packet.pts is None or packet.dts is None or packet.pos is None or packet.size == 0:
            return
        if self._segment.start_ticks <= packet.pts < self._segment.end_ticks:
            self._rows[packet.pts] = (packet.pts, packet.dts, packet.pos, packet.size, packet.is_keyframe)

    def add(self, frame: VideoFrame) -> None:
        """The segment's next frame, for the storyboard."""
        if self._board is not None and frame.pts is not None:
            self._board.add(frame, frame.pts)

    def finish(self) -> Packets:
        """The index of the segment's packets in the film itself."""
        rows = sorted(self._rows.values(), key=lambda row: row[1])
        if len(rows) != self._segment.frames or not rows[0][4]:
            raise FrameCountMismatch(
                f"segment {self._segment.index} has {len(rows)} packets where the plan counts {self._segment.frames}"
            )
        pts, dts, offset_bytes, size_bytes = (np.array([row[n] for row in rows], np.int64) for n in range(4))
        with open_media(self._source) as container:
            entry = _entry(self._source, video_of(container))
        wanted = range_of(self._described, self._segment.start_ticks, self._segment.end_ticks)
        return Packets(
            first_frame=self._segment.first_frame,
            frames=self._segment.frames,
            time_base=self._described.tick,
            rate=self._described.rate,
            start_ticks=self._segment.start_ticks,
            end_ticks=self._segment.end_ticks,
            width_px=self._described.width_px,
            height_px=self._described.height_px,
            pts=pts,
            dts=dts,
            key=np.array([row[4] for row in rows], np.bool_),
            offset_bytes=offset_bytes,
            size_bytes=size_bytes,
            sample_entry=mp4.without_bit_rate(entry),
            audio=None if wanted is None or wanted.end <= wanted.start else self._sound(wanted),
        )

    def waveform(self) -> Waveform | None:
        """The sound's peaks, once the index is finished; None where there is no sound."""
        return self._waveform

    def _sound(self, wanted: SoundRange) -> AudioPackets:
        rows: list[tuple[int, int, int]] = []
        with open_media(self._source) as container:
            stream = container.streams.audio[0]
            entry = _entry(self._source, stream)
            container.seek(wanted.start - wanted.rate, stream=stream, backward=True)
            for packet in whole_packets(container, stream):
                if packet.pts is None or packet.pos is None or packet.size == 0:
                    continue
                if packet.pts >= wanted.end:
                    break
                if packet.pts > wanted.start - 2 * PACKET_SAMPLES:
                    rows.append((packet.pts, packet.pos, packet.size))
        peaks = Peaks(wanted)
        first, past = wanted.start - PACKET_SAMPLES, wanted.end + 2 * PACKET_SAMPLES
        for n, piece in enumerate(sound_pieces(self._source, wanted, first, past)):
            peaks.add(first + n * PACKET_SAMPLES, piece)
        self._waveform = peaks.waveform()
        return AudioPackets(
            rate=wanted.rate,
            packet_samples=PACKET_SAMPLES,
            start_sample=wanted.start,
            end_sample=wanted.end,
            pts=_column(rows, 0),
            offset_bytes=_column(rows, 1),
            size_bytes=_column(rows, 2),
            sample_entry=entry,
        )


def _column(rows: Sequence[tuple[int, int, int]], n: int) -> NDArray[np.int64]:
    return np.array([row[n] for row in rows], np.int64)
