"""Finding clips: what is wanted becomes a vector, words or a filter; the tables answer; the best moments are looked up."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from heaters_contracts.objects import ObjectRef
from heaters_edges.failure import MissingObject, TryLater, Unavailable, WrongObject
from heaters_edges.objects import Objects

from heaters_review_api.core import likeness
from heaters_review_api.core.likeness import Vector
from heaters_review_api.db.search import EVERY_CLIP, Filters, Found, Hit, ModelRow, Pair, SearchQueries, Space
from heaters_review_api.search.asking import Asking
from heaters_review_api.search.pictures import small_jpeg

DEPTH = 1000
"""A search ends here: whoever looks so far wants another search."""
NEAR_DUPLICATE = 0.95
"""From this cosine on, where nobody has said anything of the model."""
_COUNTED_S = 15.0
_MOMENT_BYTES = 32 * 1024 * 1024


class NoSuchSpace(Exception):
    """No clip is embedded in that way."""


class NotInSpace(Exception):
    """A clip that is to be compared has no vector there."""

    def __init__(self, clip_id: UUID, space: Space) -> None:
        super().__init__(f"Clip {clip_id} is not embedded by {space.model}, {space.strategy}.")
        self.clip_id = clip_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. With several, all of them count; with none, only the filters."""

    like: tuple[UUID, ...] = ()
    unlike: tuple[UUID, ...] = ()
    text: str | None = None
    picture: bytes | None = None
    """A JPEG, PNG or WebP file."""
    filters: Filters = EVERY_CLIP
    model: str | None = None
    strategy: str | None = None

    @property
    def looks(self) -> bool:
        """Whether clips are compared by what they look like."""
        return bool(self.like or self.text or self.picture)


@dataclass(frozen=True, slots=True)
class Moment:
    """The frame of a clip that is nearest to what is wanted."""

    frame: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, how they were found, in which space, and the best moment of those that have vectors of single frames."""

    found: Found
    space: Space | None
    moments: dict[UUID, Moment]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of clips that are nearly the same, and how alike clips are at all."""

    space: Space
    threshold: float
    looked: int
    groups: list[list[UUID]]
    histogram: list[int]
    """Cosines of each clip's nearest neighbour, in equal parts of 0 to 1."""


