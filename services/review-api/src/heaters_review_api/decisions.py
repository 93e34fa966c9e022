"""Verdicts: validated by the rules on what the tables show, told on exactly that version, answered when the tables show them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from heaters_contracts.fact import Fact, Told, tell
from heaters_contracts.facts import ClipApproved, ClipArchived, ClipSkipped
from heaters_contracts.facts.clip import ProxyPart
from heaters_contracts.spans import Segment as Place
from heaters_contracts.spans import Span
from heaters_edges import telemetry
from heaters_edges.bus import Ack, Stale

from heaters_review_api.core import rules
from heaters_review_api.core.rules import Refusal
from heaters_review_api.core.states import ClipState, Verdict
from heaters_review_api.core.tables import Clip, Decision, Segment
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import Queries

_TRIES = 8


class Publisher(Protocol):
    """Who can tell a fact, and knows where the stream ends."""

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact, if the video is at the version that it builds on."""

    async def last_sequence(self) -> int:
        """The newest message's sequence."""


class Refused(Exception):
    """The rules do not allow it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class NoSuchClip(Exception):
    """There is no clip of this id."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, and the sequence of its fact in the stream."""

    clip_id: UUID
    sequence: int


class Decisions:
    """Makes decisions."""

    def __init__(self, bus: Publisher, queries: Queries, passed: Passed, *, timeout_s: float) -> None:
        self._bus = bus
        self._queries = queries
        self._passed = passed
        self._timeout_s = timeout_s

    async def decide(
        self, clip_id: UUID, verdict: Verdict, *, by: str, idempotency_key: str, seen: ClipState | None = None
    ) -> Decided:
        """Give a verdict.

        Args:
            clip_id: which clip.
            verdict: what of it.
            by: the person's id.
            idempotency_key: the same key on the same clip decides once, and is answered in the same way.
            seen: the clip's state as the person saw it; if it is another by now, the verdict is refused.

        Raises:
            NoSuchClip: see there.
            Refused: a rule does not hold, or somebody decided on this clip in the same moment.
            Lagging: the fact is told, and the projection does not come to it in time.
        """
        stood_on: tuple[UUID | None, ClipState] | None = None
        for _ in range(_TRIES):
            if (earlier := await self._queries.decision(clip_id, idempotency_key)) is not None:
                return _answer_again(earlier, verdict)
            found = await self._queries.clip(clip_id)
            if found is None:
                raise NoSuchClip(f"there is no clip {clip_id}")
            clip = found.clip
            if seen is not None and clip.state != seen:
                raise Refused(rules.changed_meanwhile(clip, seen))
            if stood_on is not None and clip.decision_id != stood_on[0]:
                raise Refused(rules.changed_meanwhile(clip, stood_on[1]))
            if (refusal := rules.refusal(clip, verdict)) is not None:
                raise Refused(refusal)
            stood_on = (clip.decision_id, clip.state)

            fact = await self._fact(clip, verdict, by, idempotency_key)
            told = tell(
                fact,
                video_id=clip.video_id,
                lane=found.lane,
                cause=None,
                time=datetime.now(UTC),
                traceparent=telemetry.traceparent(),
            )
            try:
                ack = await self._bus.publish(told, expect=found.version)
            except Stale:
                await self._passed.wait_for(await self._bus.last_sequence(), timeout_s=self._timeout_s)
                continue
            await self._passed.wait_for(ack.sequence, timeout_s=self._timeout_s)
            return Decided(clip_id, ack.sequence)
        raise Refused(
            Refusal("video_is_still", f"The video changed {_TRIES} times while this was being decided. Try again.")
        )

    async def _fact(self, clip: Clip, verdict: Verdict, by: str, key: str) -> ClipApproved | ClipSkipped | ClipArchived:
        span = Span(start=clip.start_frame, end=clip.end_frame)
        if verdict == "skip":
            return ClipSkipped(clip_id=clip.id, span=span, by=by, idempotency_key=key)
        if verdict == "archive":
            return ClipArchived(clip_id=clip.id, span=span, by=by, idempotency_key=key)
        segments = await self._queries.segments(clip.video_id, span.start, span.end)
        parts = tuple(part for segment in segments if (part := _part(segment)))
        if len(parts) != len(segments) or not parts:
            raise Refused(Refusal("clip_is_playable", "A segment of the clip has no proxy, so it cannot be exported."))
        return ClipApproved(clip_id=clip.id, span=span, by=by, idempotency_key=key, parts=parts)


def _part(segment: Segment) -> ProxyPart | None:
    if segment.proxy is None or segment.packets is None:
        return None
    place = Place(
        index=segment.index,
        first_frame=segment.first_frame,
        frames=segment.frames,
        start_ticks=segment.start_ticks,
        end_ticks=segment.end_ticks,
    )
    return ProxyPart(segment=place, proxy=segment.proxy, packets=segment.packets)


def _answer_again(earlier: Decision, verdict: Verdict) -> Decided:
    if earlier.verdict != verdict:
        raise Refused(
            Refusal(
                "key_is_new",
                f"This idempotency key was used to {earlier.verdict} the clip; it cannot {verdict} it as well.",
            )
        )
    return Decided(earlier.clip_id, earlier.sequence)
