"""What happened: facts, changes, failures, and what people said of stages."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from heaters_review_api.core import tables as core
from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.rows import to_row

_v, _e, _f, _c, _s = schema.video.c, schema.event.c, schema.failure.c, schema.clip.c, schema.segment.c
_m = schema.message.c
_REJECTED = (_v.requested_sequence.is_(None), _v.rejected_reason.is_not(None), _e.type == "video.rejected")


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that has changed the tables, for who watches."""

    sequence: int
    type: str
    at: datetime
    video_id: UUID
    clip_id: UUID | None


class HistoryReads(Reads):
    """What is asked about facts."""

    async def check(self) -> None:
        """Raise if the database cannot be asked, or was not migrated."""
        await self._all(select(schema.checkpoint.c.sequence))

    async def events(self, video_id: UUID) -> list[core.Event]:
        """The facts of a video, in order."""
        query = select(schema.event).where(_e.video_id == video_id).order_by(_e.sequence)
        return [to_row(core.Event, row) for row in await self._all(query)]

    async def events_after(self, video_id: UUID, *, after: int, limit: int) -> list[core.Event]:
        """The facts of a video with a greater sequence, in order."""
        query = select(schema.event).where(_e.video_id == video_id, _e.sequence > after)
        return [to_row(core.Event, row) for row in await self._all(query.order_by(_e.sequence).limit(limit))]

    async def sequence_of(self, fact_id: UUID) -> int | None:
        """Where a fact stands in the stream; None if the tables do not know it."""
        rows = await self._all(select(_e.sequence).where(_e.fact_id == fact_id))
        return rows[0][0] if rows else None

    async def trace_of(self, video_id: UUID) -> str | None:
        """The traceparent of a video's first fact; None where it has none."""
        query = (
            select(_m.headers["traceparent"].astext)
            .join(schema.event, _e.sequence == _m.sequence)
            .where(_e.video_id == video_id)
            .order_by(_e.sequence)
            .limit(1)
        )
        rows = await self._all(query)
        return rows[0][0] if rows else None

    async def changes(self, *, after: int, up_to: int, limit: int) -> list[Change]:
        """What has changed the tables, in order: facts with a sequence in (after, up_to]."""
        query = (
            select(_e.sequence, _e.type, _e.at, _e.video_id, _e.clip_id)
            .where(_e.sequence > after, _e.sequence <= up_to)
            .order_by(_e.sequence)
            .limit(limit)
        )
        return [Change(*row) for row in await self._all(query)]

    async def failures(self, *, limit: int, stage: str | None = None, before: int | None = None) -> list[core.Failure]:
        """Open failures, of one stage or of all, the newest first; with `before`, those told before this sequence."""
        query = select(schema.failure).where(*_failed(stage))
        if before is not None:
            query = query.where(_f.sequence < before)
        return [to_row(core.Failure, row) for row in await self._all(query.order_by(_f.sequence.desc()).limit(limit))]

    async def failure_count(self, stage: str | None = None) -> int:
        """How many failures are open, of one stage or of all."""
        query = select(func.count()).select_from(schema.failure).where(*_failed(stage))
        return int((await self._all(query))[0][0])

    async def failure(self, failure_id: UUID) -> core.Failure | None:
        """One failure, open or not."""
        rows = await self._all(select(schema.failure).where(_f.id == failure_id))
        return to_row(core.Failure, rows[0]) if rows else None

    async def message(self, sequence: int) -> tuple[dict[str, str], bytes] | None:
        """Headers and bytes of a message of the stream, as it came."""
        m = schema.message.c
        rows = await self._all(select(m.headers, m.data).where(m.sequence == sequence))
        return (dict(rows[0][0]), bytes(rows[0][1])) if rows else None

    async def inputs(self, video_id: UUID, stage: str) -> list[core.Event]:
        """The messages of a video that a stage works on, those that stand now, in order: what a replay gives to it again."""
        event = schema.event
        told = select(event).where(_e.video_id == video_id)
        by_clip = {"export": _c.order_id, "keyframe": _c.export_id, "embed": _c.keyframe_id}
        by_video = {
            "download": _v.requested_sequence,
            "plan": _v.downloaded_sequence,
            "store_master": _v.planned_sequence,
        }
        if stage in by_clip:
            query = told.where(_e.fact_id.in_(select(by_clip[stage]).where(_c.video_id == video_id, _c.live)))
        elif stage in by_video:
            query = told.where(_e.sequence.in_(select(by_video[stage]).where(_v.id == video_id)))
        elif stage == "preprocess":
            newest = (
                select(func.max(_e.sequence))
                .join(schema.segment, and_(_s.video_id == _e.video_id, _s.index == _e.segment_index))
                .where(_e.video_id == video_id, _e.type == "segment.planned")
                .group_by(_e.segment_index)
            )
            query = told.where(_e.sequence.in_(newest))
        else:
            query = told.where(_e.sequence.in_(select(_s.preprocessed_sequence).where(_s.video_id == video_id)))
        return [to_row(core.Event, row) for row in await self._all(query.order_by(_e.sequence))]

    async def stages(self) -> list[core.Stage]:
        """What people said of whole stages."""
        return [to_row(core.Stage, row) for row in await self._all(select(schema.stage))]

    async def rejections(self, *, limit: int, before: int | None = None) -> list[core.Event]:
        """Requests that were refused and not asked again better, the newest first; with `before`, those told before this sequence."""
        query = select(schema.event).join(schema.video, _v.id == _e.video_id).where(*_REJECTED)
        if before is not None:
            query = query.where(_e.sequence < before)
        return [to_row(core.Event, row) for row in await self._all(query.order_by(_e.sequence.desc()).limit(limit))]

    async def rejection_count(self) -> int:
        """How many requests were refused and not asked again better."""
        query = select(func.count()).select_from(schema.event).join(schema.video, _v.id == _e.video_id)
        return int((await self._all(query.where(*_REJECTED)))[0][0])

    async def unreadable(self) -> int:
        """How many messages are kept that nobody here understands."""
        m = schema.message
        return int((await self._all(select(func.count()).select_from(m).where(m.c.unreadable.is_not(None))))[0][0])


def _failed(stage: str | None) -> list[ColumnElement[bool]]:
    return [_f.open] if stage is None else [_f.open, _f.stage == stage]
