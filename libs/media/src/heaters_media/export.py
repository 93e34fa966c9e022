"""An approved clip as a file of its own: frame-exact without an edit list on the picture, and proven.

Readers of data sets ignore edit lists, so the file must hold exactly the clip's frames. Frames before the clip's first key
frame are encoded again, with the proxy's own settings and parameter sets; all others are copied bit for bit. Sound is
copied too, packet for packet, and cut to the sample by the sound track's own edit list, which costs nothing and loses
nothing; to encode it again would need the same edit list, for AAC always has a run-up.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from heaters_media import mp4
from heaters_media.ledger import Packets
from heaters_media.playback import Copied, PlaybackPlan, Read, plan_playback, sound_track, video_track
from heaters_media.probe import open_media, video_of, whole_frames, whole_packets
from heaters_media.profiles import ProxyProfile

_BETTER_CRF = (0, 6, 12, 18)  # tried in turn where an almost still picture makes neighbours hard to tell apart

# Frames of a still picture that differ less than this (mean square of the luma: one level in one pixel of a hundred) are
# the same to every eye, and no encoder keeps them apart.
_ALIKE = 0.01


class ExportMismatch(Exception):
    """What was written is not what was asked for. Not the film's fault: a bug, never an export."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What decoding the written file showed.

    Attributes:
        frames_decoded: how many frames it gave.
        copied_sha256: of all copied packets' bytes, read back from the file; equal to the proxy's.
        encoded_nearest: how many re-encoded frames were compared with the proxy's frame of their index and its neighbours,
            and found nearest to their own (or all alike).
    """

    frames_decoded: int
    copied_sha256: str
    encoded_nearest: int


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported clip.

    Attributes:
        path: the file.
        start: first frame, of the whole video.
        end: past the last frame.
        frames: end - start.
        frames_copied: bit for bit.
        frames_encoded: frames - frames_copied.
        width_px: of the picture.
        height_px: of the picture.
        bytes: of the file.
        sha256: of the file.
        has_audio: whether there is a sound track.
        proof: what a decode showed.
    """

    path: Path
    start: int
    end: int
    frames: int
    frames_copied: int
    frames_encoded: int
    width_px: int
    height_px: int
    bytes: int
    sha256: str
    has_audio: bool
    proof: Proof


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a smart cut changes from encoding to copying; rows of the decode order, see plan_cut.

    Attributes:
        encode: rows whose frames are encoded again, [first, past last).
        copy: rows that are copied, [first, past last).
    """

    encode: tuple[int, int]
    copy: tuple[int, int]


def plan_cut(pts: Sequence[int], key: Sequence[bool], start_ticks: int, end_ticks: int) -> Cut:
    """Divide a run of packets without B-frames into what a clip encodes again and what it copies.

    Args:
        pts: ticks, increasing, from the key frame before the clip.
        key: whether decoding can begin there.
        start_ticks: pts of the clip's first frame.
        end_ticks: where the clip ends; packets from there on are left out.

    Raises:
        ValueError: no packet begins at start_ticks.
    """
    if start_ticks not in pts:
        raise ValueError(f"no frame begins at tick {start_ticks}")
    first = list(pts).index(start_ticks)
    last = sum(1 for p in pts if p < end_ticks)
    join = next((n for n in range(first, last) if key[n]), last)
    return Cut(encode=(first, join), copy=(join, last))


def export(parts: Sequence[tuple[Packets, Path]], start: int, end: int, out: Path, profile: ProxyProfile) -> Exported:
    """Write frames [start, end) of a video's proxy as an MP4 of exactly these frames, and prove it by decoding.

    Args:
        parts: the packet index and the file of each segment that the clip touches; more do no harm, and a neighbour makes
            the proof sharper.
        start: first frame, index in the whole video.
        end: past the last frame.
        out: the file to write; it appears when it is whole.
        profile: what the proxy was made with.

    Raises:
        ValueError: the span is empty or not in the parts.
        BadMedia: a proxy is damaged.
        ExportMismatch: what was written is not what was asked for.
    """
    packets = [part for part, _ in parts]
    plan = plan_playback(packets, start, end, audio=True)
    last = packets[plan.reads[-1].part]
    has_next = end < last.first_frame + last.frames
    wider = plan_playback(packets, start, end + 1) if has_next else replace(plan, audio=None)
    rows, coded = wider.video, [bytes(p) for p in wider.video.cut(_read(parts, wider.reads))]
    in_order = bool((rows.pts == rows.dts).all())
    cut = plan_cut(rows.pts.tolist(), rows.key.tolist(), plan.start_ticks, plan.end_ticks) if in_order else None

    wrong = ""
    for better in _BETTER_CRF:
        crf = max(1, profile.crf - better)
        written = None if cut is None else _smart(plan, rows, coded, cut, crf, profile)
        if written is None:
            # The proxy's settings are no longer this profile's, or it has B-frames: all frames are encoded, still exact.
            written = _whole(plan, rows, coded, crf, profile)
        track, originals, encoded = written
        tracks = [track]
        if plan.audio is not None and plan.first.audio is not None:
            sound = plan.audio.cut(_read(parts, plan.reads))
            tracks.append(sound_track(plan.first.audio, plan.audio, sound, plan.samples))
        part = out.with_name(out.name + ".part")
        part.write_bytes(mp4.write(tracks))
        try:
            proof = _prove(part, plan, rows, coded, originals, encoded)
        except _NotNearest as found:
            wrong = str(found)
            part.unlink()
            continue
        except BaseException:
            part.unlink()
            raise
        size = part.stat().st_size
        with part.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(part, out)
        return Exported(
            path=out,
            start=start,
            end=end,
            frames=end - start,
            frames_copied=end - start - encoded,
            frames_encoded=encoded,
            width_px=plan.first.width_px,
            height_px=plan.first.height_px,
            bytes=size,
            sha256=sha256,
            has_audio=len(tracks) > 1,
            proof=proof,
        )
    raise ExportMismatch(wrong)


class _NotNearest(Exception):
    """A re-encoded frame looks more like a neighbour than like itself; better quality may tell them apart."""


def _read(parts: Sequence[tuple[Packets, Path]], reads: Sequence[Read]) -> list[bytes]:
    blobs = []
    for read in reads:
        with parts[read.part][1].open("rb") as file:
            file.seek(read.offset_bytes)
            blobs.append(file.read(read.length_bytes))
    return blobs


def _smart(
    plan: PlaybackPlan, rows: Copied, coded: Sequence[bytes], cut: Cut, crf: int, profile: ProxyProfile
) -> tuple[mp4.Track, list[bytes], int] | None:
    """The picture with its head encoded and the rest copied; None if the parameter sets would differ."""
    head: list[bytes] = []
    first, join = cut.encode
    if join > first:
        frames = [
            f for f in _decoded(plan.first, rows, coded, 0, join) if f.pts is not None and f.pts >= plan.start_ticks
        ]
        head, sps, pps = _encoded(frames, plan.first, crf, profile)
        if (sps, pps) != mp4.parameter_sets(mp4.codec_config(plan.first.sample_entry)):
            return None
    keep = slice(first, cut.copy[1])
    key = rows.key[keep].copy()
    key[: join - first] = False
    key[0] = True
    originals = list(coded[cut.copy[0] : cut.copy[1]])
    if len(head) != join - first:
        raise ExportMismatch(f"{join - first} frames were encoded to {len(head)} packets")
    pts = rows.pts[keep]
    mine = Copied(rows.read[keep], rows.at_bytes[keep], rows.size_bytes[keep], pts, pts, key)
    return video_track(plan.first, mine, [*head, *originals], plan.end_ticks), originals, join - first


def _whole(
    plan: PlaybackPlan, rows: Copied, coded: Sequence[bytes], crf: int, profile: ProxyProfile
) -> tuple[mp4.Track, list[bytes], int]:
    """The picture with every frame encoded again."""
    frames = [
        f
        for f in _decoded(plan.first, rows, coded, 0, len(coded))
        if f.pts is not None and plan.start_ticks <= f.pts < plan.end_ticks
    ]
    pts = np.array([f.pts for f in frames], np.int64)
    packets, sps, pps = _encoded(frames, plan.first, crf, profile)
    key = np.array([_is_idr(p) for p in packets], np.bool_)
    nothing = np.zeros(len(packets), np.int64)
    mine = Copied(nothing, nothing, nothing, pts, pts, key)
    first = replace(plan.first, sample_entry=mp4.with_parameter_sets(plan.first.sample_entry, sps, pps))
    return video_track(first, mine, packets, plan.end_ticks), [], len(packets)


def _decoded(first: Packets, rows: Copied, coded: Sequence[bytes], low: int, high: int) -> Iterator[VideoFrame]:
    """Frames of packets [low, high), in order of presentation, pts in ticks of the video."""
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)  # noqa: S101  # h264 is a video codec
    decoder.extradata = mp4.codec_config(first.sample_entry)
    decoder.thread_count = 1
    for n in range(low, high):
        packet = Packet(coded[n])
        packet.pts, packet.dts, packet.time_base = int(rows.pts[n]), int(rows.dts[n]), first.time_base
        yield from decoder.decode(packet)
    yield from decoder.decode(None)


def _encoded(
    frames: Sequence[VideoFrame], first: Packets, crf: int, profile: ProxyProfile
) -> tuple[list[bytes], tuple[bytes, ...], tuple[bytes, ...]]:
    """Packets with length-prefixed NAL units, one a frame, and the parameter sets."""
    encoder = CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)  # noqa: S101  # libx264 is a video codec
    look = frames[0]
    encoder.width, encoder.height, encoder.pix_fmt = first.width_px, first.height_px, "yuv420p"
    encoder.time_base, encoder.framerate = first.time_base, first.rate
    encoder.sample_aspect_ratio = Fraction(1)
    encoder.color_range, encoder.colorspace = look.color_range, look.colorspace
    encoder.color_primaries, encoder.color_trc = look.color_primaries, look.color_trc
    encoder.options = profile.x264_options(first.rate, crf=crf)
    encoder.thread_count = profile.threads
    encoder.flags |= Flags.global_header
    packets: list[bytes] = []
    for frame in frames:
        frame.pict_type = PictureType.NONE
        frame.time_base = first.time_base
        packets += [_length_prefixed(bytes(p)) for p in encoder.encode(frame)]
    packets += [_length_prefixed(bytes(p)) for p in encoder.encode(None)]
    units = _units(encoder.extradata or b"")
    return packets, tuple(u for u in units if u[0] & 31 == 7), tuple(u for u in units if u[0] & 31 == 8)


def _units(annex_b: bytes) -> list[bytes]:
    """NAL units of a byte stream (ITU-T H.264, annex B)."""
    return [unit for unit in re.split(b"\0\0\0\1|\0\0\1", annex_b) if unit]


def _length_prefixed(annex_b: bytes) -> bytes:
    """The form MP4 wants, without the parameter sets and delimiters, which stand in the sample entry."""
    return b"".join(len(u).to_bytes(4, "big") + u for u in _units(annex_b) if u[0] & 31 not in (7, 8, 9))


def _is_idr(packet: bytes) -> bool:
    at = 0
    while at + 4 < len(packet):
        if packet[at + 4] & 31 == 5:
            return True
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return False


def _prove(
    path: Path, plan: PlaybackPlan, rows: Copied, coded: Sequence[bytes], originals: Sequence[bytes], encoded: int
) -> Proof:
    """Read the file back and compare it with the proxy.

    Raises:
        ExportMismatch: it has other frames or other bytes.
        _NotNearest: a re-encoded frame looks like its neighbour.
    """
    frames = plan.end - plan.start
    copied = hashlib.sha256()
    with open_media(path) as container:
        written = [bytes(p) for p in whole_packets(container, video_of(container)) if p.size]
    for packet in written[encoded:]:
        copied.update(packet)
    wanted = hashlib.sha256(b"".join(originals))
    if len(written) != frames or copied.digest() != wanted.digest():
        raise ExportMismatch(
            f"frames [{plan.start}, {plan.end}): {len(written)} packets were written where {frames} were asked for, "
            f"or a copied one differs from the proxy's"
        )
    expected = np.sort(rows.pts)
    expected = expected[(expected >= plan.start_ticks) & (expected < plan.end_ticks)] - plan.start_ticks
    decoded = nearest = 0
    proxy = _Neighbours(plan, rows, coded, encoded)
    with open_media(path) as container:
        stream = video_of(container)
        if stream.time_base is None:
            raise ExportMismatch("the written file has no time base")
        for frame in whole_frames(container, stream):
            if decoded >= frames:
                raise ExportMismatch(
                    f"frames [{plan.start}, {plan.end}): the written file has more than {frames} frames"
                )
            if frame.pts is None or frame.pts * stream.time_base != int(expected[decoded]) * plan.first.time_base:
                raise ExportMismatch(f"frame {plan.start + decoded} is shown at tick {frame.pts}, not at its own time")
            if decoded < encoded:
                proxy.check(frame)
                nearest += 1
            decoded += 1
    if decoded != frames:
        raise ExportMismatch(f"frames [{plan.start}, {plan.end}): {decoded} were decoded where {frames} were asked for")
    return Proof(frames_decoded=decoded, copied_sha256=copied.hexdigest(), encoded_nearest=nearest)


class _Neighbours:
    """The proxy's frame of an index, the one before and the one after, for one re-encoded frame after the other."""

    def __init__(self, plan: PlaybackPlan, rows: Copied, coded: Sequence[bytes], encoded: int) -> None:
        self._frame = plan.start
        self._previous: NDArray[np.int16] | None = None
        self._own: NDArray[np.int16] | None = None
        self._following: Iterator[NDArray[np.int16]] = iter(())
        if encoded:
            begin = int(np.searchsorted(np.sort(rows.pts), plan.start_ticks))
            stop = min(len(coded), begin + encoded + 1) if bool((rows.pts == rows.dts).all()) else len(coded)
            frames = _decoded(plan.first, rows, coded, 0, stop)
            self._following = (_luma(f) for n, f in enumerate(frames) if n >= begin - 1)
            self._previous = next(self._following) if begin else None
            self._own = next(self._following)

    def check(self, frame: VideoFrame) -> None:
        """Compare the next re-encoded frame.

        Raises:
            _NotNearest: it is nearer to a neighbour, and the proxy's frames are not alike.
        """
        if self._own is None:
            raise ExportMismatch(f"the proxy has no frame {self._frame}")
        following = next(self._following, None)
        mine = _luma(frame)
        distance = _apart(mine, self._own)
        for other in (self._previous, following):
            if other is None or _apart(self._own, other) < _ALIKE * mine.size:
                continue
            if _apart(mine, other) <= distance:
                raise _NotNearest(f"re-encoded frame {self._frame} is nearer to a neighbour than to itself")
        self._frame += 1
        self._previous, self._own = self._own, following


def _luma(frame: VideoFrame) -> NDArray[np.int16]:
    plane = frame.planes[0]
    array = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return array[:, : plane.width].astype(np.int16)


def _apart(a: NDArray[np.int16], b: NDArray[np.int16]) -> int:
    """Sum of squared differences."""
    difference = (a - b).astype(np.int32)
    return int(np.einsum("ij,ij->", difference, difference, dtype=np.int64))
