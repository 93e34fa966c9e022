"""What an export encodes and what it copies. Pure; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heaters_media.ledger import Packets
from heaters_media.playback import PlaybackPlan, Read, plan_playback


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a smart cut changes from encoding to copying and back.

    Ranks count frames in the order of presentation, rows count packets in decode order; both from the first packet given. The
    three parts follow each other without a gap and hold exactly the clip's frames.

    Attributes:
        head: ranks that are encoded again, [first, past last): up to the first key frame of the clip.
        copy: rows that are copied, [first, past last): the longest run that needs nothing from beyond the clip.
        tail: ranks that are encoded again, [first, past last): only where B-frames refer to a frame past the clip.
    """

    head: tuple[int, int]
    copy: tuple[int, int]
    tail: tuple[int, int]

    @property
    def encoded(self) -> int:
        """How many frames are encoded again."""
        return self.head[1] - self.head[0] + self.tail[1] - self.tail[0]


def plan_cut(pts: Sequence[int], key: Sequence[bool], start_ticks: int, end_ticks: int) -> Cut:
    """Divide a run of packets into what a clip encodes again and what it copies.

    Args:
        pts: ticks, distinct, in decode order, from the key frame before the clip.
        key: whether decoding can begin there; nothing before such a frame is shown after it.
        start_ticks: pts of the clip's first frame.
        end_ticks: where the clip ends; frames from there on are left out.

    Raises:
        ValueError: no packet begins at start_ticks.
    """
    if start_ticks not in pts:
        raise ValueError(f"no frame begins at tick {start_ticks}")
    rank = {p: n for n, p in enumerate(sorted(pts))}
    first, past = rank[start_ticks], sum(1 for p in pts if p < end_ticks)
    join = next((n for n, p in enumerate(pts) if key[n] and start_ticks <= p < end_ticks), None)
    if join is None:
        return Cut(head=(first, past), copy=(0, 0), tail=(past, past))
    base = highest = rank[pts[join]]
    stop, copied = join, base
    for row in range(join, len(pts)):
        if rank[pts[row]] >= past:
            break
        highest = max(highest, rank[pts[row]])
        if highest - base == row - join:  # no gap among the frames so far
            stop, copied = row + 1, highest + 1
    return Cut(head=(first, base), copy=(join, stop), tail=(copied, past))


@dataclass(frozen=True, slots=True, eq=False)
class ExportPlan:
    """What to read for an export.

    Attributes:
        clip: the clip's own packets, sound included.
        wider: the same and one frame more, where there is one: the proof compares with it.
    """

    clip: PlaybackPlan
    wider: PlaybackPlan

    @property
    def reads(self) -> tuple[Read, ...]:
        """One ranged read for each segment touched."""
        return self.wider.reads

    def clip_blobs(self, blobs: Sequence[bytes | memoryview]) -> list[memoryview]:
        """The part of each read's bytes that the clip's own plan counts from."""
        pairs = zip(self.clip.reads, self.wider.reads, blobs, strict=True)
        starts = [(mine.offset_bytes - all_of_it.offset_bytes, mine, blob) for mine, all_of_it, blob in pairs]
        return [memoryview(blob)[at : at + mine.length_bytes] for at, mine, blob in starts]


def plan_export(parts: Sequence[Packets], start: int, end: int) -> ExportPlan:
    """What to read for an export of frames [start, end).

    Args:
        parts: the packet index of each segment that the clip touches; more do no harm, and a neighbour makes the proof sharper.
        start: first frame, index in the whole video.
        end: past the last frame.

    Raises:
        ValueError: the span is empty or not in the parts.
    """
    clip = plan_playback(parts, start, end, audio=True)
    last = parts[clip.reads[-1].part]
    has_next = end < last.first_frame + last.frames
    return ExportPlan(clip, plan_playback(parts, start, end + 1, audio=True) if has_next else clip)
