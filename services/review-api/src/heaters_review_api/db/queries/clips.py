"""Clips: one, several, and lists of them in each order, cut by key and never by offset."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from heaters_contracts.fact import Lane
from heaters_contracts.facts.clip import Label
from heaters_contracts.objects import ObjectRef
from sqlalchemy import Integer, Text, Uuid, and_, any_, bindparam, cast, column, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from heaters_review_api.core import tables as core
from heaters_review_api.core.measures import Measures
from heaters_review_api.core.states import ClipState
from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.ready import Ready
from heaters_review_api.db.rows import to_row

_v, _c, _d = schema.video.c, schema.clip.c, schema.decision.c

_MOST_COUNTED = 10_000
MEASURES = tuple(part.name for part in fields(Measures))
"""Columns of a clip that it can be chosen and ordered by."""
Between = tuple[float | None, float | None]
"""The least and the most that is wanted; None is any."""


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

    @classmethod
    def of(cls, clip: core.Clip, video: core.Video) -> Self:
        """A clip beside its video, of one moment."""
        base = (video.time_base_num, video.time_base_den) if video.time_base_num and video.time_base_den else None
        return cls(clip, video.title, base, video.frame_table, video.lane, video.version)


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
    measures: Mapping[str, Between] = field(default_factory=dict)
    """What is not measured fits no bounds."""
    clip_ids: tuple[UUID, ...] | None = None
    exported_by: datetime | None = None
    """Only clips that were a file at this time."""

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
        for name, (least, most) in self.measures.items():
            if least is not None:
                found.append(_c[name] >= least)
            if most is not None:
                found.append(_c[name] <= most)
        if self.clip_ids is not None:
            found.append(_c.id.in_(self.clip_ids))
        if self.exported_by is not None:
            found += [_c.export_id.is_not(None), _c.exported_at <= self.exported_by]
        return found


ClipOrder = str
"""One of `CLIP_ORDERS`."""
_LAST = 1e9
"""Where clips go that were not measured: to the end of every order."""
_ORDERS: dict[ClipOrder, tuple[Any, ...]] = {
    "video": (_c.video_sequence, _c.start_frame, _c.id),
    "oldest": (_c.opened_sequence, _c.id),
    "least_certain": (_c.certainty, _c.id),
    "shortest": (_c.end_frame - _c.start_frame, _c.id),
    "longest": (_c.end_frame - _c.start_frame, _c.id),
    **{f"least_{name}": (func.coalesce(_c[name], _LAST), _c.id) for name in MEASURES},
    **{f"most_{name}": (func.coalesce(-_c[name], _LAST), _c.id) for name in MEASURES},
}
CLIP_ORDERS = tuple(_ORDERS)
_BACKWARDS = {"longest"}
"""Read from the end of the index."""

ClipCursor = tuple[int, int, UUID]
"""Place in the order of clips: the video's sequence, the first frame, the clip."""


_CLIPS = select(
    schema.clip, _v.title, _v.time_base_num, _v.time_base_den, _v.frame_table, _v.lane, _v.version
).join_from(schema.clip, schema.video, _c.video_id == _v.id)
_SPAN = (
    func.unnest(
        *(
            bindparam(name, type_=ARRAY(kind))
            for name, kind in (("videos", Uuid()), ("starts", Integer()), ("ends", Integer()))
        )
    )
    .table_valued(
        column("in_video", Uuid()), column("first", Integer()), column("after", Integer()), with_ordinality="place"
    )
    .render_derived()
)
_CLIPS_IN = _CLIPS.join(
    _SPAN, and_(_c.video_id == _SPAN.c.in_video, _c.live, _c.start_frame < _SPAN.c.after, _c.end_frame > _SPAN.c.first)
).order_by(_SPAN.c.place, _c.start_frame)
_CLIP = _CLIPS.where(_c.id == bindparam("clip_id"))
_READY_CLIP = Ready(_CLIP)
_CLIPS_BY_ID = Ready(_CLIPS.where(_c.id == any_(bindparam("clip_ids", type_=ARRAY(Uuid())))))
_CLIP_AND_DECISION = Ready(
    _CLIP.add_columns(*schema.decision.c)
    .outerjoin(schema.decision, and_(_d.clip_id == _c.id, _d.idempotency_key == bindparam("key")))
    .order_by(_d.sequence)
    .limit(1)
)
_WAITING = select(_c.id).where(text("state = 'pending_review'")).limit(_MOST_COUNTED).subquery()
_HOW_MANY_WAIT = Ready(select(func.count()).select_from(_WAITING))
_WAITING_OF_VIDEO = (
    select(_c.id)
    .where(
        text("state = 'pending_review'"),
        _c.video_sequence == select(_v.requested_sequence).where(_v.id == bindparam("video_id")).scalar_subquery(),
    )
    .limit(_MOST_COUNTED)
    .subquery()
)
"""By the sequence, as the index of states has it."""
_HOW_MANY_WAIT_OF_VIDEO = Ready(select(func.count()).select_from(_WAITING_OF_VIDEO))
_CLIP_COLUMNS, _DECISION_COLUMNS = len(schema.clip.c), len(schema.decision.c)


