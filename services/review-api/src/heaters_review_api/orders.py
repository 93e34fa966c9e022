"""Orders: an approved clip is exported because a clip.approved says so. A verdict is its own order; an approval that stands by a group,
an undo, a redo or a change of cuts is ordered after it.

What lacks an order is seen in the tables alone, and telling an order twice says it once. So whoever comes by completes what a crash
has left: the next request, or the sweep of any replica.
"""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from heaters_contracts.facts import ClipApproved
from heaters_contracts.facts.clip import ProxyPart
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Segment as Place
from heaters_contracts.spans import Span
from heaters_edges.bus import Stale
from heaters_edges.failure import Unavailable
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.core.rules import Refusal
from heaters_review_api.core.tables import Clip, Segment, Video
from heaters_review_api.db.passed import Lagging
from heaters_review_api.db.queries import Queries
from heaters_review_api.telling import TRIES, Refused, Teller, Wish

log = logging.getLogger(__name__)

_SWEEP_S = 5.0


class Orders:
    """Tells the orders that approved clips lack."""

    def __init__(self, teller: Teller, queries: Queries) -> None:
        self._teller = teller
        self._queries = queries

    async def complete(self, video_id: UUID) -> int | None:
        """Order what is approved in a video and not ordered.

        Returns:
            The sequence of the last order; None if nothing was to be ordered.
        """
        last = None
        for _ in range(TRIES):
            lacking = await self._queries.without_order(video_id)
            if not lacking:
                return last
            version = lacking[0].version
            segments = await self._queries.segments(
                video_id, min(one.clip.start_frame for one in lacking), max(one.clip.end_frame for one in lacking)
            )
            original = original_of(await self._queries.video(video_id))
            try:
                for one in lacking:
                    fact = order(one.clip, parts_of(one.clip, segments), original)
                    wish = Wish(fact, video_id, one.lane, version, cause=one.clip.stands_by)
                    version = last = await self._teller.say(wish)
            except Stale:
                await self._teller.catch_up()
            else:
                return last
        raise self._teller.restless()

    async def sweep(self) -> None:
        """Complete what nobody came back for; for ever."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            try:
                for video_id in await self._queries.videos_without_order():
                    await self._complete_if_allowed(video_id)
            except (SQLAlchemyError, Unavailable, Lagging, OSError) as problem:
                log.warning("orders were not completed yet", extra={"reason": str(problem)})

    async def _complete_if_allowed(self, video_id: UUID) -> None:
        """Complete a video's orders; one whose clips cannot be ordered keeps none of the others waiting."""
        try:
            await self.complete(video_id)
        except Refused as problem:
            log.warning("a video's orders were not completed yet", extra={"video_id": video_id, "reason": str(problem)})


def original_of(video: Video | None) -> ObjectRef | None:
    """What a video's clips are to be made from, where its requester asked for more than the proxy's quality."""
    wants_it = video is not None and video.options is not None and video.options.export_quality == "source"
    return video.source_object if video is not None and wants_it else None


def order(clip: Clip, parts: tuple[ProxyPart, ...], original: ObjectRef | None = None) -> ClipApproved:
    """The order of an approved clip, in the name of who approved it."""
    return ClipApproved(
        clip_id=clip.id,
        span=Span(start=clip.start_frame, end=clip.end_frame),
        by=clip.decided_by or "",
        idempotency_key=str(clip.stands_by),
        parts=parts,
        quality="source" if original else "proxy",
        source=original,
        group=clip.group_id,
        tags=clip.tags,
        note=clip.note,
    )


def parts_of(clip: Clip, segments: Sequence[Segment]) -> tuple[ProxyPart, ...]:
    """The proxy segments that a clip touches.

    Raises:
        Refused: one of them has no proxy.
    """
    touched = [s for s in segments if s.first_frame < clip.end_frame and clip.start_frame < s.end_frame]
    parts = tuple(part for segment in touched if (part := _part(segment)))
    if len(parts) != len(touched) or not parts:
        raise Refused(Refusal("clip_is_playable", "A segment of the clip has no proxy, so it cannot be exported."))
    return parts


def _part(segment: Segment) -> ProxyPart | None:
    if segment.proxy is None or segment.packets is None:
        return None
    place = Place(
        index=segment.index,
        first_frame=segment.first_frame,
        frames=segment.frames,
        start_ticks=segment.start_ticks,
        end_ticks=segment.end_ticks,
    )
    return ProxyPart(segment=place, proxy=segment.proxy, packets=segment.packets)
