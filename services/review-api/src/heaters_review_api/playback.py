"""A clip as MP4: copied packets, made in this process, one ranged read for each segment that it touches. Nothing here can encode."""

import asyncio
import hashlib
from dataclasses import dataclass

from heaters_edges.objects import Objects
from heaters_edges.telemetry import REGISTRY
from heaters_media.playback import mux_playback, plan_playback
from prometheus_client import Counter

from heaters_review_api.clip_cache import ClipCache
from heaters_review_api.core.tables import Clip, Segment
from heaters_review_api.db.queries import Queries
from heaters_review_api.ledgers import Ledgers

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


class Playback:
    """Makes clips, and keeps them in a cache.

    Attributes:
        cache: of finished clips.
    """

    def __init__(self, objects: Objects, queries: Queries, ledgers: Ledgers, cache: ClipCache) -> None:
        self._objects = objects
        self._queries = queries
        self._ledgers = ledgers
        self.cache = cache
        self._making: dict[str, asyncio.Task[bytes]] = {}

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

    async def data(self, playable: Playable) -> bytes:
        """The whole MP4; made once, however many ask at the same time."""
        name = playable.name
        if (known := await asyncio.to_thread(self.cache.get, name)) is not None:
            PLAYED.labels("cache").inc()
            return known
        if (making := self._making.get(name)) is None:
            making = asyncio.create_task(self._make(playable))
            self._making[name] = making
            making.add_done_callback(lambda _: self._making.pop(name, None))
        return await asyncio.shield(making)

    async def _make(self, playable: Playable) -> bytes:
        clip = playable.clip
        packets = [await self._ledgers.packets(s.packets) for s in playable.segments if s.packets]
        proxies = [s.proxy for s in playable.segments if s.proxy]
        plan = await asyncio.to_thread(plan_playback, packets, clip.start_frame, clip.end_frame, audio=playable.audio)
        blobs = await asyncio.gather(
            *(self._objects.read_range(proxies[r.part], r.offset_bytes, r.length_bytes) for r in plan.reads)
        )
        made = await asyncio.to_thread(mux_playback, plan, blobs)
        PLAYED.labels("made").inc()
        await asyncio.to_thread(self.cache.put, playable.name, made)
        return made
