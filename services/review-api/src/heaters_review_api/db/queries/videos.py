"""Videos: one, the list, their segments and cuts."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, text

from heaters_review_api.core import tables as core
from heaters_review_api.core.states import ClipState, VideoState
from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.rows import to_row

_v, _c, _s = schema.video.c, schema.clip.c, schema.segment.c


@dataclass(frozen=True, slots=True)
class VideoInList:
    """A video, and how many of its clips are in each state."""

    video: core.Video
    clips: dict[ClipState, int]


class VideoReads(Reads):
    """What is asked about videos."""

    async def video(self, video_id: UUID) -> core.Video | None:
        """One video, as far as anything is known of it."""
        found = await self._all(select(schema.video).where(_v.id == video_id))
        return to_row(core.Video, found[0]) if found else None

    async def videos_by_id(self, video_ids: Collection[UUID]) -> dict[UUID, core.Video]:
        """Several videos at once."""
        found = await self._all(select(schema.video).where(_v.id.in_(video_ids)))
        return {row.id: to_row(core.Video, row) for row in found}

    async def videos(self, *, limit: int, before: int | None) -> list[VideoInList]:
        """Requested videos, the newest first; rejected requests are not among them.

        Args:
            limit: at most so many.
            before: only those whose request has a smaller sequence.
        """
        query = select(schema.video).where(_v.requested_sequence.is_not(None))
        if before is not None:
            query = query.where(_v.requested_sequence < before)
        found = await self._all(query.order_by(_v.requested_sequence.desc()).limit(limit))
        videos = [to_row(core.Video, row) for row in found]
        counts = await self.clip_counts([video.id for video in videos])
        return [VideoInList(video, counts.get(video.id, {})) for video in videos]

    async def asked_by(self, requester: str) -> tuple[int, int]:
        """How many videos somebody has asked for in 24 hours, and how many of theirs are on the way to review."""
        on_the_way = (
            VideoState.DOWNLOADING,
            VideoState.PREPROCESSING,
            VideoState.PREPROCESSED,
            VideoState.DETECTING_SCENES,
        )
        counts: list[Any] = [
            func.count().filter(_v.requested_at > func.now() - text("interval '1 day'")),
            func.count().filter(_v.state.in_(on_the_way)),
        ]
        query = select(*counts).where(_v.requester == requester, _v.requested_at.is_not(None))
        today, unfinished = (await self._all(query))[0]
        return int(today), int(unfinished)

    async def clip_counts(self, video_ids: Collection[UUID]) -> dict[UUID, dict[ClipState, int]]:
        """How many live clips of each video are in each state."""
        query = (
            select(_c.video_id, _c.state, func.count())
            .where(_c.video_id.in_(video_ids), _c.live)
            .group_by(_c.video_id, _c.state)
        )
        counts: dict[UUID, dict[ClipState, int]] = {}
        for video_id, state, count in await self._all(query):
            counts.setdefault(video_id, {})[state] = count
        return counts

    async def cuts(self, video_id: UUID) -> list[core.CutRow]:
        """The cuts of a video that stand, in order."""
        c = schema.cut.c
        found = await self._all(select(schema.cut).where(c.video_id == video_id).order_by(c.frame))
        return [to_row(core.CutRow, row) for row in found]

    async def cut(self, video_id: UUID, frame: int) -> core.CutRow | None:
        """The cut at a frame, if one stands there."""
        c = schema.cut.c
        found = await self._all(select(schema.cut).where(c.video_id == video_id, c.frame == frame))
        return to_row(core.CutRow, found[0]) if found else None

    async def segments(self, video_id: UUID, start: int, end: int) -> list[core.Segment]:
        """The segments that frames [start, end) touch, in order."""
        query = select(schema.segment).where(
            and_(_s.video_id == video_id, _s.first_frame < end, _s.first_frame + _s.frames > start)
        )
        return [to_row(core.Segment, row) for row in await self._all(query.order_by(_s.index))]

    async def discarded(self, video_id: UUID) -> list[core.Discarded]:
        """Objects of a video that nobody wants any more."""
        o = schema.discarded.c
        found = await self._all(select(schema.discarded).where(o.video_id == video_id).order_by(o.key))
        return [to_row(core.Discarded, row) for row in found]
