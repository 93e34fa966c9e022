"""Models side by side: asking for one more over all clips, following how far it is, and making it the default.

What a model lacks is seen in the tables alone, and the sweep of one replica asks for it, some clips at a time. That keeps a model whole
as new clips come, too.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import psycopg
from heaters_contracts.fact import Fact, Lane, Told, tell
from heaters_contracts.facts import StageModelChosen, StageModelRequested, VideoEmbeddingRequested
from heaters_contracts.facts.video import ClipToEmbed
from heaters_contracts.ids import NIL, fact_id
from heaters_contracts.spans import Span
from heaters_edges import telemetry
from heaters_edges.bus import Ack
from heaters_edges.failure import Unavailable
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.core.tables import Clip
from heaters_review_api.db.locks import EMBEDDINGS, held
from heaters_review_api.db.passed import Lagging, Passed
from heaters_review_api.db.search import Lacking, SearchQueries, Space
from heaters_review_api.search.asking import Asking

log = logging.getLogger(__name__)

_SWEEP_S = 5.0
_LOADING_S = 120.0
_CLIPS_AT_ONCE = 32
_WAITING_MOST = 512
"""Clips asked for and not embedded yet: a model that is asked for over a million clips does not fill the stream at once."""


class Publisher(Protocol):
    """Who can tell a fact."""

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact."""


class NotWhole(Exception):
    """A model that does not have every clip yet cannot be the default: searches would lose clips."""


class Models:
    """Tells what people want of models."""

    def __init__(
        self, bus: Publisher, queries: SearchQueries, asking: Asking, passed: Passed, *, timeout_s: float
    ) -> None:
        self._bus = bus
        self._queries = queries
        self._asking = asking
        self._passed = passed
        self._timeout_s = timeout_s
        self._asked: set[tuple[str, str, UUID, UUID | None]] = set()

    async def request(self, name: str, strategy: str, *, by: str, idempotency_key: str) -> Space:
        """Have every clip embedded by one more model, those that are there and those that come.

        Args:
            name: as the embedder's plug knows it.
            strategy: how pictures are chosen.
            by: who wants it.
            idempotency_key: the client's.

        Raises:
            Unanswered: no embedder answers, or none knows or can load the model.
        """
        said = await self._asking.describe(name, timeout_s=_LOADING_S)
        fact = StageModelRequested(
            model=said.model, strategy=strategy, dimensions=said.dimensions, by=by, idempotency_key=idempotency_key
        )
        await self._tell(fact, NIL, "interactive", wait=True)
        return Space(said.model, strategy, said.dimensions, 0)

    async def choose(self, model: str, strategy: str, *, near_duplicate: float, by: str, idempotency_key: str) -> None:
        """Make a model the default: searches go by it from this fact on, and by the one before until then.

        Raises:
            NotWhole: it lacks clips, or there is none of that name.
        """
        row = next(
            (row for row in await self._queries.models() if (row.space.model, row.space.strategy) == (model, strategy)),
            None,
        )
        if row is None or not row.space.clips:
            raise NotWhole(f"No clip is embedded by {model}, {strategy}.")
        if await self._queries.lacking(model, strategy, limit=1):
            of = await self._queries.embedded()
            raise NotWhole(f"{row.space.clips} of {of} clips are embedded by {model}, {strategy}.")
        fact = StageModelChosen(
            model=model, strategy=strategy, near_duplicate=near_duplicate, by=by, idempotency_key=idempotency_key
        )
        await self._tell(fact, NIL, "interactive", wait=True)

    async def complete(self) -> int:
        """Ask for what models lack that every clip is to have; as much as may wait at once.

        Returns:
            How many clips were asked for.
        """
        told, waiting = 0, set()
        for space in await self._queries.wanted():
            lacking = await self._queries.lacking(space.model, space.strategy, limit=_WAITING_MOST)
            names = {one.clip.id: (space.model, space.strategy, one.clip.id, one.clip.keyframe_id) for one in lacking}
            # What was asked for and waits is asked for in the same message, whatever has come of its neighbours since.
            new = [one for one in lacking if names[one.clip.id] not in self._asked]
            for fact, video_id in requests(new, space):
                if not await self._queries.is_told(fact_id(fact.TYPE, fact.VERSION, None, fact.key())):
                    await self._tell(fact, video_id, "bulk")
                    told += len(fact.clips)
            waiting |= set(names.values())
        self._asked = waiting
        return told

    async def keep(self, engine: AsyncEngine) -> None:
        """Complete what is lacking, for ever; one replica does."""
        while True:
            try:
                async with held(engine, EMBEDDINGS, wait=False) as alone:
                    while alone:
                        await asyncio.sleep(_SWEEP_S)
                        await self.complete()
                await asyncio.sleep(_SWEEP_S)
            except (SQLAlchemyError, psycopg.Error, Unavailable, Lagging, OSError) as problem:
                log.warning("embeddings were not asked for yet", extra={"reason": str(problem)})
                await asyncio.sleep(_SWEEP_S)

    async def _tell(self, fact: Fact, video_id: UUID, lane: Lane, *, wait: bool = False) -> None:
        told = tell(
            fact,
            video_id=video_id,
            lane=lane,
            cause=None,
            time=datetime.now(UTC),
            traceparent=telemetry.traceparent(),
        )
        ack = await self._bus.publish(told)
        if wait:
            await self._passed.wait_for(ack.sequence, timeout_s=self._timeout_s)


def requests(lacking: Sequence[Lacking], space: Space) -> list[tuple[VideoEmbeddingRequested, UUID]]:
    """What to ask for, of which videos: so many clips of one video at once."""
    together: dict[tuple[UUID, str], list[Clip]] = {}
    for one in lacking:
        if one.clip.export_object is not None and one.clip.keyframe_id is not None and one.clip.keyframes:
            together.setdefault((one.clip.video_id, one.taken), []).append(one.clip)
    found: list[tuple[VideoEmbeddingRequested, UUID]] = []
    for (video_id, taken), clips in together.items():
        for first in range(0, len(clips), _CLIPS_AT_ONCE):
            some = tuple(_to_embed(clip) for clip in clips[first : first + _CLIPS_AT_ONCE])
            fact = VideoEmbeddingRequested(model=space.model, strategy=space.strategy, taken=taken, clips=some)
            found.append((fact, video_id))
    return found


def _to_embed(clip: Clip) -> ClipToEmbed:
    if clip.export_object is None or clip.keyframe_id is None:
        raise ValueError(f"clip {clip.id} is no file with keyframes")
    return ClipToEmbed(
        clip_id=clip.id,
        span=Span(start=clip.start_frame, end=clip.end_frame),
        object=clip.export_object,
        keyframed=clip.keyframe_id,
        keyframes=clip.keyframes,
    )
