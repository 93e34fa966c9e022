"""What the API reads. Every query answers plain frozen values; pages are cut by key, never by offset."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from heaters_contracts.fact import Lane
from heaters_contracts.objects import ObjectRef
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Double, Select, Text, and_, cast, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.core import tables as core
from heaters_review_api.core.states import ClipState
from heaters_review_api.db import schema
from heaters_review_api.db.rows import to_row
from heaters_review_api.db.texts import printable

_MOST_COUNTED = 10_000
_v, _c, _s, _e, _f = schema.video.c, schema.clip.c, schema.segment.c, schema.event.c, schema.failure.c
_d = schema.decision.c


@dataclass(frozen=True, slots=True)
class ClipOfVideo:
    """A clip, and what of its video every view of it needs."""

    clip: core.Clip
    title: str | None
    time_base: tuple[int, int] | None
    frame_table: ObjectRef | None
    lane: Lane
    version: int
    """The video's, read in the same statement as the clip: a decision on both is a decision on one state."""


@dataclass(frozen=True, slots=True)
class VideoInList:
    """A video, and how many of its clips are in each state."""

    video: core.Video
    clips: dict[ClipState, int]


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a stage has worked on a video: jobs, and the seconds from each one's start to its end, summed."""

    seconds: float
    jobs: int


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that has changed the tables, for who watches."""

    sequence: int
    type: str
    at: datetime
    video_id: UUID
    clip_id: UUID | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which clips are asked for; what is None may be anything. Superseded clips only where their state is asked for."""

    video_id: UUID | None = None
    state: ClipState | None = None
    tag: str | None = None
    group_id: UUID | None = None
    certainty_from: float | None = None
    certainty_to: float | None = None
    frames_from: int | None = None
    frames_to: int | None = None

    def conditions(self) -> list[Any]:
        """As SQL."""
        length = _c.end_frame - _c.start_frame
        found: list[Any] = [_c.live if self.state is None else _c.state == self.state]
        if self.video_id is not None:
            found.append(_c.video_id == self.video_id)
        if self.tag is not None:
            # The second condition is the index's own, which the planner does not see in the first.
            found += [_c.tags.op("@>")(cast([self.tag], ARRAY(Text))), text("tags <> '{}'")]
        if self.group_id is not None:
            found.append(_c.group_id == self.group_id)
        if self.certainty_from is not None:
            found.append(_c.certainty >= self.certainty_from)
        if self.certainty_to is not None:
            found.append(_c.certainty <= self.certainty_to)
        if self.frames_from is not None:
            found.append(length >= self.frames_from)
        if self.frames_to is not None:
            found.append(length <= self.frames_to)
        return found


ClipOrder = Literal["video", "oldest", "least_certain"]
_ORDERS: dict[ClipOrder, tuple[Any, ...]] = {
    "video": (_c.video_sequence, _c.start_frame, _c.id),
    "oldest": (_c.opened_sequence, _c.id),
    "least_certain": (_c.certainty, _c.id),
}

ClipCursor = tuple[int, int, UUID]
"""Place in the order of clips: the video's sequence, the first frame, the clip."""


