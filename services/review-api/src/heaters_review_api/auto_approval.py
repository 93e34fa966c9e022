"""Clips are approved by the rule that their request carries, as soon as they are open for review.

The decision is one like a person's: told as clip.approved, by a named actor that is nobody's account, noted in the audit log, and taken back by
whoever reviews. A rule decides once: about a clip that was decided about in any way before, whether that stands or not, it says nothing.
"""

import logging
from collections.abc import AsyncIterator
from fractions import Fraction
from http import HTTPStatus
from typing import Protocol

from heaters_contracts.auto_rule import SYSTEM_ACTOR, AutoRule, BadRule, read_rule
from heaters_contracts.fact import Fact, Unreadable, decode
from heaters_contracts.facts import SegmentScenesDetected
from heaters_contracts.ids import sha256_of
from heaters_edges.bus import FactMessage
from heaters_edges.failure import MissingObject, TryLater, Unavailable, WrongObject
from heaters_edges.telemetry import REGISTRY
from heaters_edges.wanted import AUTO_APPROVAL_CONSUMER
from heaters_media.errors import BadLedger
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.accounts.audit import Audit, Deed
from heaters_review_api.core import tables as core
from heaters_review_api.core.states import ClipState
from heaters_review_api.db.passed import Lagging, Passed
from heaters_review_api.db.queries import MEASURES, ClipOfVideo, Queries, Wanted
from heaters_review_api.decisions import Decisions, NoSuchClip, Refused
from heaters_review_api.ledgers import Ledgers

log = logging.getLogger(__name__)

APPROVED = Counter("heaters_auto_approved_clips", "Clips that were approved by a request's rule", registry=REGISTRY)
_AGAIN_S = 5.0
_PAGE = 200


class Heard(Protocol):
    """Where facts come from."""

    def heard(self, consumer: str) -> AsyncIterator[FactMessage]:
        """Each until it is acknowledged; for ever."""


class AutoApproval:
    """Approves what fits."""

    def __init__(self, queries: Queries, passed: Passed, ledgers: Ledgers, decisions: Decisions, audit: Audit) -> None:
        self._queries = queries
        self._passed = passed
        self._ledgers = ledgers
        self._decisions = decisions
        self._audit = audit

    async def run(self, bus: Heard) -> None:
        """Look at every video whose clips may have opened, for ever. One that cannot be looked at now is heard again."""
        async for message in bus.heard(AUTO_APPROVAL_CONSUMER):
            try:
                await self._look(message)
            except (Unavailable, TryLater, SQLAlchemyError, Lagging, OSError) as problem:
                log.warning("clips wait to be approved by a rule", extra={"reason": str(problem)})
                await message.nak(delay_s=_AGAIN_S)
            else:
                await message.ack()

    async def _look(self, message: FactMessage) -> None:
        stored = message.stored
        try:
            told = decode(stored.subject, stored.headers, stored.data)
        except Unreadable:
            return
        await self._passed.wait_for(stored.sequence, timeout_s=15)
        video = await self._queries.video(told.video_id)
        said = video.options.auto_rule if video and video.options else None
        if video is None or said is None:
            return
        try:
            rule = read_rule(said)
        except BadRule as problem:  # it was asked for before rules were read at admission
            log.warning("a request's rule is none", extra={"video_id": video.id, "reason": str(problem)})
            return
        async for one in self._opened(told.fact, video):
            if await self._fits(one, rule):
                await self._approve(one, video, said)
            await message.working()

    async def _opened(self, fact: Fact, video: core.Video) -> AsyncIterator[ClipOfVideo]:
        """Clips that a fact may have opened: those at its segment, or, of the whole video, all that wait."""
        if isinstance(fact, SegmentScenesDetected):
            span = fact.segment.span
            for one in await self._queries.clips_between(video.id, span.start - 1, span.end + 1):
                if one.clip.state == ClipState.PENDING_REVIEW:
                    yield one
            return
        wanted, after = Wanted(video_id=video.id, state=ClipState.PENDING_REVIEW), None
        while page := await self._queries.clips(limit=_PAGE, wanted=wanted, after=after):
            for one in page:
                yield one
            last = page[-1].clip
            after = (last.video_sequence, last.start_frame, last.id)

    async def _fits(self, one: ClipOfVideo, rule: AutoRule) -> bool:
        clip = one.clip
        values: dict[str, Fraction | float | None] = {name: getattr(clip, name) for name in MEASURES}
        values |= {"frames": Fraction(clip.end_frame - clip.start_frame), "certainty": clip.certainty}
        values["seconds"] = await self._seconds(one) if "seconds" in rule.names else None
        if not rule.holds(values):
            return False
        about = await self._queries.decisions_about([(clip.video_id, clip.start_frame, clip.end_frame)])
        return not about

    async def _seconds(self, one: ClipOfVideo) -> Fraction | None:
        """How long a clip lasts; None where its ledger is lost."""
        try:
            ticks, base = await self._ledgers.times(one)
        except (MissingObject, WrongObject, BadLedger, IndexError):
            return None
        return (ticks[-1] - ticks[0]) * Fraction(*base)

    async def _approve(self, one: ClipOfVideo, video: core.Video, rule: str) -> None:
        clip = one.clip
        try:
            await self._decisions.decide(
                clip.id, "approve", by=SYSTEM_ACTOR, idempotency_key=f"auto:{sha256_of(rule)[:32]}", seen=clip.state
            )
        except (Refused, NoSuchClip) as problem:  # a person was faster, or its cuts have changed
            if isinstance(problem, Refused) and problem.refusal.rule == "video_is_still":
                raise Unavailable(problem.refusal.reason) from problem
            log.info("a clip is not approved by a rule", extra={"clip_id": clip.id, "reason": str(problem)})
            return
        APPROVED.inc()
        self._audit.put_down(
            Deed(
                actor=SYSTEM_ACTOR,
                via="rule",
                address="",
                action="approve by rule",
                subject=f"/api/clips/{clip.id}",
                outcome=HTTPStatus.OK,
                detail={
                    "rule": rule,
                    "video": str(video.id),
                    "requester": video.requester,
                    "request_id": video.request_id,
                },
            )
        )
