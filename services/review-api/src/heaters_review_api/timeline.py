"""What a page draws along a whole video: how loud it is, and its small pictures. Both by frame, joined from what the segments have."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from heaters_contracts.objects import ObjectRef
from heaters_edges.objects import Objects
from heaters_media.ledger import Packets
from heaters_media.storyboard import Storyboard
from heaters_media.waveform import Waveform, loudest

from heaters_review_api.core.tables import Segment, Video
from heaters_review_api.db.queries import Queries
from heaters_review_api.ledgers import Ledgers

_ANY_FRAME = 2**31 - 1
_KEPT_ANSWERS = 128
_KEPT_INDEXES = 4096
_AT_ONCE = 8

T = TypeVar("T")


class NoSuchSpan(Exception):
    """The video has no such frames, or not yet."""


@dataclass(frozen=True, slots=True)
class Loudness:
    """How loud frames [start, end) are.

    Attributes:
        start: first frame.
        end: past the last.
        frames_per_peak: each peak but the last stands for so many frames.
        peaks: 0 to 127 (full scale); None where the video is silent by nature or its sound is not ready yet.
        complete: whether every segment of the span is ready.
        etag: the name of exactly this.
    """

    start: int
    end: int
    frames_per_peak: int
    peaks: tuple[int | None, ...]
    complete: bool
    etag: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A segment's storyboard: which frame each tile shows, and the picture."""

    segment: Segment
    picture: ObjectRef
    index: Storyboard


class Timeline:
    """Joins segments' waveforms and storyboards, and keeps what it has read by the names of its contents."""

    def __init__(self, objects: Objects, queries: Queries, ledgers: Ledgers) -> None:
        self._objects = objects
        self._queries = queries
        self._ledgers = ledgers
        self._answers: OrderedDict[str, Loudness] = OrderedDict()
        self._indexes: OrderedDict[str, Storyboard] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def loudness(self, video: Video, *, start: int, end: int | None, most: int) -> Loudness:
        """How loud a video is, in as few frames a peak as `most` peaks allow.

        Raises:
            NoSuchSpan: the frames are not in the video, or not counted yet.
        """
        segments = await self._queries.segments(video.id, 0, _ANY_FRAME)
        known = video.frames or (segments[-1].end_frame if segments else 0)
        end = known if end is None else end
        if not 0 <= start < end <= known:
            raise NoSuchSpan(f"Frames [{start}, {end}) are not in the {known} that are counted of video {video.id}.")
        touched = [s for s in segments if s.first_frame < end and s.end_frame > start and s.packets]
        names = [ref.key for s in touched for ref in (s.packets, s.waveform) if ref]
        said = f"{start}-{end}-{most}-{'|'.join(names)}"
        etag = f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'
        if (answer := self._answers.get(etag)) is None:
            per_peak = -(-(end - start) // most)
            peaks = await self._peaks(touched, [*range(start, end, per_peak), end])
            ready = sum(min(s.end_frame, end) - max(s.first_frame, start) for s in touched)
            answer = Loudness(start, end, per_peak, tuple(peaks), ready == end - start, etag)
        _keep(self._answers, etag, answer, _KEPT_ANSWERS)
        return answer

    async def _peaks(self, segments: Sequence[Segment], edges: Sequence[int]) -> list[int | None]:
        """Of the stretches between frames, each of them in one of the segments or at their very ends."""
        waveforms = await asyncio.gather(*(self._waveform(s.waveform) for s in segments if s.waveform))
        peaks: list[int | None] = [None] * (len(edges) - 1)
        if not waveforms:
            return peaks
        ticks: dict[int, int] = {}
        for packets in await asyncio.gather(*(self._packets(s.packets) for s in segments if s.packets)):
            times = [*np.sort(packets.pts).tolist(), packets.end_ticks]
            last = packets.first_frame + packets.frames
            ticks |= {edge: times[edge - packets.first_frame] for edge in edges if packets.first_frame <= edge <= last}
            time_base = packets.time_base
        known = [n for n, (a, b) in enumerate(pairwise(edges)) if a in ticks and b in ticks]
        stretches = [(ticks[edges[n]], ticks[edges[n + 1]]) for n in known]
        for n, peak in zip(known, await asyncio.to_thread(loudest, waveforms, stretches, time_base), strict=True):
            peaks[n] = peak
        return peaks

    async def _packets(self, ref: ObjectRef) -> Packets:
        async with self._turns:
            return await self._ledgers.packets(ref)

    async def _waveform(self, ref: ObjectRef) -> Waveform:
        async with self._turns:
            return Waveform.load(await self._objects.read(ref))

    async def sheets(self, video: Video) -> list[Sheet]:
        """The storyboards of all segments that have one, in order."""
        segments = await self._queries.segments(video.id, 0, _ANY_FRAME)

        async def sheet(segment: Segment, picture: ObjectRef) -> Sheet:
            index = self._indexes.get(picture.key)
            if index is None:
                async with self._turns:
                    index = Storyboard.load(await self._objects.read(picture))
            _keep(self._indexes, picture.key, index, _KEPT_INDEXES)
            return Sheet(segment, picture, index)

        return await asyncio.gather(*(sheet(s, s.storyboard) for s in segments if s.storyboard))

    async def picture(self, video: Video, number: int) -> tuple[bytes, str]:
        """A segment's storyboard as JPEG, and the name of exactly these bytes.

        Raises:
            NoSuchSpan: the segment has none, or not yet.
        """
        segments = await self._queries.segments(video.id, 0, _ANY_FRAME)
        ref = next((s.storyboard for s in segments if s.index == number), None)
        if ref is None:
            raise NoSuchSpan(f"Segment {number} of video {video.id} has no storyboard, or not yet.")
        return await self._objects.read(ref), f'"{ref.sha256[:32]}"'


def _keep(cache: OrderedDict[str, T], name: str, value: T, most: int) -> None:
    cache[name] = value
    cache.move_to_end(name)
    while len(cache) > most:
        cache.popitem(last=False)
