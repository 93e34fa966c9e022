"""The time and the bytes of clips: frame tables and packet indexes, kept in memory."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import TypeVar

from heaters_contracts.objects import ObjectRef
from heaters_edges.failure import MissingObject, TryLater, Unavailable, WrongObject
from heaters_edges.objects import Objects
from heaters_media.errors import BadLedger
from heaters_media.ledger import FrameTable, Packets

from heaters_review_api.db.queries import ClipOfVideo, Queries

_AGAIN_S = 5.0
_AGAIN_MOST_S = 320.0
"""A ledger that is not there, although a fact names it, is asked for ever more seldom: each look is a request to the store."""

_NEVER = (0.0, _AGAIN_S / 2)

T = TypeVar("T", FrameTable, Packets)


class Ledgers:
    """Loads a ledger once and keeps it while it is used."""

    def __init__(self, objects: Objects, queries: Queries, *, kept: int) -> None:
        self._objects = objects
        self._queries = queries
        self._tables: OrderedDict[str, FrameTable] = OrderedDict()
        self._packets: OrderedDict[str, Packets] = OrderedDict()
        self._kept = kept
        self._silent_until = 0.0
        self._lost: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Until when it is not asked for again, and how long that is."""

    async def packets(self, ref: ObjectRef) -> Packets:
        """A segment's packet index."""
        return await _kept(self._packets, ref, self._kept, self._objects.read, Packets.load)

    async def frame_table(self, ref: ObjectRef) -> FrameTable:
        """A video's frame table."""
        return await _kept(self._tables, ref, self._kept, self._objects.read, FrameTable.load)

    async def ticks(self, one: ClipOfVideo) -> tuple[int, int] | None:
        """When a clip begins and ends, in ticks of its video; None while its ledger cannot be read.

        The frame table knows it; until the whole video is scanned, the packet indexes of its segments do. A list must not become
        slow because a ledger is lost or the store is silent, so neither is asked for again within a few seconds.
        """
        start, end = one.clip.start_frame, one.clip.end_frame
        name = one.frame_table.key if one.frame_table else str(one.clip.id)
        now = time.monotonic()
        known = one.frame_table is not None and one.frame_table.key in self._tables
        if not known and (now < self._silent_until or now < self._lost.get(name, _NEVER)[0]):
            return None
        try:
            if one.frame_table is not None:
                table = await self.frame_table(one.frame_table)
                return table.ticks_of(start), table.ticks_of(end)
            return await self._ticks_by_packets(one)
        except (MissingObject, WrongObject, BadLedger, IndexError):
            rest_s = min(2 * self._lost.pop(name, _NEVER)[1], _AGAIN_MOST_S)
            self._lost[name] = (now + rest_s, rest_s)
            while len(self._lost) > self._kept:
                self._lost.popitem(last=False)
        except (TryLater, Unavailable):
            self._silent_until = now + _AGAIN_S
        return None

    async def times(self, one: ClipOfVideo) -> tuple[list[int], tuple[int, int]]:
        """When each frame of a clip begins, then when the last one ends, in ticks of its video; and the time base.

        Raises:
            MissingObject, WrongObject, BadLedger, IndexError: its ledger is not there, or is not one.
        """
        start, end = one.clip.start_frame, one.clip.end_frame
        if one.frame_table is not None:
            table = await self.frame_table(one.frame_table)
            ticks = [*table.pts[start:end].tolist(), table.ticks_of(end)]
            return ticks, (table.time_base.numerator, table.time_base.denominator)
        ticks, base = [], Fraction(1)
        for segment in await self._queries.segments(one.clip.video_id, start, end):
            if segment.packets is None:
                raise BadLedger(f"segment {segment.index} of video {one.clip.video_id} has no packets yet")
            packets = await self.packets(segment.packets)
            times = [*sorted(packets.pts.tolist()), packets.end_ticks]
            first = max(start, segment.first_frame) - packets.first_frame
            last = min(end, segment.end_frame) - packets.first_frame
            ticks = ticks[:-1] + times[first : last + 1]
            base = packets.time_base
        return ticks, (base.numerator, base.denominator)

    async def _ticks_by_packets(self, one: ClipOfVideo) -> tuple[int, int] | None:
        start, end = one.clip.start_frame, one.clip.end_frame
        touched = await self._queries.segments(one.clip.video_id, start, end)
        if not touched or touched[0].packets is None or touched[-1].packets is None:
            return None
        first, last = await self.packets(touched[0].packets), await self.packets(touched[-1].packets)
        return _tick(first, start), _tick(last, end)


def _tick(packets: Packets, frame: int) -> int:
    n = frame - packets.first_frame
    return packets.end_ticks if n == packets.frames else int(sorted(packets.pts.tolist())[n])


async def _kept(
    cache: OrderedDict[str, T],
    ref: ObjectRef,
    most: int,
    read: Callable[[ObjectRef], Awaitable[bytes]],
    load: Callable[[bytes], T],
) -> T:
    known = cache.get(ref.key)
    if known is None:
        known = load(await read(ref))
    cache[ref.key] = known
    cache.move_to_end(ref.key)
    while len(cache) > most:
        cache.popitem(last=False)
    return known
