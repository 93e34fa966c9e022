"""How a decision is told: on exactly the version of its video that it was validated against, again and again until it is, or refused."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from heaters_contracts.fact import Fact, Lane, Told, tell
from heaters_edges import telemetry
from heaters_edges.bus import Ack, Stale
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Counter

from heaters_review_api.core.rules import Moved, Refusal
from heaters_review_api.db.passed import Passed

TRIES = 8
DECISIONS = Counter("heaters_decisions", "Facts that people's decisions led to", ["type"], registry=REGISTRY)
_MOST_TRACES = 10_000


class Publisher(Protocol):
    """Who can tell a fact, and knows where the stream ends."""

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact, if the video is at the version that it builds on."""

    async def last_sequence(self) -> int:
        """The newest message's sequence."""


@dataclass(frozen=True, slots=True)
class RefusedClip:
    """A clip of a selection on which a decision may not be made."""

    clip_id: UUID
    refusal: Refusal


class Refused(Exception):
    """The rules do not allow it."""

    def __init__(self, refusal: Refusal, *, clips: Sequence[RefusedClip] = ()) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.clips = tuple(clips)


class Outdated(Refused):
    """Asked for on a certain version of the video alone, and it is another by now.

    Attributes:
        version: the video's.
        moved: what has changed since, the oldest first.
    """

    def __init__(self, refusal: Refusal, *, version: int, moved: Sequence[Moved]) -> None:
        super().__init__(refusal)
        self.version = version
        self.moved = tuple(moved)


class NoSuchClip(Exception):
    """There is no clip of this id."""


class NoSuchVideo(Exception):
    """There is no video of this id."""


def key_was_used(for_what: str) -> Refused:
    """An idempotency key means one decision."""
    return Refused(
        Refusal("key_is_new", f"This idempotency key was used to {for_what}; it cannot mean another decision.")
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """A fact that is true on one version of its video."""

    fact: Fact
    video_id: UUID
    lane: Lane
    version: int
    cause: UUID | None = None


TraceOf = Callable[[UUID], Awaitable[str | None]]
"""The traceparent of a video's first fact."""


class Teller:
    """Tells decisions, and waits until the tables show them."""

    def __init__(self, bus: Publisher, passed: Passed, trace_of: TraceOf, *, timeout_s: float) -> None:
        self._bus = bus
        self._passed = passed
        self._trace_of = trace_of
        self._traces: OrderedDict[UUID, str | None] = OrderedDict()
        self._timeout_s = timeout_s

    async def tell(self, make: Callable[[], Awaitable[Wish | None]]) -> int | None:
        """Tell what `make` wants, which it decides anew on the newest tables as long as the video moves on meanwhile.

        Returns:
            The sequence of the fact; None if there was nothing to tell.

        Raises:
            Refused: by `make`, or because the video does not stand still.
            Lagging: the projection does not come to what has happened in time.
        """
        for _ in range(TRIES):
            wish = await make()
            if wish is None:
                return None
            try:
                return await self.say(wish)
            except Stale:
                await self.catch_up()
        raise self.restless()

    async def say(self, wish: Wish) -> int:
        """Tell one fact, once, in the trace of its video: what follows from it belongs to what the video's request began.

        Raises:
            Stale: the video has moved on.
        """
        video_id, type_ = wish.video_id, wish.fact.TYPE
        with telemetry.span(type_, parent=await self._trace(video_id), linked=True, video_id=str(video_id)):
            told = tell(
                wish.fact,
                video_id=video_id,
                lane=wish.lane,
                cause=wish.cause,
                time=datetime.now(UTC),
                traceparent=telemetry.traceparent(),
            )
            sequence = (await self._bus.publish(told, expect=wish.version)).sequence
        DECISIONS.labels(type_).inc()
        return sequence

    async def _trace(self, video_id: UUID) -> str | None:
        if video_id not in self._traces:
            self._traces[video_id] = await self._trace_of(video_id)
            while len(self._traces) > _MOST_TRACES:
                self._traces.popitem(last=False)
        return self._traces[video_id]

    async def catch_up(self) -> None:
        """Wait until the tables show all that the stream holds just now."""
        await self.shown(await self._bus.last_sequence())

    async def shown(self, sequence: int) -> None:
        """Wait until the tables show a fact."""
        await self._passed.wait_for(sequence, timeout_s=self._timeout_s)

    def restless(self) -> Refused:
        """The video changes faster than it can be decided about."""
        return Refused(
            Refusal("video_is_still", f"The video changed {TRIES} times while this was being decided. Try again.")
        )
