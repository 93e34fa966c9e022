"""Decisions: what was decided under which key, about which frames, and what is undone or redone next."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from heaters_contracts.fact import Lane
from sqlalchemy import func, select

from heaters_review_api.core import tables as core
from heaters_review_api.core.rules import Moved
from heaters_review_api.core.states import Action
from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.rows import to_row

_v, _d, _r, _s, _e = schema.video.c, schema.decision.c, schema.reversal.c, schema.segment.c, schema.event.c


@dataclass(frozen=True, slots=True)
class Turned:
    """What an undo or a redo was about, in one video.

    Attributes:
        action: what had been decided.
        clips: how many clips of the video it is about; 0 for a change of cuts.
        clip_id: the clip, where it is one.
        note: what the history says of the decision's first fact, such as `remove 30`.
    """

    action: Action
    clips: int
    clip_id: UUID | None
    note: str | None


class DecisionReads(Reads):
    """What is asked about decisions."""

    async def cut_decision(self, video_id: UUID, by: str, idempotency_key: str) -> core.Decision | None:
        """What was decided about a video's cuts under a client's key."""
        query = select(schema.decision).where(
            _d.video_id == video_id, _d.clip_id.is_(None), _d.by == by, _d.idempotency_key == idempotency_key
        )
        found = await self._all(query.order_by(_d.sequence).limit(1))
        return to_row(core.Decision, found[0]) if found else None

    async def decision_rows(self, decision_id: UUID) -> list[core.Decision]:
        """All that belongs to one decision, in the order in which it was told."""
        query = select(schema.decision).where(_d.decision_id == decision_id).order_by(_d.sequence, _d.part)
        return [to_row(core.Decision, row) for row in await self._all(query)]

    async def decisions_about(self, spans: Sequence[tuple[UUID, int, int]]) -> list[core.Decision]:
        """Decisions about frames of videos, whether they stand or not: those that overlap the hull of the spans in each video."""
        hulls: dict[UUID, tuple[int, int]] = {}
        for video_id, start, end in spans:
            known = hulls.get(video_id, (start, end))
            hulls[video_id] = (min(known[0], start), max(known[1], end))
        found: list[core.Decision] = []
        for video_id, (start, end) in hulls.items():
            query = select(schema.decision).where(_d.video_id == video_id, _d.start_frame < end, _d.end_frame > start)
            found += [to_row(core.Decision, row) for row in await self._all(query)]
        return found

    async def moved_since(self, video_id: UUID, *, after: int, up_to: int) -> list[Moved]:
        """What people changed of a video at sequences in (after, up_to], and where cuts were found; the oldest first."""
        decided = select(schema.decision).where(_d.video_id == video_id, _d.changed_sequence.between(after + 1, up_to))
        turned = select(_r.sequence, _r.by, _r.kind).where(_r.video_id == video_id, _r.sequence > after)
        found = select(_s.detected_sequence, _s.first_frame, _s.first_frame + _s.frames).where(
            _s.video_id == video_id, _s.detected_sequence.between(after + 1, up_to)
        )
        turns = {row.sequence: (row.by, row.kind) for row in await self._all(turned)}
        moved = [Moved(sequence, "cuts found", None, start, end) for sequence, start, end in await self._all(found)]
        for row in await self._all(decided):
            one = to_row(core.Decision, row)
            by, kind = turns.get(one.changed_sequence, (one.by, None))
            what = f"{kind} of {one.action}" if kind else one.action
            moved.append(Moved(one.changed_sequence, what, by, one.start_frame, one.end_frame))
        return sorted(moved, key=lambda one: one.sequence)

    async def versions_of_decision(self, decision_id: UUID) -> dict[UUID, tuple[Lane, int]]:
        """The videos that a decision is about, in the order in which it was told, with lane and version."""
        query = (
            select(_v.id, _v.lane, _v.version)
            .join_from(schema.decision, schema.video, _v.id == _d.video_id)
            .where(_d.decision_id == decision_id)
            .group_by(_v.id)
            .order_by(func.min(_d.sequence))
        )
        return {row.id: (row.lane, row.version) for row in await self._all(query)}

    async def decisions_of(self, by: str, *, limit: int, video_id: UUID | None = None) -> list[core.Decision]:
        """What a person decided last, on one video or on any, the newest first."""
        query = select(schema.decision).where(_d.by == by)
        if video_id is not None:
            query = query.where(_d.video_id == video_id)
        query = query.order_by(_d.sequence.desc(), _d.part).limit(limit)
        return [to_row(core.Decision, row) for row in await self._all(query)]

    async def to_undo(self, by: str) -> UUID | None:
        """The decision of a person that came to stand last."""
        query = select(_d.decision_id).where(_d.by == by, _d.stands).order_by(_d.changed_sequence.desc()).limit(1)
        found = await self._all(query)
        return found[0][0] if found else None

    async def to_redo(self, by: str) -> UUID | None:
        """The decision that a person has undone last; None if they have decided something new since."""
        newest = select(func.max(_d.sequence)).where(_d.by == by).scalar_subquery()
        query = (
            select(_d.decision_id)
            .where(_d.by == by, _d.undone_by.is_not(None), _d.changed_sequence > newest)
            .order_by(_d.changed_sequence.desc())
            .limit(1)
        )
        found = await self._all(query)
        return found[0][0] if found else None

    async def turned(self, video_id: UUID, facts: Sequence[UUID]) -> dict[UUID, Turned]:
        """What the decisions of a video were about that begin with these facts, by those."""
        if not facts:
            return {}
        together = schema.decision.alias()
        size = select(func.count(together.c.clip_id)).where(
            together.c.decision_id == _d.decision_id, together.c.video_id == video_id
        )
        query = (
            select(_d.fact_id, _d.action, size.scalar_subquery().label("clips"), _d.clip_id, _e.note)
            .join_from(schema.decision, schema.event, _e.fact_id == _d.fact_id)
            .where(_d.fact_id.in_(facts), _d.part == 0)
        )
        return {
            row.fact_id: Turned(row.action, row.clips, row.clip_id if row.clips == 1 else None, row.note)
            for row in await self._all(query)
        }

    async def reversals(self, by: str, idempotency_key: str) -> list[core.Reversal]:
        """What a person has undone or redone under a key."""
        query = select(schema.reversal).where(_r.by == by, _r.idempotency_key == idempotency_key).order_by(_r.sequence)
        return [to_row(core.Reversal, row) for row in await self._all(query)]