class Queries:
    """Reads of the projection, and the little that is written beside it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # A read is one statement: a transaction around it would be two more rounds to the server.
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def _all(self, query: Select[Any]) -> Sequence[Any]:
        async with self._reads.connect() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).all()
            return rows

    async def check(self) -> None:
        """Raise if the database cannot be asked, or was not migrated."""
        await self._all(select(schema.checkpoint.c.sequence))

    async def video(self, video_id: UUID) -> core.Video | None:
        """One video, as far as anything is known of it."""
        found = await self._all(select(schema.video).where(_v.id == video_id))
        return to_row(core.Video, found[0]) if found else None

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

    def _clips(self) -> Select[Any]:
        video = schema.video
        return select(
            schema.clip, _v.title, _v.time_base_num, _v.time_base_den, _v.frame_table, _v.lane, _v.version
        ).join_from(schema.clip, video, _c.video_id == _v.id)

    async def clip(self, clip_id: UUID) -> ClipOfVideo | None:
        """One clip, whether it is still live or not."""
        found = await self._all(self._clips().where(_c.id == clip_id))
        return _clip_of_video(found[0]) if found else None

    async def clips(
        self,
        *,
        limit: int,
        video_id: UUID | None = None,
        state: ClipState | None = None,
        after: ClipCursor | None = None,
        wanted: "Wanted | None" = None,
    ) -> list[ClipOfVideo]:
        """Clips in the order of videos, then of frames. Superseded ones only where they are asked for."""
        wanted = wanted or Wanted(video_id=video_id, state=state)
        query = self._clips().where(*wanted.conditions())
        if after is not None:
            query = query.where(tuple_(_c.video_sequence, _c.start_frame, _c.id) > tuple_(*after))
        query = query.order_by(_c.video_sequence, _c.start_frame, _c.id).limit(limit)
        return [_clip_of_video(row) for row in await self._all(query)]

    async def clip_ids(
        self, wanted: "Wanted", order: ClipOrder, *, limit: int, after: tuple[Any, ...] | None
    ) -> list[Any]:
        """Rows of the order's keys, of which the last is the clip's id: a list of clips at its cheapest."""
        keys = _ORDERS[order]
        query = select(*keys).where(*wanted.conditions())
        if after is not None:
            query = query.where(tuple_(*keys) > tuple_(*after))
        return list(await self._all(query.order_by(*keys).limit(limit)))

    async def clips_by_id(self, clip_ids: Collection[UUID]) -> dict[UUID, ClipOfVideo]:
        """Several clips at once."""
        found = await self._all(self._clips().where(_c.id.in_(clip_ids)))
        return {row.id: _clip_of_video(row) for row in found}

    async def pending(self) -> int:
        """How many clips wait for a verdict; counted up to ten thousand, for nobody waits for the rest of the count."""
        some = select(_c.id).where(_c.state == ClipState.PENDING_REVIEW).limit(_MOST_COUNTED).subquery()
        return int((await self._all(select(func.count()).select_from(some)))[0][0])

    async def cuts(self, video_id: UUID) -> list[core.CutRow]:
        """The cuts of a video that stand, in order."""
        c = schema.cut.c
        found = await self._all(select(schema.cut).where(c.video_id == video_id).order_by(c.frame))
        return [to_row(core.CutRow, row) for row in found]

    async def segments(self, video_id: UUID, start: int, end: int) -> list[core.Segment]:
        """The segments that frames [start, end) touch, in order."""
        query = select(schema.segment).where(
            and_(_s.video_id == video_id, _s.first_frame < end, _s.first_frame + _s.frames > start)
        )
        return [to_row(core.Segment, row) for row in await self._all(query.order_by(_s.index))]

    async def events(self, video_id: UUID) -> list[core.Event]:
        """The facts of a video, in order."""
        query = select(schema.event).where(_e.video_id == video_id).order_by(_e.sequence)
        return [to_row(core.Event, row) for row in await self._all(query)]

    async def changes(self, *, after: int, up_to: int, limit: int) -> list[Change]:
        """What has changed the tables, in order: facts with a sequence in (after, up_to]."""
        query = (
            select(_e.sequence, _e.type, _e.at, _e.video_id, _e.clip_id)
            .where(_e.sequence > after, _e.sequence <= up_to)
            .order_by(_e.sequence)
            .limit(limit)
        )
        return [Change(*row) for row in await self._all(query)]

    async def failures(self, *, video_id: UUID | None = None, limit: int = 500) -> list[core.Failure]:
        """Open failures, the newest first."""
        query = select(schema.failure).where(_f.open)
        if video_id is not None:
            query = query.where(_f.video_id == video_id)
        return [to_row(core.Failure, row) for row in await self._all(query.order_by(_f.sequence.desc()).limit(limit))]

    async def failure(self, failure_id: UUID) -> core.Failure | None:
        """One failure, open or not."""
        rows = await self._all(select(schema.failure).where(_f.id == failure_id))
        return to_row(core.Failure, rows[0]) if rows else None

    async def message(self, sequence: int) -> tuple[dict[str, str], bytes] | None:
        """Headers and bytes of a message of the stream, as it came."""
        m = schema.message.c
        rows = await self._all(select(m.headers, m.data).where(m.sequence == sequence))
        return (dict(rows[0][0]), bytes(rows[0][1])) if rows else None

    async def stages(self) -> list[core.Stage]:
        """What people said of whole stages."""
        return [to_row(core.Stage, row) for row in await self._all(select(schema.stage))]

    async def rejections(self, *, limit: int = 100) -> list[core.Event]:
        """Requests that were refused and not asked again better, the newest first."""
        query = (
            select(schema.event)
            .join(schema.video, _v.id == _e.video_id)
            .where(_v.requested_sequence.is_(None), _v.rejected_reason.is_not(None), _e.type == "video.rejected")
            .order_by(_e.sequence.desc())
        )
        return [to_row(core.Event, row) for row in await self._all(query.limit(limit))]

    async def decision(self, clip_id: UUID, idempotency_key: str) -> core.Decision | None:
        """What was decided about a clip under a client's key."""
        query = select(schema.decision).where(_d.clip_id == clip_id, _d.idempotency_key == idempotency_key)
        found = await self._all(query.order_by(_d.sequence).limit(1))
        return to_row(core.Decision, found[0]) if found else None

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

    async def decisions_of(self, by: str, *, limit: int) -> list[core.Decision]:
        """What a person decided last, the newest first."""
        query = select(schema.decision).where(_d.by == by).order_by(_d.sequence.desc(), _d.part).limit(limit)
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

    async def reversals(self, by: str, idempotency_key: str) -> list[core.Reversal]:
        """What a person has undone or redone under a key."""
        r = schema.reversal.c
        query = select(schema.reversal).where(r.by == by, r.idempotency_key == idempotency_key).order_by(r.sequence)
        return [to_row(core.Reversal, row) for row in await self._all(query)]

    async def clips_at(self, video_id: UUID, frame: int) -> list[core.Clip]:
        """The live clips that a frame lies in, or that end at it, in order."""
        query = (
            select(schema.clip)
            .where(_c.video_id == video_id, _c.live, _c.start_frame <= frame, _c.end_frame >= frame)
            .order_by(_c.start_frame)
        )
        return [to_row(core.Clip, row) for row in await self._all(query)]

    async def clips_between(self, video_id: UUID, start: int, end: int) -> list[ClipOfVideo]:
        """The live clips with a frame in [start, end), in order."""
        query = self._clips().where(_c.video_id == video_id, _c.live, _c.start_frame < end, _c.end_frame > start)
        return [_clip_of_video(row) for row in await self._all(query.order_by(_c.start_frame))]

    async def clips_of_group(self, group_id: UUID, *, limit: int) -> list[ClipOfVideo]:
        """The clips of a group, in order."""
        query = self._clips().where(_c.group_id == group_id)
        query = query.order_by(_c.video_sequence, _c.start_frame, _c.id).limit(limit)
        return [_clip_of_video(row) for row in await self._all(query)]

    async def neighbour(self, clip: core.Clip, which: Literal["previous", "next"]) -> ClipOfVideo | None:
        """The live clip that ends where this one begins, or begins where it ends."""
        beside = _c.end_frame == clip.start_frame if which == "previous" else _c.start_frame == clip.end_frame
        found = await self._all(self._clips().where(_c.video_id == clip.video_id, _c.live, beside))
        return _clip_of_video(found[0]) if found else None

    async def cut(self, video_id: UUID, frame: int) -> core.CutRow | None:
        """The cut at a frame, if one stands there."""
        c = schema.cut.c
        found = await self._all(select(schema.cut).where(c.video_id == video_id, c.frame == frame))
        return to_row(core.CutRow, found[0]) if found else None

    async def without_order(self, video_id: UUID) -> list[ClipOfVideo]:
        """Approved clips of a video that the exporter was not told of."""
        query = self._clips().where(_c.video_id == video_id, _c.verdict == "approve", _c.order_id.is_(None))
        return [_clip_of_video(row) for row in await self._all(query.order_by(_c.start_frame))]

    async def videos_without_order(self, *, limit: int = 100) -> list[UUID]:
        """Videos that have such clips."""
        query = select(_c.video_id).where(_c.verdict == "approve", _c.order_id.is_(None)).distinct().limit(limit)
        return [row[0] for row in await self._all(query)]

    async def similar(self, clip_id: UUID, *, limit: int) -> list[tuple[UUID, float]] | None:
        """The embedded clips nearest to one by cosine, the nearest first, without itself; None if it has no embedding."""
        e = schema.embedding.c
        own = await self._all(select(e.model, e.strategy, e.dimensions, e.vector).where(e.clip_id == clip_id).limit(1))
        if not own:
            return None
        model, strategy, dimensions, vector = own[0]
        kind = HALFVEC(dimensions)
        nearness: Any = cast(e.vector, kind).op("<=>", return_type=Double())
        distance = nearness(cast(literal(vector, schema.HalfVectorBytes()), kind))
        query = (
            select(e.clip_id, (1 - distance).label("similarity"))
            .join(schema.clip, _c.id == e.clip_id)
            .where(
                e.dimensions == dimensions,
                e.model == model,
                e.strategy == strategy,
                e.clip_id != clip_id,
                _c.state == ClipState.EMBEDDED,
            )
            .order_by(distance, e.clip_id)
            .limit(limit)
        )
        return [(row.clip_id, float(row.similarity)) for row in await self._all(query)]

    async def unreadable(self) -> int:
        """How many messages are kept that nobody here understands."""
        m = schema.message
        return int((await self._all(select(func.count()).select_from(m).where(m.c.unreadable.is_not(None))))[0][0])

    async def uploaded(self, key: str) -> bool:
        """Whether such an object was uploaded through the API."""
        u = schema.upload.c
        return bool(await self._all(select(u.key).where(u.key == key)))

    async def note_upload(self, ref: ObjectRef, *, name: str, by: str) -> None:
        """Remember that somebody uploaded an object."""
        values = {"key": ref.key, "bytes": ref.bytes, "sha256": ref.sha256, "name": printable(name), "by": by}
        async with self._engine.begin() as connection:
            await connection.execute(insert(schema.upload).values(values).on_conflict_do_nothing())