class ClipReads(Reads):
    """What is asked about clips."""

    async def clip(self, clip_id: UUID) -> ClipOfVideo | None:
        """One clip, whether it is still live or not."""
        (found,) = await self._ask((_READY_CLIP, {"clip_id": clip_id}))
        return _clip_of_video(found[0]) if found else None

    async def clip_and_decision(
        self, clip_id: UUID, idempotency_key: str
    ) -> tuple[ClipOfVideo | None, core.Decision | None]:
        """One clip, and what was decided about it under a client's key: of one moment, so that neither can come between."""
        (found,) = await self._ask((_CLIP_AND_DECISION, {"clip_id": clip_id, "key": idempotency_key}))
        if not found:
            return None, None
        decided = found[0][-_DECISION_COLUMNS:]
        return _clip_of_video(found[0]), core.Decision(*decided) if decided[0] is not None else None

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
        query = _CLIPS.where(*wanted.conditions())
        if after is not None:
            query = query.where(tuple_(_c.video_sequence, _c.start_frame, _c.id) > tuple_(*after))
        query = query.order_by(_c.video_sequence, _c.start_frame, _c.id).limit(limit)
        return [_clip_of_video(row) for row in await self._all(query)]

    async def clip_ids(
        self, wanted: "Wanted", order: ClipOrder, *, limit: int, after: tuple[Any, ...] | None
    ) -> list[Any]:
        """Rows of the order's keys, of which the last is the clip's id: a list of clips at its cheapest."""
        keys = _ORDERS[order]
        query, back = select(*keys).where(*wanted.conditions()), order in _BACKWARDS
        if after is not None:
            query = query.where(tuple_(*keys) < tuple_(*after) if back else tuple_(*keys) > tuple_(*after))
        return list(await self._all(query.order_by(*(key.desc() if back else key for key in keys)).limit(limit)))

    async def clips_by_id(self, clip_ids: Collection[UUID]) -> dict[UUID, ClipOfVideo]:
        """Several clips at once."""
        (found,) = await self._ask((_CLIPS_BY_ID, {"clip_ids": list(clip_ids)}))
        return {one.clip.id: one for one in map(_clip_of_video, found)}

    async def labels(self, clip_ids: Collection[UUID]) -> list[tuple[UUID, str, str, tuple[Label, ...]]]:
        """What models see in clips: clip, model, strategy, labels. Models that classify nothing are not among them."""
        e = schema.embedding.c
        query = select(e.clip_id, e.model, e.strategy, e.labels).where(e.clip_id.in_(clip_ids))
        rows = await self._all(query.order_by(e.clip_id, e.model, e.strategy))
        return [(row.clip_id, row.model, row.strategy, row.labels) for row in rows if row.labels]

    async def pending(self, video_id: UUID | None = None) -> int:
        """How many clips, of one video or of all, wait for a verdict; counted up to ten thousand, for nobody waits for the rest of the count."""
        asked = (_HOW_MANY_WAIT, {}) if video_id is None else (_HOW_MANY_WAIT_OF_VIDEO, {"video_id": video_id})
        (((waiting,),),) = await self._ask(asked)
        return int(waiting)

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
        query = _CLIPS.where(_c.video_id == video_id, _c.live, _c.start_frame < end, _c.end_frame > start)
        return [_clip_of_video(row) for row in await self._all(query.order_by(_c.start_frame))]

    async def clips_in(self, spans: Sequence[tuple[UUID, int, int]]) -> list[ClipOfVideo]:
        """The live clips with a frame in any of the spans (video, start, end), each once, in the order of the spans."""
        videos, starts, ends = ([span[part] for span in spans] for part in range(3))
        rows = await self._all(_CLIPS_IN, videos=videos, starts=starts, ends=ends)
        return list({row.id: _clip_of_video(row) for row in rows}.values())

    async def clips_of_group(self, group_id: UUID, *, limit: int) -> list[ClipOfVideo]:
        """The clips of a group, in order."""
        query = _CLIPS.where(_c.group_id == group_id)
        query = query.order_by(_c.video_sequence, _c.start_frame, _c.id).limit(limit)
        return [_clip_of_video(row) for row in await self._all(query)]

    async def neighbour(self, clip: core.Clip, which: Literal["previous", "next"]) -> ClipOfVideo | None:
        """The live clip that ends where this one begins, or begins where it ends."""
        beside = _c.end_frame == clip.start_frame if which == "previous" else _c.start_frame == clip.end_frame
        found = await self._all(_CLIPS.where(_c.video_id == clip.video_id, _c.live, beside))
        return _clip_of_video(found[0]) if found else None

    async def without_order(self, video_id: UUID) -> list[ClipOfVideo]:
        """Approved clips of a video that the exporter was not told of."""
        query = _CLIPS.where(_c.video_id == video_id, _c.verdict == "approve", _c.order_id.is_(None))
        return [_clip_of_video(row) for row in await self._all(query.order_by(_c.start_frame))]

    async def videos_without_order(self, *, limit: int = 100) -> list[UUID]:
        """Videos that have such clips."""
        query = select(_c.video_id).where(_c.verdict == "approve", _c.order_id.is_(None)).distinct().limit(limit)
        return [row[0] for row in await self._all(query)]


def _clip_of_video(row: Sequence[Any]) -> ClipOfVideo:
    title, base_num, base_den, frame_table, lane, version = row[_CLIP_COLUMNS : _CLIP_COLUMNS + 6]
    base = (base_num, base_den) if base_num else None
    return ClipOfVideo(to_row(core.Clip, row), title, base, frame_table, lane, version)
