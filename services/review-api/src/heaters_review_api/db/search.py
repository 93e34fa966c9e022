"""What searches ask of Postgres: the nearest vectors, words, and how many clips a filter leaves.

Vectors of one model and one strategy are a *space*: only they can be compared, and each space has a vector index of its own
(`db.indexes`). Two ways to the nearest ones give the same answer at different cost:

- **exact**: the clips that the filter leaves, each compared. Costs as much as there are clips.
- **index**: the vector index from the nearest on, past those that the filter refuses, until enough are found (pgvector's iterative
  scan). Costs as much as the filter refuses.

`exact_most` says which, and `benchmarks/search.py` measures both sides of it.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    lateral,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.core import tables as core
from heaters_review_api.core.states import ClipState
from heaters_review_api.core.words import Term
from heaters_review_api.db import schema
from heaters_review_api.db.queries import Between
from heaters_review_api.db.rows import to_row
from heaters_review_api.db.texts import printable
from heaters_review_api.db.types import HalfVectorBytes

_c, _v, _e, _m = schema.clip.c, schema.video.c, schema.embedding.c, schema.search_model.c

EXACT_ALWAYS = 4_000
"""So many vectors in all are compared one by one in a few milliseconds: no index pays."""
_SCAN_MOST = 40_000
_EF_SEARCH = 120

How = Literal["exact", "index", "words", "filter"]


def exact_most(clips: int) -> int:
    """Up to how many clips a filter may leave, for all of them to be compared.

    Measured on vectors of 768, 40,000 and 200,000 of them: to look a clip up and compare it takes 4 and 9 us; to pass one by in the
    index, until one is found that the filter lets through, 16 and 45 us, twenty times for twenty hits. So comparing n clips costs 4 us * n,
    the index about 320 us * clips / n, and the two meet where n is the square root of 80 to 100 times the clips.

    Args:
        clips: in the space.
    """
    return EXACT_ALWAYS if clips <= EXACT_ALWAYS else math.isqrt(80 * clips)


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors that can be compared: of one model, made of pictures that were chosen in one way."""

    model: str
    strategy: str
    dimensions: int
    clips: int
    """How many clips have one, as last counted."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A space, and what people said of its model."""

    space: Space
    requested: bool
    chosen_sequence: int | None
    near_duplicate: float | None


@dataclass(frozen=True, slots=True)
class Lacking:
    """A clip that a model has not seen, and the strategy by which its keyframes were chosen; empty where nobody knows."""

    clip: core.Clip
    taken: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Which clips may be found. What is empty may be anything; superseded clips are never found."""

    videos: tuple[UUID, ...] = ()
    tags: tuple[str, ...] = ()
    """All of them."""
    states: tuple[ClipState, ...] = ()
    """One of them."""
    decided_from: datetime | None = None
    decided_to: datetime | None = None
    """Half-open: from the first moment, up to the second."""
    words: tuple[Term, ...] = ()
    """All of them, each in the clip's tags or note, or in its video's title."""
    measures: tuple[tuple[str, Between], ...] = ()
    """What is measured of a clip, and its least and most; what is not measured fits no bounds."""

    def conditions(self) -> list[Any]:
        """As SQL on the table of clips; none where nothing is asked."""
        found: list[Any] = []
        if self.videos:
            found.append(_c.video_id.in_(self.videos))
        if self.tags:
            # The second condition is the index's own, which the planner does not see in the first.
            found += [_c.tags.op("@>")(cast([printable(tag) for tag in self.tags], ARRAY(Text))), text("tags <> '{}'")]
        if self.states:
            found.append(_c.state.in_(self.states))
        if self.decided_from is not None:
            found.append(_c.decided_at >= self.decided_from)
        if self.decided_to is not None:
            found.append(_c.decided_at < self.decided_to)
        for name, (least, most) in self.measures:
            if least is not None:
                found.append(_c[name] >= least)
            if most is not None:
                found.append(_c[name] <= most)
        found += [_has(term) for term in self.words]
        return found


EVERY_CLIP = Filters()


@dataclass(frozen=True, slots=True)
class Hit:
    """A clip that was found; its score is a cosine, or how well its words fit, or nothing where nothing is compared."""

    clip_id: UUID
    score: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, the best first, and how they were found."""

    hits: list[Hit]
    how: How


