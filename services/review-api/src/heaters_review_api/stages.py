"""What people do about stages: give a failed message to its stage again, wait for it no more, let a stage rest."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.detectors import UnknownDetector, read_wish
from heaters_contracts.fact import Fact, Lane, Told, parse_subject, tell
from heaters_contracts.facts import StageDiscarded, StagePaused, StageRequested, StageResumed
from heaters_contracts.ids import NIL
from heaters_contracts.ingest import Options
from heaters_contracts.pipeline import PIPELINE
from heaters_edges import telemetry
from heaters_edges.bus import Ack
from heaters_edges.pauses import Pause

from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import Queries
from heaters_review_api.telling import NoSuchVideo

log = logging.getLogger(__name__)


class Teller(Protocol):
    """Who can tell a fact."""

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact."""


class Switch(Protocol):
    """Who sets down which stages rest."""

    async def set(self, stage: str, pause: Pause) -> bool:
        """Set down what a fact says of a stage, unless a later one is set down already."""


class NoSuchFailure(Exception):
    """There is no failure of this id."""


class NoSuchStage(Exception):
    """PIPELINE has no such kind of work."""


class AlreadySettled(Exception):
    """The failure needs nobody any more."""


class NothingToReplay(Exception):
    """The stage has been told nothing of this video yet."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was asked for again: so many messages of a stage; the sequence of the last fact that says so."""

    stage: str
    messages: int
    sequence: int


@dataclass(frozen=True, slots=True)
class StageState:
    """One stage, and whether it rests."""

    stage: str
    service: str
    paused: bool
    by: str | None
    reason: str
    until: datetime | None
    """When it tries again by itself."""


class Stages:
    """Tells what people want of stages."""

    def __init__(self, bus: Teller, switch: Switch, queries: Queries, passed: Passed, *, timeout_s: float) -> None:
        self._bus = bus
        self._switch = switch
        self._queries = queries
        self._passed = passed
        self._timeout_s = timeout_s

    async def retry(self, failure_id: UUID, *, by: str, idempotency_key: str) -> int:
        """Give what failed to its stage again; returns the sequence of the fact that says so.

        Raises:
            NoSuchFailure: see there.
            AlreadySettled: it is not open any more.
        """
        return await self._settle(failure_id, StageRequested, by, idempotency_key)

    async def discard(self, failure_id: UUID, *, by: str, idempotency_key: str) -> int:
        """Wait no more for what failed; its state stays, and it leaves the list. Raises what `retry` raises."""
        return await self._settle(failure_id, StageDiscarded, by, idempotency_key)

    async def replay(
        self, video_id: UUID, stage: str, *, force: bool, by: str, idempotency_key: str, detector: str | None = None
    ) -> Replayed:
        """Have a stage work on a video again, and with it all that follows from it.

        Args:
            video_id: the video.
            stage: from which stage on.
            force: do its work again even where its results are known; without, they are only told anew.
            by: who wants it.
            idempotency_key: the client's.
            detector: with which to find scenes again; None leaves it as it was asked for.

        Raises:
            NoSuchStage: see there.
            UnknownDetector: there is no such detector, or the stage detects nothing.
            NoSuchVideo: there is no such video.
            NothingToReplay: see there.
        """
        _require(stage)
        video = await self._queries.video(video_id)
        if video is None or video.requested_sequence is None:
            raise NoSuchVideo(f"there is no video {video_id}")
        options = None
        if detector is not None:
            if stage != "scenes":
                raise UnknownDetector(f"{stage} detects no scenes: a detector goes with scenes")
            wish = str(read_wish(detector))
            options = (video.options or Options()).model_copy(update={"detector": wish})
        messages = await self._queries.inputs(video_id, stage)
        if not messages:
            raise NothingToReplay(f"{stage} has been told nothing of the video {video_id} yet")
        sequence = 0
        for message in messages:
            fact = StageRequested(
                stage=stage,
                message_sequence=message.sequence,
                by=by,
                idempotency_key=idempotency_key,
                replay=True,
                force=force,
                options=options,
            )
            sequence = await self._publish(fact, video_id, video.lane, cause=message.fact_id)
        await self._passed.wait_for(sequence, timeout_s=self._timeout_s)
        return Replayed(stage, len(messages), sequence)

    async def pause(self, stage: str, *, reason: str, by: str, idempotency_key: str) -> int:
        """Let a stage take no more work; what it has in hand it finishes.

        Raises:
            NoSuchStage: see there.
        """
        _require(stage)
        sequence = await self._tell(
            StagePaused(stage=stage, by=by, reason=reason, idempotency_key=idempotency_key), NIL, "interactive"
        )
        await self._switch.set(stage, Pause(paused=True, by=by, reason=reason, sequence=sequence))
        return sequence

    async def resume(self, stage: str, *, by: str, idempotency_key: str) -> int:
        """Let a stage work again. Raises what `pause` raises."""
        _require(stage)
        sequence = await self._tell(
            StageResumed(stage=stage, by=by, idempotency_key=idempotency_key), NIL, "interactive"
        )
        await self._switch.set(stage, Pause(paused=False, by=by, sequence=sequence))
        return sequence

    async def all(self) -> list[StageState]:
        """Every stage, in the pipeline's order."""
        said = {stage.name: stage for stage in await self._queries.stages()}
        return [
            StageState(
                work.name,
                work.by,
                bool((now := said.get(work.name)) and now.paused),
                now.by if now else None,
                now.reason if now else "",
                now.until if now else None,
            )
            for work in PIPELINE
        ]

    async def remind(self) -> None:
        """Set down again which stages rest: a replica may have died between telling it and setting it down."""
        for stage in await self._queries.stages():
            await self._switch.set(
                stage.name,
                Pause(
                    paused=stage.paused, by=stage.by, reason=stage.reason, until=stage.until, sequence=stage.sequence
                ),
            )

    async def _settle(
        self, failure_id: UUID, what: type[StageRequested | StageDiscarded], by: str, idempotency_key: str
    ) -> int:
        failure = await self._queries.failure(failure_id)
        if failure is None:
            raise NoSuchFailure(f"there is no failure {failure_id}")
        fact = what(
            stage=failure.stage, message_sequence=failure.message_sequence, by=by, idempotency_key=idempotency_key
        )
        if failure.open:
            return await self._tell(fact, failure.video_id, parse_subject(failure.message_subject).lane)
        told = await self._queries.sequence_of(ids.fact_id(fact.TYPE, fact.VERSION, None, fact.key()))
        if told is None:
            raise AlreadySettled(
                f"this failure was {failure.settled} already" if failure.settled else "the stage has done it since"
            )
        return told  # asked for again under the same key

    async def _tell(self, fact: Fact, video_id: UUID, lane: Lane) -> int:
        sequence = await self._publish(fact, video_id, lane)
        await self._passed.wait_for(sequence, timeout_s=self._timeout_s)
        return sequence

    async def _publish(self, fact: Fact, video_id: UUID, lane: Lane, *, cause: UUID | None = None) -> int:
        told = tell(
            fact,
            video_id=video_id,
            lane=lane,
            cause=cause,
            time=datetime.now(UTC),
            traceparent=telemetry.traceparent(),
        )
        return (await self._bus.publish(told)).sequence


def _require(stage: str) -> None:
    known = [work.name for work in PIPELINE]
    if stage not in known:
        raise NoSuchStage(f"there is no stage {stage!r}; there are {', '.join(known)}")
