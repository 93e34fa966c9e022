"""Single frames of a video as JPEG, for the strip around a cut: one ranged read, one run of pictures decoded, kept in memory."""

import asyncio
from collections import OrderedDict
from uuid import UUID

from heaters_edges.objects import Objects
from heaters_edges.telemetry import REGISTRY
from heaters_media.frames import frames_from, plan_frames
from prometheus_client import Counter

from heaters_review_api.db.queries import Queries
from heaters_review_api.ledgers import Ledgers

DECODED = Counter("heaters_frames_decoded", "Frames made for pictures around cuts", registry=REGISTRY)

RUN_FRAMES = 12
"""Neighbours are asked for together, so they are decoded together."""
LONGEST_PX = 480


class NoSuchFrame(Exception):
    """The video has no such frame, or not yet in its proxy."""


class Frames:
    """Makes pictures, and keeps the last ones within a limit of bytes."""

    def __init__(self, objects: Objects, queries: Queries, ledgers: Ledgers, *, limit_bytes: int) -> None:
        self._objects = objects
        self._queries = queries
        self._ledgers = ledgers
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._kept_bytes = 0
        self._making: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def picture(self, video_id: UUID, frame: int) -> tuple[bytes, str]:
        """A frame as JPEG, at most LONGEST_PX on its longer side; and the name of exactly these bytes.

        Raises:
            NoSuchFrame: see there.
        """
        segments = await self._queries.segments(video_id, frame, frame + 1)
        if not segments or segments[0].proxy is None or segments[0].packets is None:
            raise NoSuchFrame(f"Frame {frame} of video {video_id} does not exist, or not in the proxy yet.")
        segment, proxy, index = segments[0], segments[0].proxy, segments[0].packets
        first = frame - (frame - segment.first_frame) % RUN_FRAMES
        name = (proxy.key, frame)
        if name not in self._kept:
            run = (proxy.key, first)
            if (making := self._making.get(run)) is None:

                async def make() -> None:
                    packets = await self._ledgers.packets(index)
                    wanted = list(range(first, min(first + RUN_FRAMES, segment.end_frame)))
                    plan = await asyncio.to_thread(plan_frames, [packets], wanted)
                    blobs = await asyncio.gather(
                        *(self._objects.read_range(proxy, read.offset_bytes, read.length_bytes) for read in plan.reads)
                    )
                    made = await asyncio.to_thread(frames_from, plan, blobs, LONGEST_PX)
                    DECODED.inc(len(made))
                    self._keep(proxy.key, wanted, made)

                making = self._making[run] = asyncio.create_task(make())
                making.add_done_callback(lambda _: self._making.pop(run, None))
            await asyncio.shield(making)
        self._kept.move_to_end(name)
        return self._kept[name], f'"{proxy.sha256[:16]}-{frame}-{LONGEST_PX}"'

    def _keep(self, key: str, wanted: list[int], made: tuple[bytes, ...]) -> None:
        for frame, picture in zip(wanted, made, strict=True):
            self._kept_bytes += len(picture) - len(self._kept.pop((key, frame), b""))
            self._kept[key, frame] = picture
        while self._kept_bytes > self._limit_bytes and len(self._kept) > len(wanted):
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])
