"""An approved clip as a file of its own: frame-exact without an edit list on the picture, and proven.

Readers of data sets ignore edit lists, so the file must hold exactly the clip's frames. Frames before the clip's first key
frame are encoded again, and, where B-frames refer past its end, the last few; all others are copied bit for bit. Our own proxies
have the same parameter sets as what is encoded here; for others both sets stand in the file, under different numbers. Sound is
copied too, packet for packet, and cut to the sample by the sound track's own edit list, which costs nothing and loses
nothing; to encode it again would need the same edit list, for AAC always has a run-up.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from heaters_media import mp4
from heaters_media.cut import Cut, ExportPlan, plan_cut, plan_export
from heaters_media.decode import decoded
from heaters_media.errors import BadMedia
from heaters_media.ledger import Packets
from heaters_media.playback import Copied, PlaybackPlan, sound_track, video_track
from heaters_media.probe import open_media, video_of, whole_packets
from heaters_media.profiles import ProxyProfile

_BETTER_CRF = (0, 6, 12, 18)  # tried in turn where an almost still picture makes neighbours hard to tell apart
_HELD_BYTES = 1 << 27
_SET_IDS = range(1, 32)  # parameter sets may be numbered 0 to 31 (ITU-T H.264, 7.4.2.1.1)

# Frames of a still picture that differ less than this (mean square of the luma: one level in one pixel of a hundred) are
# the same to every eye, and no encoder keeps them apart.
_ALIKE = 0.01


class ExportMismatch(Exception):
    """What was written is not what was asked for. Not the film's fault: a bug, never an export."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What reading the written file back showed.

    A copied packet decodes to what it decodes to in the proxy: it is the same bytes under the same parameter sets, from a key
    frame on at which every decoder forgets what was before. So copied packets are compared, and only what was encoded anew, and the
    places where the two meet, are decoded.

    Attributes:
        frames_counted: packets in the file's own index, each with the time of its own frame.
        frames_decoded: how many of these were decoded: all that were encoded anew, and the copied ones beside them.
        copied_sha256: of all copied packets' bytes, read back from the file; equal to the proxy's.
        encoded_nearest: how many re-encoded frames were compared with the proxy's frame of their index and its neighbours,
            and found nearest to their own (or all alike).
    """

    frames_counted: int
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


def export(parts: Sequence[tuple[Packets, Path]], start: int, end: int, out: Path, profile: ProxyProfile) -> Exported:
    """Write frames [start, end) of a video's proxy as an MP4 of exactly these frames, and prove it.

    Args:
        parts: the packet index and the file of each segment that the clip touches; more do no harm, and a neighbour makes
            the proof sharper.
        start: first frame, index in the whole video.
        end: past the last frame.
        out: the file to write; it appears when it is whole.
        profile: how to encode what cannot be copied.

    Raises:
        ValueError: the span is empty or not in the parts.
        BadMedia: a proxy is damaged.
        ExportMismatch: what was written is not what was asked for.
    """
    plan = plan_export([part for part, _ in parts], start, end)
    blobs = []
    for read in plan.reads:
        with parts[read.part][1].open("rb") as file:
            file.seek(read.offset_bytes)
            blobs.append(file.read(read.length_bytes))
    return export_from(plan, blobs, out, profile)


def export_from(plan: ExportPlan, blobs: Sequence[bytes | memoryview], out: Path, profile: ProxyProfile) -> Exported:
    """The same from what the plan's reads gave; beside that, it holds the packets of a few groups of pictures at most.

    Raises:
        BadMedia: a proxy is damaged.
        ExportMismatch: what was written is not what was asked for.
    """
    clip = plan.clip
    proxy = _Proxy.of(plan, blobs)
    cut = plan_cut(proxy.rows.pts.tolist(), proxy.rows.key.tolist(), clip.start_ticks, clip.end_ticks)
    wrong = ""
    for better in _BETTER_CRF:
        written = _written(clip, proxy, cut, max(1, profile.crf - better), profile)
        tracks, packets = [written.track], [written.packets]
        if clip.audio is not None and clip.first.audio is not None:
            tracks.append(sound_track(clip.first.audio, clip.audio, clip.samples))
            packets.append(clip.audio.cut(plan.clip_blobs(blobs)))
        part = out.with_name(out.name + ".part")
        with part.open("wb") as file:
            file.writelines(mp4.written(tracks, packets))
        try:
            proof = _prove(part, clip, proxy, cut, written)
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
            start=clip.start,
            end=clip.end,
            frames=clip.end - clip.start,
            frames_copied=clip.end - clip.start - cut.encoded,
            frames_encoded=cut.encoded,
            width_px=clip.first.width_px,
            height_px=clip.first.height_px,
            bytes=size,
            sha256=sha256,
            has_audio=len(tracks) > 1,
            proof=proof,
        )
    raise ExportMismatch(wrong)


class _NotNearest(Exception):
    """A re-encoded frame looks more like a neighbour than like itself; better quality may tell them apart."""


@dataclass(frozen=True, slots=True, eq=False)
class _Proxy:
    """The proxy's packets from the key frame before the clip to the frame after it.

    Attributes:
        first: where size, time base and codec configuration come from.
        rows: their times.
        coded: their bytes.
        order: pts in the order of presentation; a rank is an index into it.
    """

    first: Packets
    rows: Copied
    coded: list[memoryview]
    order: list[int]
    _held: dict[tuple[int, int], list[VideoFrame]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: ExportPlan, blobs: Sequence[bytes | memoryview]) -> _Proxy:
        rows = plan.wider.video
        return cls(plan.clip.first, rows, rows.cut(blobs), np.sort(rows.pts).tolist())

    def around(self, low: int, high: int) -> tuple[int, Iterator[VideoFrame]]:
        """The first rank and the frames of ranks [low, high) and one before and after, where these are.

        They are needed twice, to be encoded and to be compared with; a few are kept meanwhile, many are decoded again.
        """
        wider = (max(0, low - 1), min(high + 1, len(self.order)))
        if (wider[1] - wider[0]) * self.first.width_px * self.first.height_px * 3 // 2 > _HELD_BYTES:
            return wider[0], self.frames(*wider)
        if wider not in self._held:
            self._held[wider] = list(self.frames(*wider))
        return wider[0], iter(self._held[wider])

    def frames(self, low: int, high: int) -> Iterator[VideoFrame]:
        """Frames of ranks [low, high), decoded from the key frame before."""
        pts = self.rows.pts
        begin = int(np.flatnonzero(self.rows.key & (pts <= self.order[low]))[-1])
        stop = int(np.flatnonzero(pts <= self.order[high - 1])[-1]) + 1
        times = zip(pts.tolist(), self.rows.dts.tolist(), self.coded, strict=True)
        packets = (row for n, row in enumerate(times) if begin <= n < stop)
        found = 0
        for frame in decoded(self.first.sample_entry, self.first.time_base, packets):
            if frame.pts is not None and self.order[low] <= frame.pts <= self.order[high - 1]:
                found += 1
                yield frame
        if found != high - low:
            raise BadMedia(f"the proxy gave {found} pictures where {high - low} were needed: it is damaged")


@dataclass(frozen=True, slots=True)
class _Written:
    """A picture track, as it is to be written, and what of it is copied, [first, past last)."""

    track: mp4.Track
    packets: Sequence[bytes | memoryview]
    copied: tuple[int, int]
    pts: list[int]
    dts: list[int]


def _written(clip: PlaybackPlan, proxy: _Proxy, cut: Cut, crf: int, profile: ProxyProfile) -> _Written:
    """The picture with its edges encoded and the rest copied."""
    encoder = _Encoder(proxy.first, crf, profile)
    packets: list[bytes | memoryview] = []
    key: list[bool] = []
    pts: list[int] = []
    for ranks in (cut.head, None, cut.tail):
        if ranks is None:
            packets += proxy.coded[slice(*cut.copy)]
            key += proxy.rows.key[slice(*cut.copy)].tolist()
            pts += proxy.rows.pts[slice(*cut.copy)].tolist()
        elif ranks[1] > ranks[0]:
            first_rank, frames = proxy.around(*ranks)
            made = encoder.encode(itertools.islice(frames, ranks[0] - first_rank, ranks[1] - first_rank))
            if len(made) != ranks[1] - ranks[0]:
                raise ExportMismatch(f"{ranks[1] - ranks[0]} frames were encoded to {len(made)} packets")
            packets += made
            key += map(_is_idr, made)
            pts += proxy.order[slice(*ranks)]
    dts = _decode_times(pts)
    nothing = np.zeros(len(pts), np.int64)
    sizes = np.fromiter(map(len, packets), np.int64, len(packets))
    rows = Copied(nothing, nothing, sizes, np.array(pts, np.int64), np.array(dts, np.int64), np.array(key, np.bool_))
    first = replace(proxy.first, sample_entry=encoder.sample_entry)
    head = cut.head[1] - cut.head[0]
    copied = (head, head + cut.copy[1] - cut.copy[0])
    return _Written(video_track(first, rows, clip.end_ticks), packets, copied, pts, dts)


def _decode_times(pts: Sequence[int]) -> list[int]:
    """Decode times for packets in decode order: increasing, none after its pts; the pts themselves where these increase."""
    order = sorted(pts)
    rank = {p: n for n, p in enumerate(order)}
    late = max(n - rank[p] for n, p in enumerate(pts))
    step = max(1, order[1] - order[0]) if len(order) > 1 else 1
    return [order[n - late] if n >= late else order[0] - (late - n) * step for n in range(len(pts))]


@dataclass(slots=True)
class _Encoder:
    """Encodes runs of frames so that they can stand beside the proxy's own packets.

    Attributes:
        first: what the proxy is.
        crf: constant quality.
        profile: the rest.
        sample_entry: with the parameter sets of the proxy and, where they differ, of what is encoded.
    """

    first: Packets
    crf: int
    profile: ProxyProfile
    sample_entry: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.sample_entry = self.first.sample_entry

    def encode(self, frames: Iterator[VideoFrame]) -> list[bytes]:
        """Packets with length-prefixed NAL units, one a frame, the first one a key frame."""
        look = next(frames)
        encoder = self._opened(look)
        packets: list[bytes] = []
        for frame in itertools.chain([look], frames):
            frame.pict_type = PictureType.NONE
            frame.time_base = self.first.time_base
            packets += [_length_prefixed(bytes(p)) for p in encoder.encode(frame)]
        return packets + [_length_prefixed(bytes(p)) for p in encoder.encode(None)]

    def _opened(self, look: VideoFrame) -> VideoCodecContext:
        """An encoder whose parameter sets are the proxy's own, or else bear a number that none of the proxy's has."""
        known = mp4.parameter_sets(mp4.codec_config(self.first.sample_entry))
        encoder = self._created(look, None)
        if _sets_of(encoder) == known:
            return encoder
        taken = {_number_of(unit) for sets in known for unit in sets}
        encoder = self._created(look, next(n for n in _SET_IDS if n not in taken))
        sps, pps = _sets_of(encoder)
        self.sample_entry = mp4.with_parameter_sets(self.first.sample_entry, (*known[0], *sps), (*known[1], *pps))
        return encoder

    def _created(self, look: VideoFrame, set_id: int | None) -> VideoCodecContext:
        encoder = CodecContext.create("libx264", "w")
        assert isinstance(encoder, VideoCodecContext)  # noqa: S101  # libx264 is a video codec
        encoder.width, encoder.height, encoder.pix_fmt = self.first.width_px, self.first.height_px, "yuv420p"
        encoder.time_base, encoder.framerate = self.first.time_base, self.first.rate
        encoder.sample_aspect_ratio = Fraction(1)
        encoder.color_range, encoder.colorspace = look.color_range, look.colorspace
        encoder.color_primaries, encoder.color_trc = look.color_primaries, look.color_trc
        encoder.options = self.profile.x264_options(self.first.rate, crf=self.crf, set_id=set_id)
        encoder.thread_count = self.profile.threads
        encoder.flags |= Flags.global_header
        encoder.open()
        return encoder


def _sets_of(encoder: VideoCodecContext) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    units = _units(encoder.extradata or b"")
    return tuple(u for u in units if u[0] & 31 == 7), tuple(u for u in units if u[0] & 31 == 8)


def _number_of(parameter_set: bytes) -> int:
    """The number of a parameter set (7.3.2.1.1 and 7.3.2.2): the first ue(v), in an SPS after three bytes of profile and level."""
    begin = 4 if parameter_set[0] & 31 == 7 else 1
    bits = "".join(f"{byte:08b}" for byte in parameter_set[begin : begin + 5])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1


def _units(annex_b: bytes) -> list[bytes]:
    """NAL units of a byte stream (ITU-T H.264, annex B)."""
    return [unit for unit in re.split(b"\0\0\0\1|\0\0\1", annex_b) if unit]


def _length_prefixed(annex_b: bytes) -> bytes:
    """The form MP4 wants, without the parameter sets and delimiters, which stand in the sample entry."""
    return b"".join(len(u).to_bytes(4, "big") + u for u in _units(annex_b) if u[0] & 31 not in (7, 8, 9))


def _is_idr(packet: bytes) -> bool:
    return 5 in _kinds(packet)


def _kinds(packet: bytes) -> set[int]:
    """The kinds of NAL units in a packet (7.4.1); empty for one whose lengths do not add up."""
    kinds, at = set(), 0
    while at + 4 < len(packet):
        kinds.add(packet[at + 4] & 31)
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return kinds if at == len(packet) else set()


def _prove(path: Path, clip: PlaybackPlan, proxy: _Proxy, cut: Cut, written: _Written) -> Proof:
    """Read the file back and compare it with the proxy.

    Raises:
        ExportMismatch: it has other frames or other bytes.
        _NotNearest: a re-encoded frame looks like its neighbour.
    """
    frames, span = clip.end - clip.start, _named(clip)
    back = _read_back(path, clip, proxy, cut, written)
    entry = mp4.sample_entries(path)["vide"]
    joins = int(written.copied[1] > written.copied[0])
    head = decoded(entry, proxy.first.time_base, back.head)
    ranks = (cut.head[0], cut.head[1] + joins)
    if cut.head[1] > cut.head[0]:
        _compare(head, proxy, ranks, cut.head, *proxy.around(*cut.head))
    elif [(f.width, f.height) for f in head] != [(clip.first.width_px, clip.first.height_px)] * joins:
        raise ExportMismatch(f"{span}: the first copied frame cannot be decoded")
    seen = ranks[1] - ranks[0]
    if cut.tail[1] > cut.tail[0]:
        ranks = (proxy.order.index(min(pts for pts, _, _ in back.tail)), cut.tail[1])
        tail = decoded(entry, proxy.first.time_base, back.tail)
        before = max(0, ranks[0] - 1)
        truth = proxy.frames(before, min(ranks[1] + 1, len(proxy.order)))
        _compare(tail, proxy, ranks, cut.tail, before, truth)
        seen += ranks[1] - ranks[0]
    return Proof(
        frames_counted=frames, frames_decoded=seen, copied_sha256=back.copied_sha256, encoded_nearest=cut.encoded
    )


def _named(clip: PlaybackPlan) -> str:
    return f"frames [{clip.start}, {clip.end})"


@dataclass(slots=True)
class _ReadBack:
    """What is kept of a file that was read back: packets that are to be decoded, with their own pts and dts. All others are let go.

    Attributes:
        head: from the begin through the first that was copied.
        tail: from the last key frame before anything that was encoded at the end.
        copied_sha256: of all copied packets' bytes.
    """

    head: list[tuple[int, int, bytes]] = field(default_factory=list)
    tail: list[tuple[int, int, bytes]] = field(default_factory=list)
    copied_sha256: str = ""


def _read_back(path: Path, clip: PlaybackPlan, proxy: _Proxy, cut: Cut, written: _Written) -> _ReadBack:
    """Compare each packet of a file, one after another, with what it should be.

    Raises:
        ExportMismatch: it is something else.
    """
    span, found, copied, count = _named(clip), _ReadBack(), hashlib.sha256(), 0
    first_copied, past_copied = written.copied
    joins = int(past_copied > first_copied)
    # The index says all that is asked here; without this the reader would decode the first frames to learn more.
    with open_media(path, options={"probesize": "32", "analyzeduration": "1"}) as container:
        stream = video_of(container)
        tick = stream.time_base or Fraction(0)
        for n, packet in enumerate(p for p in whole_packets(container, stream) if p.size):
            count = n + 1
            if count > len(written.pts):
                break
            coded, own = bytes(packet), written.pts[n]
            if packet.pts is None or packet.pts * tick != (own - clip.start_ticks) * proxy.first.time_base:
                raise ExportMismatch(f"{span}: a frame is shown at tick {packet.pts}, not at its own time")
            if not _kinds(coded) & {1, 5}:
                raise ExportMismatch(f"{span}: packet {n} holds no picture; the proxy is damaged")
            if n == 0 and not packet.is_keyframe:
                raise ExportMismatch(f"{span}: the file does not begin with a key frame")
            if first_copied <= n < past_copied:
                copied.update(coded)
                if coded != proxy.coded[cut.copy[0] + n - first_copied]:
                    raise ExportMismatch(f"{span}: a copied packet differs from the proxy's")
            if packet.is_keyframe and n < max(1, past_copied):
                found.tail = []
            found.tail.append((own, written.dts[n], coded))
            if n < first_copied + joins:
                found.head.append(found.tail[-1])
    if count != clip.end - clip.start or sorted(written.pts) != proxy.order[cut.head[0] : cut.tail[1]]:
        raise ExportMismatch(f"{span}: {count} packets were written, or other frames than were asked for")
    found.copied_sha256 = copied.hexdigest()
    return found


def _compare(
    made: Iterator[VideoFrame],
    proxy: _Proxy,
    ranks: tuple[int, int],
    encoded: tuple[int, int],
    begin: int,
    frames: Iterator[VideoFrame],
) -> None:
    """Compare a decoded run of the file with the proxy.

    Args:
        made: the run's frames, as the file gives them.
        proxy: what they come from.
        ranks: of the run.
        encoded: of those that were encoded anew; the others were copied.
        begin: rank of the first of `frames`.
        frames: the proxy's, of the run at least, and of the frames before and after where they are wanted as neighbours.

    Raises:
        ExportMismatch: a frame is missing or too many, or a copied one looks different.
        _NotNearest: an encoded one is nearer to a neighbour.
    """
    low, high = ranks
    truth = (_luma(frame) for frame in frames)
    previous = next(truth) if begin < low else None
    own = next(truth)
    for rank in range(low, high):
        following = next(truth, None)
        frame = next(made, None)
        if frame is None or frame.pts != proxy.order[rank]:
            raise ExportMismatch(f"frame {rank - low} of an encoded run is missing or shown at another time")
        mine = _luma(frame)
        if not encoded[0] <= rank < encoded[1]:
            if not np.array_equal(mine, own):
                raise ExportMismatch("a copied frame beside an encoded one looks different from the proxy's")
        else:
            distance = _apart(mine, own)
            for other in (previous, following):
                if (
                    other is not None
                    and _apart(own, other) >= _ALIKE * mine.size / 4
                    and _apart(mine, other) <= distance
                ):
                    raise _NotNearest(f"re-encoded frame {rank - low} is nearer to a neighbour than to itself")
        previous, own = own, following if following is not None else own
    if next(made, None) is not None:
        raise ExportMismatch("the file has more frames than were asked for")


def _luma(frame: VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    array = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return array[:, : plane.width].copy()


def _apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Sum of squared differences, of every second pixel of every second line: enough to tell frames apart, at a quarter of the cost."""
    difference = a[::2, ::2].astype(np.int16) - b[::2, ::2]
    return int(np.einsum("ij,ij->", difference, difference, dtype=np.int64))