def _clip_of_video(row: Any) -> ClipOfVideo:
    base = (row.time_base_num, row.time_base_den) if row.time_base_num else None
    return ClipOfVideo(to_row(core.Clip, row), row.title, base, row.frame_table, row.lane, row.version)


def stage_times(events: Collection[core.Event]) -> dict[str, StageTime]:
    """What each stage has worked on a video.

    A job is one cause: a plan tells many facts of one job, and it lasts from its start to its last fact's end.
    """
    jobs: dict[tuple[str, UUID | None], tuple[datetime, datetime]] = {}
    for event in events:
        if event.stage and event.started and event.finished and event.type != "stage.failed":
            began, ended = jobs.get((event.stage, event.cause), (event.started, event.finished))
            jobs[event.stage, event.cause] = (min(began, event.started), max(ended, event.finished))
    times: dict[str, StageTime] = {}
    for (stage, _), (began, ended) in jobs.items():
        known = times.get(stage, StageTime(0.0, 0))
        times[stage] = StageTime(round(known.seconds + (ended - began).total_seconds(), 6), known.jobs + 1)
    return times


def waiting_s(events: Collection[core.Event]) -> float | None:
    """Time on the way to review in which nobody worked: for download, plan, preprocess and scenes, the start of the work minus the
    time at which the stream stored its cause.

    Only the first fact of each stage counts, so the sum means what it says for a video of one segment; with several, segments wait
    for each other on purpose. None until a scene detection was told.
    """
    by_id = {event.fact_id: event for event in events}
    first: dict[str, core.Event] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        if event.stage and event.started and event.type != "stage.failed":
            first.setdefault(event.stage, event)
    if "scenes" not in first:
        return None
    total = 0.0
    for stage in ("download", "plan", "preprocess", "scenes"):
        begun = first.get(stage)
        cause = by_id.get(begun.cause) if begun and begun.cause else None
        if begun and begun.started and cause:
            total += max(0.0, (begun.started - cause.at).total_seconds())
    return round(total, 6)
