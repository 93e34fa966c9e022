"""Videos: one, the list, their segments and cuts."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, Uuid, and_, any_, bindparam, func, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY

from heaters_review_api.core import tables as core
from heaters_review_api.core.states import ClipState, VideoState
from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.ready import Ready
from heaters_review_api.db.rows import to_row

_v, _c, _s = schema.video.c, schema.clip.c, schema.segment.c


@dataclass(frozen=True, slots=True)
class VideoInList:
    """A video, and how many of its clips are in each state."""

    video: core.Video
    clips: dict[ClipState, int]


@dataclass(frozen=True, slots=True)
class Page:
    """All that is known of one video; of a very long one the first clips."""

    video: core.Video
    clips: list[core.Clip]
    """The live ones, by start; one more than was asked for, where there are more."""
    segments: list[core.Segment]
    cuts: list[core.CutRow]
    events: list[core.Event]
    """Every fact, in order."""
    failures: list[core.Failure]
    """Open ones, the newest first."""
    discarded: list[core.Discarded]


def _of_one(table: Table, *where: Any, by: Any, most: Any = None) -> Ready:
    return Ready(select(table).where(table.c.video_id == bindparam("video_id"), *where).order_by(by).limit(most))


_cut, _event, _failure, _discarded = schema.cut.c, schema.event.c, schema.failure.c, schema.discarded.c
_VIDEO = Ready(select(schema.video).where(_v.id == bindparam("video_id")))
_PARTS = (
    (core.Clip, _of_one(schema.clip, _c.live, by=_c.start_frame, most=bindparam("most"))),
    (core.Segment, _of_one(schema.segment, by=_s.index)),
    (core.CutRow, _of_one(schema.cut, by=_cut.frame)),
    (core.Event, _of_one(schema.event, by=_event.sequence)),
    (core.Failure, _of_one(schema.failure, _failure.open, by=_failure.sequence.desc(), most=bindparam("most"))),
    (core.Discarded, _of_one(schema.discarded, by=_discarded.key)),
)


_COUNTED = (
    select(_c.state, func.count().label("clips")).where(_c.video_id == _v.id, _c.live).group_by(_c.state).lateral()
)
_COUNTS = Ready(
    select(_v.id, _COUNTED.c.state, _COUNTED.c.clips)
    .join_from(schema.video, _COUNTED, true())
    .where(_v.id == any_(bindparam("video_ids", type_=ARRAY(Uuid()))))
)
"""Video by video: for many at once, the planner may choose to read all clips of all videos."""


class VideoReads(Reads):
    """What is asked about videos."""

    async def video(self, video_id: UUID) -> core.Video | None:
        """One video, as far as anything is known of it."""
        (found,) = await self._ask((_VIDEO, {"video_id": video_id}))
        return core.Video(*found[0]) if found else None

    async def page(self, video_id: UUID, *, clips: int) -> Page | None:
        """Everything of one video, of one moment as far as one round to the server goes."""
        values = {"video_id": video_id, "most": clips + 1}
        (video, *parts) = await self._ask((_VIDEO, values), *((question, values) for _, question in _PARTS))
        if not video:
            return None
        rows = [[kind(*row) for row in part] for (kind, _), part in zip(_PARTS, parts, strict=True)]
        return Page(core.Video(*video[0]), *rows)

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
        (found,) = await self._ask((_COUNTS, {"video_ids": list(video_ids)}))
        counts: dict[UUID, dict[ClipState, int]] = {}
        for video_id, state, count in found:
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
