"""Frames on demand: small pictures of any frames of a video, from ranged reads of their GOPs. Decodes, and never encodes video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.reformatter import VideoReformatter

from heaters_media.decode import decoded
from heaters_media.errors import Undecodable
from heaters_media.keyframes import jpeg_of
from heaters_media.ledger import Packets
from heaters_media.playback import Read

_JOIN_BYTES = 1 << 16  # neighbouring GOPs are read together, a gap of sound between them included


@dataclass(frozen=True, slots=True)
class Gop:
    """A run of packets from a key frame on.

    Attributes:
        read: index of the read that holds it.
        at_bytes: where in it each packet begins, in decode order.
        size_bytes: of each.
        pts: of each, ticks of the video.
        dts: of each.
        wanted: pts of the pictures that are asked for.
    """

    read: int
    at_bytes: tuple[int, ...]
    size_bytes: tuple[int, ...]
    pts: tuple[int, ...]
    dts: tuple[int, ...]
    wanted: frozenset[int]


@dataclass(frozen=True, slots=True)
class FramesPlan:
    """What to read for pictures, and what to decode of it.

    Attributes:
        reads: one for each GOP touched; GOPs that lie together are read together.
        gops: what to decode.
        ticks: pts of each frame asked for, in the order of asking.
        sample_entry: the codec configuration.
        time_base: seconds a tick.
    """

    reads: tuple[Read, ...]
    gops: tuple[Gop, ...]
    ticks: tuple[int, ...]
    sample_entry: bytes
    time_base: Fraction


def plan_frames(parts: Sequence[Packets], frames: Sequence[int]) -> FramesPlan:
    """Which bytes hold the given frames.

    Args:
        parts: packet indexes of a video's segments; all, or at least those that hold the frames.
        frames: indices in the whole video, in any order.

    Raises:
        IndexError: a frame is in none of the parts.
        ValueError: no frames are asked for.
    """
    if not frames:
        raise ValueError("no frames are asked for")
    ticks: list[int] = []
    groups: dict[tuple[int, int], tuple[int, set[int]]] = {}  # (part, key frame's row) -> (row past the last, pts)
    for frame in frames:
        n = next((n for n, p in enumerate(parts) if p.first_frame <= frame < p.first_frame + p.frames), None)
        if n is None:
            raise IndexError(f"frame {frame} is in none of the {len(parts)} segments given")
        part = parts[n]
        row = int(np.argsort(part.pts, kind="stable")[frame - part.first_frame])
        keys = np.flatnonzero(part.key[: row + 1] & (part.pts[: row + 1] <= part.pts[row]))
        past, wanted = groups.get((n, int(keys[-1])), (0, set()))
        groups[n, int(keys[-1])] = max(past, row + 1), wanted | {int(part.pts[row])}
        ticks.append(int(part.pts[row]))

    reads: list[Read] = []
    gops: list[Gop] = []
    for (n, key), (past, wanted) in sorted(groups.items()):
        part, rows = parts[n], slice(key, past)
        low = int(part.offset_bytes[rows].min())
        high = int((part.offset_bytes[rows] + part.size_bytes[rows]).max())
        last = reads[-1] if reads else None
        if last is not None and last.part == n and 0 <= low - last.offset_bytes - last.length_bytes <= _JOIN_BYTES:
            reads[-1] = Read(n, last.offset_bytes, high - last.offset_bytes)
        else:
            reads.append(Read(n, low, high - low))
        gops.append(
            Gop(
                read=len(reads) - 1,
                at_bytes=tuple((part.offset_bytes[rows] - reads[-1].offset_bytes).tolist()),
                size_bytes=tuple(part.size_bytes[rows].tolist()),
                pts=tuple(part.pts[rows].tolist()),
                dts=tuple(part.dts[rows].tolist()),
                wanted=frozenset(wanted),
            )
        )
    first = parts[min(groups)[0]]
    return FramesPlan(tuple(reads), tuple(gops), tuple(ticks), first.sample_entry, first.time_base)


def frames_from(plan: FramesPlan, blobs: Sequence[bytes], longest_px: int) -> tuple[bytes, ...]:
    """The pictures.

    Args:
        plan: from plan_frames.
        blobs: what each of its reads gave, in order.
        longest_px: the longer side at most; smaller pictures are not enlarged.

    Returns:
        One JPEG for each frame asked for, in the order of asking.

    Raises:
        ValueError: the blobs do not fit the reads.
        Undecodable: damaged data.
    """
    if [len(blob) for blob in blobs] != [read.length_bytes for read in plan.reads]:
        raise ValueError("what was read is not what the plan asked for")
    made: dict[int, bytes] = {}
    scaler = VideoReformatter()
    for gop in plan.gops:
        blob = memoryview(blobs[gop.read])
        places = zip(gop.pts, gop.dts, gop.at_bytes, gop.size_bytes, strict=True)
        packets = ((pts, dts, blob[at : at + size]) for pts, dts, at, size in places)
        for frame in decoded(plan.sample_entry, plan.time_base, packets):
            if frame.pts in gop.wanted:
                made[frame.pts] = jpeg_of(frame, scaler, Fraction(1), longest_px)
    missing = sorted(set(plan.ticks) - made.keys())
    if missing:
        raise Undecodable(f"the frame at tick {missing[0]} could not be decoded")
    return tuple(made[tick] for tick in plan.ticks)
