"""A clip as MP4: copied packets, made in this process, one ranged read for each segment that it touches. Nothing here can encode.

A film without a cut is one clip, however long it is. Such a clip is never held as a whole: it is laid out, and what is asked for of it is
read and sent some MB at a time.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from heaters_edges.objects import Objects
from heaters_edges.telemetry import REGISTRY
from heaters_media.playback import LongClip, PlaybackPlan, Read, mux_playback, plan_playback
from prometheus_client import Counter

from heaters_review_api.clip_cache import ClipCache
from heaters_review_api.core.tables import Clip, Segment
from heaters_review_api.db.queries import Queries
from heaters_review_api.ledgers import Ledgers

_PIECE_BYTES = 4 * 1024**2
_LAID_OUT = 8
"""Long clips whose layout is kept, for a browser asks for one in many ranges: each is its index, and 32 bytes a packet."""

PLAYED = Counter("heaters_playback_clips", "Clips asked for, by where they came from", ["origin"], registry=REGISTRY)


class NotPlayable(Exception):
    """The clip's frames are not all in the store; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Playable:
    """A clip that can be made: its segments, and the name of exactly these bytes."""

    clip: Clip
    segments: tuple[Segment, ...]
    audio: bool

    @property
    def name(self) -> str:
        """Changes with the frames, the proxies or the sound, and with nothing else."""
        keys = [segment.proxy.key for segment in self.segments if segment.proxy]
        words = f"{self.clip.start_frame}-{self.clip.end_frame}-{self.audio}-{'|'.join(keys)}"
        return hashlib.sha256(words.encode()).hexdigest()[:32]

    @property
    def etag(self) -> str:
        """The name as a header says it."""
        return f'"{self.name}"'


class Opened:
    """A clip, ready to be sent.

    Attributes:
        size_bytes: of the whole.
    """

    def __init__(self, objects: Objects, segments: tuple[Segment, ...], clip: bytes | LongClip) -> None:
        self._objects = objects
        self._segments = segments
        self._clip = clip
        self.size_bytes = len(clip) if isinstance(clip, bytes) else clip.size_bytes

    def part(self, start: int, end: int) -> bytes | AsyncIterator[bytes]:
        """Its bytes [start, end), at once or, of a long clip, piece by piece."""
        if isinstance(self._clip, bytes):
            return self._clip[start:end]
        return self._pieces(self._clip, start, end)

    async def _pieces(self, clip: LongClip, start: int, end: int) -> AsyncIterator[bytes]:
        for piece in clip.pieces(start, end, most_bytes=_PIECE_BYTES):
            yield piece.put_together(await _read(self._objects, self._segments, piece.reads))


class Playback:
    """Makes clips, and keeps them in a cache.

    Attributes:
        cache: of finished clips.
    """

    def __init__(
        self, objects: Objects, queries: Queries, ledgers: Ledgers, cache: ClipCache, *, whole_bytes: int
    ) -> None:
        """Nothing is made yet.

        Args:
            objects: where proxies are.
            queries: which segments a clip touches.
            ledgers: what lies where in them.
            cache: for finished clips.
            whole_bytes: what is larger is sent piece by piece, and not kept.
        """
        self._objects = objects
        self._queries = queries
        self._ledgers = ledgers
        self._whole_bytes = whole_bytes
        self.cache = cache
        self._making: dict[str, asyncio.Task[bytes | LongClip]] = {}
        self._laid: OrderedDict[str, LongClip] = OrderedDict()

    async def find(self, clip: Clip, *, audio: bool) -> Playable:
        """What a clip is made from.

        Raises:
            NotPlayable: a segment that it touches has no proxy.
        """
        segments = await self._queries.segments(clip.video_id, clip.start_frame, clip.end_frame)
        at = clip.start_frame
        for segment in segments:
            if segment.first_frame > at or segment.proxy is None or segment.packets is None:
                break
            at = segment.end_frame
        if at < clip.end_frame:
            raise NotPlayable(f"frame {at} of the video has no proxy yet")
        return Playable(clip, tuple(segments), audio)

    async def open(self, playable: Playable) -> Opened:
        """The MP4; made once, however many ask at the same time."""
        name = playable.name
        clip: bytes | LongClip | None = self._laid.get(name)
        if clip is not None:
            self._laid.move_to_end(name)
        else:
            clip = await asyncio.to_thread(self.cache.get, name)
        if clip is not None:
            PLAYED.labels("cache").inc()
        else:
            if (making := self._making.get(name)) is None:
                making = asyncio.create_task(self._make(playable))
                self._making[name] = making
                making.add_done_callback(lambda _: self._making.pop(name, None))
            clip = await asyncio.shield(making)
        return Opened(self._objects, playable.segments, clip)

    async def _make(self, playable: Playable) -> bytes | LongClip:
        clip = playable.clip
        packets = [await self._ledgers.packets(s.packets) for s in playable.segments if s.packets]
        plan = await asyncio.to_thread(plan_playback, packets, clip.start_frame, clip.end_frame, audio=playable.audio)
        PLAYED.labels("made").inc()
        if sum(read.length_bytes for read in plan.reads) > self._whole_bytes:
            return await self._lay_out(playable.name, plan)
        blobs = await _read(self._objects, playable.segments, plan.reads)
        made = await asyncio.to_thread(mux_playback, plan, blobs)
        await asyncio.to_thread(self.cache.put, playable.name, made)
        return made

    async def _lay_out(self, name: str, plan: PlaybackPlan) -> LongClip:
        laid = await asyncio.to_thread(LongClip.of, plan)
        self._laid[name] = laid
        while len(self._laid) > _LAID_OUT:
            self._laid.popitem(last=False)
        return laid


async def _read(objects: Objects, segments: tuple[Segment, ...], reads: tuple[Read, ...]) -> list[bytes]:
    proxies = [segment.proxy for segment in segments if segment.proxy]
    return await asyncio.gather(*(objects.read_range(proxies[r.part], r.offset_bytes, r.length_bytes) for r in reads))