@dataclass(frozen=True, slots=True)
class Pair:
    """Two clips, and the cosine of their vectors."""

    clip_id: UUID
    near_id: UUID
    similarity: float


class SearchQueries:
    """Reads of the projection for searches."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def _all(self, query: Select[Any]) -> Sequence[Any]:
        async with self._reads.connect() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).all()
            return rows

    async def models(self) -> list[ModelRow]:
        """Every space that has vectors or was asked for, by name."""
        # Counted by an index alone, and the dimensions looked up in one row: vectors of a million clips are gigabytes.
        many = select(_e.model, _e.strategy, func.count().label("clips")).group_by(_e.model, _e.strategy).subquery()
        one = schema.embedding.alias("one")
        of_one = lateral(
            select(one.c.dimensions).where(one.c.model == many.c.model, one.c.strategy == many.c.strategy).limit(1)
        )
        counts = await self._all(select(many, of_one.c.dimensions).join_from(many, of_one, text("true")))
        counted = {(row.model, row.strategy): row for row in counts}
        said = {(row.model, row.strategy): row for row in await self._all(select(schema.search_model))}
        found = []
        for key in sorted(counted.keys() | said.keys()):
            has, wish = counted.get(key), said.get(key)
            dimensions = has.dimensions if has else wish.dimensions if wish else None
            if dimensions is None:
                continue
            found.append(
                ModelRow(
                    Space(*key, dimensions=dimensions, clips=has.clips if has else 0),
                    requested=bool(wish and wish.requested_sequence),
                    chosen_sequence=wish.chosen_sequence if wish else None,
                    near_duplicate=wish.near_duplicate if wish else None,
                )
            )
        return found

    async def embedded(self) -> int:
        """How many clips could be in every space."""
        query = select(func.count()).select_from(schema.clip).where(_c.state == ClipState.EMBEDDED)
        return int((await self._all(query))[0][0])

    async def wanted(self) -> list[Space]:
        """The spaces that every clip is to be in: those that were asked for, and the default."""
        chosen = select(func.max(_m.chosen_sequence)).scalar_subquery()
        query = select(_m.model, _m.strategy).where(
            or_(_m.requested_sequence.is_not(None), _m.chosen_sequence == chosen)
        )
        return [Space(row.model, row.strategy, 0, 0) for row in await self._all(query.order_by(_m.model, _m.strategy))]

    async def lacking(self, model: str, strategy: str, *, limit: int) -> list[Lacking]:
        """Embedded clips that a space lacks, in order."""
        first = schema.embedding.alias("first")
        there = select(_e.clip_id).where(_e.clip_id == _c.id, _e.model == model, _e.strategy == strategy)
        query = (
            select(schema.clip, first.c.strategy.label("taken"))
            .join_from(schema.clip, first, and_(first.c.clip_id == _c.id, first.c.fact_id == _c.embed_id), isouter=True)
            .where(_c.state == ClipState.EMBEDDED, ~there.exists())
            .order_by(_c.video_sequence, _c.start_frame, _c.id)
            .limit(limit)
        )
        return [Lacking(to_row(core.Clip, row), row.taken or "") for row in await self._all(query)]

    async def is_told(self, fact_id: UUID) -> bool:
        """Whether the tables know of a fact."""
        event = schema.event.c
        return bool(await self._all(select(event.fact_id).where(event.fact_id == fact_id)))

    async def vectors(self, space: Space, clip_ids: Collection[UUID]) -> dict[UUID, bytes]:
        """The vectors that clips have in a space: little-endian float16."""
        query = select(_e.clip_id, _e.vector).where(*_in(space), _e.clip_id.in_(clip_ids))
        return {row.clip_id: row.vector for row in await self._all(query)}

    async def spaces_with(self, clip_ids: Collection[UUID]) -> set[tuple[str, str]]:
        """Models and strategies by which all of some clips are embedded."""
        query = (
            select(_e.model, _e.strategy)
            .where(_e.clip_id.in_(clip_ids))
            .group_by(_e.model, _e.strategy)
            .having(func.count() == len(clip_ids))
        )
        return {(row.model, row.strategy) for row in await self._all(query)}

    async def moments(self, space: Space, clip_ids: Collection[UUID]) -> dict[UUID, Any]:
        """Where the vectors of single frames lie: rows with `frames` and `frame_vectors`, for clips that have them."""
        query = select(_e.clip_id, _e.frames, _e.frame_vectors).where(
            *_in(space), _e.clip_id.in_(clip_ids), _e.frame_vectors.is_not(None)
        )
        return {row.clip_id: row for row in await self._all(query)}

    async def labels(self, clip_id: UUID) -> list[Any]:
        """What each model of a clip sees in it: rows with `model`, `strategy` and `labels`."""
        return list(await self._all(select(_e.model, _e.strategy, _e.labels).where(_e.clip_id == clip_id)))

    async def matching(self, filters: Filters, *, most: int) -> int:
        """How many clips a filter leaves, counted up to one more than `most`."""
        some = select(_c.id).where(*filters.conditions()).limit(most + 1).subquery()
        return int((await self._all(select(func.count()).select_from(some)))[0][0])

    async def nearest(
        self,
        space: Space,
        vector: bytes,
        filters: Filters = Filters(),
        *,
        limit: int,
        without: Collection[UUID] = (),
        how: Literal["exact", "index"] | None = None,
    ) -> Found:
        """The clips of a space that are nearest to a vector by cosine, the nearest first.

        Args:
            space: which vectors are compared.
            vector: little-endian float16, as many as the space has dimensions.
            filters: which clips may be found.
            limit: at most so many.
            without: clips that are not to be found.
            how: the way to go; by itself it takes the one that is cheaper.
        """
        conditions = filters.conditions()
        if how is None:
            most = exact_most(space.clips)
            left = await self.matching(filters, most=most) if conditions and space.clips > most else space.clips
            how = "exact" if left <= most else "index"
        distance = _distance(_e.vector, literal(vector, HalfVectorBytes()), space)
        hits = select(_e.clip_id, distance.label("distance")).where(*_in(space))
        if without:
            hits = hits.where(_e.clip_id.not_in(without))
        if how == "exact":
            if conditions:
                left_by = (
                    select(_c.id).where(*conditions).cte("left_by").prefix_with("MATERIALIZED", dialect="postgresql")
                )
                hits = hits.join(left_by, left_by.c.id == _e.clip_id)
            # With `+ 0` no index can give this order, whatever the planner thinks of it.
            query = hits.order_by(distance + 0, _e.clip_id).limit(limit)
            settings: dict[str, str] = {"jit": "off"}
            if conditions and space.clips > EXACT_ALWAYS:
                # Few are left, so each is looked up; a hash join would read every vector of the space, whatever is left.
                settings |= {"enable_hashjoin": "off", "enable_mergejoin": "off"}
        else:
            if conditions:
                hits = hits.join(schema.clip, _c.id == _e.clip_id).where(*conditions)
            near = hits.order_by(distance).limit(limit).cte("near").prefix_with("MATERIALIZED", dialect="postgresql")
            query = select(near.c.clip_id, near.c.distance).order_by(near.c.distance, near.c.clip_id)
            settings = {
                "hnsw.ef_search": str(min(1000, max(_EF_SEARCH, 2 * limit))),
                "hnsw.iterative_scan": "relaxed_order",
                "hnsw.max_scan_tuples": str(_SCAN_MOST),
                "enable_sort": "off",
                "enable_seqscan": "off",
                "jit": "off",
            }
        rows = await self._with(settings, query)
        return Found([Hit(row.clip_id, 1.0 - row.distance) for row in rows], how)

    async def by_words(self, filters: Filters, *, limit: int) -> Found:
        """Clips in whose words all terms stand, those first in which they stand most and closest."""
        words = func.projection.clip_words(_c.tags, _c.note).op("||")(_title_words())
        rank: ColumnElement[float] = func.ts_rank(words, _any_of(filters.words))
        query = (
            select(_c.id, rank.label("rank"))
            .join_from(schema.clip, schema.video, _c.video_id == _v.id)
            .where(*filters.conditions(), _c.live)
            .order_by(rank.desc(), _c.video_sequence.desc(), _c.start_frame, _c.id)
            .limit(limit)
        )
        return Found([Hit(row.id, float(row.rank)) for row in await self._all(query)], "words")

    async def by_filter(self, filters: Filters, *, limit: int) -> Found:
        """Clips that a filter leaves, those first that were decided last."""
        query = (
            select(_c.id)
            .where(*filters.conditions(), _c.live)
            .order_by(_c.decided_at.desc().nulls_last(), _c.video_sequence.desc(), _c.start_frame, _c.id)
            .limit(limit)
        )
        return Found([Hit(row.id, None) for row in await self._all(query)], "filter")

    async def pairs(self, space: Space, filters: Filters, *, clips: int, each: int) -> tuple[int, list[Pair]]:
        """The nearest neighbours of the clips that were decided last.

        Args:
            space: which vectors are compared.
            filters: whose neighbours are asked for; the neighbours may be any.
            clips: of at most so many.
            each: so many neighbours each.

        Returns:
            How many clips were looked at, and each with its neighbours, the nearest first.
        """
        some = (
            select(_e.clip_id, _e.vector)
            .join(schema.clip, _c.id == _e.clip_id)
            .where(*_in(space), *filters.conditions())
            .order_by(_c.decided_at.desc().nulls_last(), _c.id)
            .limit(clips)
            .cte("some")
            .prefix_with("MATERIALIZED", dialect="postgresql")
        )
        other = schema.embedding.alias("other")
        distance = _distance(other.c.vector, some.c.vector, space)
        near = lateral(
            select(other.c.clip_id, distance.label("distance"))
            .where(*_in(space, other), other.c.clip_id != some.c.clip_id)
            .order_by(distance)
            .limit(each)
        )
        settings = {"hnsw.ef_search": str(max(40, 2 * each)), "enable_sort": "off", "jit": "off"}
        query = select(some.c.clip_id, near.c.clip_id.label("near_id"), near.c.distance).join_from(
            some, near, text("true"), isouter=True
        )
        rows = await self._with(settings if space.clips > EXACT_ALWAYS else {"jit": "off"}, query)
        looked = {row.clip_id for row in rows}
        pairs = [Pair(row.clip_id, row.near_id, 1.0 - row.distance) for row in rows if row.near_id is not None]
        return len(looked), sorted(pairs, key=lambda pair: (-pair.similarity, pair.clip_id, pair.near_id))

    async def _with(self, settings: dict[str, str], query: Any) -> Sequence[Any]:
        """Ask in a transaction that has settings of its own."""
        async with self._engine.begin() as connection:
            await connection.execute(select(*[func.set_config(name, value, True) for name, value in settings.items()]))
            rows: Sequence[Any] = (await connection.execute(query)).all()
            return rows


def _in(space: Space, table: Any = schema.embedding) -> list[ColumnElement[bool]]:
    # Written into the statement: the planner takes an index of one model only if it sees that model.
    model = bindparam(None, space.model, Text(), literal_execute=True)
    strategy = bindparam(None, space.strategy, Text(), literal_execute=True)
    return [table.c.model == model, table.c.strategy == strategy]


def _distance(one: Any, other: Any, space: Space) -> ColumnElement[float]:
    kind = HALFVEC(space.dimensions)
    distance: ColumnElement[float] = cast(one, kind).op("<=>", return_type=Double())(cast(other, kind))
    return distance


def _tsquery(term: Term) -> Any:
    simple = text("'simple'::regconfig")
    if term.prefix:
        # Quoted, so that nothing in it is an operator; what the parser makes of it is one word or a phrase.
        quoted = "'" + term.text.replace("\\", "\\\\").replace("'", "''") + "'"
        return func.to_tsquery(simple, f"{quoted}:*")
    return func.phraseto_tsquery(simple, term.text)


def _title_words() -> Any:
    return func.to_tsvector(text("'simple'::regconfig"), func.coalesce(_v.title, text("''")))


def _has(term: Term) -> ColumnElement[bool]:
    query = _tsquery(term)
    in_clip = and_(func.projection.clip_words(_c.tags, _c.note).op("@@")(query), text("(tags <> '{}' OR note <> '')"))
    in_title = _c.video_id.in_(select(_v.id).where(_title_words().op("@@")(query)))
    either: ColumnElement[bool] = or_(in_clip, in_title)
    return ~either if term.refused else either


def _any_of(terms: Sequence[Term]) -> Any:
    wanted = [_tsquery(term) for term in terms if not term.refused]
    if not wanted:
        return func.to_tsquery(text("'simple'::regconfig"), "")
    query = wanted[0]
    for one in wanted[1:]:
        query = query.op("||")(one)
    return query