class Finder:
    """Answers searches."""

    def __init__(self, queries: SearchQueries, asking: Asking, objects: Objects) -> None:
        self._queries = queries
        self._asking = asking
        self._objects = objects
        self._models: list[ModelRow] = []
        self._counted_at = float("-inf")
        self._vectors: OrderedDict[str, bytes] = OrderedDict()
        self._vectors_bytes = 0

    async def models(self, *, fresh: bool = True) -> list[ModelRow]:
        """Every space, as counted now, or a few seconds ago."""
        now = time.monotonic()
        if fresh or now - self._counted_at > _COUNTED_S:
            self._models, self._counted_at = await self._queries.models(), now
        return self._models

    async def space(self, model: str | None = None, strategy: str | None = None) -> Space:
        """The space that is asked for; else the default: the one chosen last, or the one with the most clips.

        Raises:
            NoSuchSpace: there is none.
        """
        for fresh in (False, True):
            rows = [
                row
                for row in await self.models(fresh=fresh)
                if model in (None, row.space.model) and strategy in (None, row.space.strategy) and row.space.clips
            ]
            if rows:
                return default_of(rows).space
        asked = " ".join(filter(None, (model, strategy)))
        raise NoSuchSpace(f"No clip is embedded by {asked} yet." if asked else "No clip is embedded yet.")

    async def find(self, wanted: Wanted, *, limit: int) -> Answer:
        """The clips that fit best, the best first.

        Raises:
            NoSuchSpace: no clip can be compared in the way that is asked for.
            NotInSpace: an example has no vector there.
            NoDirection: the examples cancel each other out.
            Unanswered: a text or a picture needs an embedder, and none answers.
            UnreadablePicture: the picture is none.
        """
        if not wanted.looks:
            words = any(not term.refused for term in wanted.filters.words)
            ask = self._queries.by_words if words else self._queries.by_filter
            return Answer(await ask(wanted.filters, limit=limit), None, {})
        space = await self._space_of(wanted)
        query = await self.direction(space, wanted)
        found = await self._queries.nearest(
            space,
            likeness.pack(query),
            wanted.filters,
            limit=limit,
            without={*wanted.like, *wanted.unlike},
        )
        return Answer(found, space, {})

    async def _space_of(self, wanted: Wanted) -> Space:
        """The space to look in: as asked; else the default, or, where an example is not in that yet, the next that has all of them."""
        space = await self.space(wanted.model, wanted.strategy)
        examples = {*wanted.like, *wanted.unlike}
        if wanted.model or wanted.strategy or wanted.text or wanted.picture or not examples:
            return space
        has = await self._queries.spaces_with(examples)
        if (space.model, space.strategy) in has:
            return space
        rows = [row for row in await self.models() if (row.space.model, row.space.strategy) in has]
        return default_of(rows).space if rows else space

    async def direction(self, space: Space, wanted: Wanted) -> Vector:
        """Where to look in a space. Raises what `find` raises."""
        known = await self._queries.vectors(space, {*wanted.like, *wanted.unlike})
        for clip_id in (*wanted.like, *wanted.unlike):
            if clip_id not in known:
                raise NotInSpace(clip_id, space)
        towards = [likeness.unpack(known[clip_id]) for clip_id in wanted.like]
        if wanted.text:
            towards.append(await self._asking.text(space, wanted.text))
        if wanted.picture:
            jpeg = await asyncio.to_thread(small_jpeg, wanted.picture)
            towards.append(await self._asking.picture(space, jpeg))
        return likeness.wanted(towards, [likeness.unpack(known[clip_id]) for clip_id in wanted.unlike])

    async def moments(self, space: Space, wanted: Wanted, hits: Sequence[Hit]) -> dict[UUID, Moment]:
        """The frame of each hit that is nearest to what is wanted; none for a clip without vectors of single frames."""
        rows = await self._queries.moments(space, [hit.clip_id for hit in hits])
        if not rows:
            return {}
        query = await self.direction(space, wanted)
        vectors = await asyncio.gather(*(self._frame_vectors(row.frame_vectors) for row in rows.values()))
        found = {}
        for (clip_id, row), whole in zip(rows.items(), vectors, strict=True):
            best = likeness.moment(whole, space.dimensions, query)
            if best is not None and best[0] < len(row.frames):
                found[clip_id] = Moment(row.frames[best[0]], best[1])
        return found

    async def duplicates(
        self, space: Space, filters: Filters, *, threshold: float | None, clips: int, each: int = 10
    ) -> Duplicates:
        """Groups of near-duplicates among the clips that were decided last, and the distribution that the threshold cuts."""
        said = next((row.near_duplicate for row in await self.models(fresh=False) if row.space == space), None)
        threshold = threshold if threshold is not None else said or NEAR_DUPLICATE
        looked, pairs = await self._queries.pairs(space, filters, clips=clips, each=each)
        near = [(pair.clip_id, pair.near_id) for pair in pairs if pair.similarity >= threshold]
        return Duplicates(space, threshold, looked, likeness.groups(near), likeness.histogram(_best(pairs).values()))

    async def overlap(self, one: Space, other: Space, *, clips: int, each: int = 10) -> tuple[int, float | None]:
        """How many clips were compared, and which share of their neighbours two spaces have in common."""
        neighbours: list[dict[UUID, list[UUID]]] = []
        for space in (one, other):
            near: dict[UUID, list[UUID]] = {}
            for pair in (await self._queries.pairs(space, EVERY_CLIP, clips=clips, each=each))[1]:
                near.setdefault(pair.clip_id, []).append(pair.near_id)
            neighbours.append(near)
        both = sorted(neighbours[0].keys() & neighbours[1].keys())
        return len(both), likeness.overlap(*([near[clip_id] for clip_id in both] for near in neighbours))

    async def embedded(self) -> int:
        """How many clips could be in every space."""
        return await self._queries.embedded()

    async def labels(self, clip_id: UUID) -> list[Any]:
        """What each model of a clip sees in it: rows with `model`, `strategy` and `labels`."""
        return await self._queries.labels(clip_id)

    async def _frame_vectors(self, ref: ObjectRef) -> bytes:
        known = self._vectors.get(ref.key)
        if known is None:
            try:
                known = await self._objects.read(ref)
            except (MissingObject, WrongObject, TryLater, Unavailable):
                return b""  # a search must not fail because the moment inside a clip is not known
            if ref.key not in self._vectors:  # another search may have read it meanwhile
                self._vectors[ref.key] = known
                self._vectors_bytes += len(known)
        self._vectors.move_to_end(ref.key)
        while self._vectors_bytes > _MOMENT_BYTES and len(self._vectors) > 1:
            self._vectors_bytes -= len(self._vectors.popitem(last=False)[1])
        return known


def default_of(rows: Sequence[ModelRow]) -> ModelRow:
    """Of some spaces the one that searches go by: chosen last; where none was chosen, the one with the most clips."""
    return max(rows, key=lambda row: (row.chosen_sequence or 0, row.space.clips, row.space.model, row.space.strategy))


def _best(pairs: Sequence[Pair]) -> dict[UUID, float]:
    best: dict[UUID, float] = {}
    for pair in pairs:
        best[pair.clip_id] = max(pair.similarity, best.get(pair.clip_id, -1.0))
    return best
