"""What every kind of decision is made with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from heaters_contracts.facts import ClipApproved, ClipArchived, ClipSkipped
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Span

from heaters_review_api.core import rules
from heaters_review_api.core.rules import Refusal
from heaters_review_api.core.states import Action, Verdict
from heaters_review_api.core.tables import Clip, Segment, Tables
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import ClipOfVideo, Queries
from heaters_review_api.orders import Orders, parts_of
from heaters_review_api.telling import NoSuchClip, Outdated, Publisher, Refused, RefusedClip, Teller, key_was_used


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on a video's cuts: its id, by which it is undone, and the sequence of its last fact."""

    decision_id: UUID
    sequence: int


@dataclass(frozen=True, slots=True)
class DecidedClip:
    """A decision on one clip: its id, by which it is undone, the sequence of its fact, and the clip as it is after it."""

    decision_id: UUID
    sequence: int
    clip: ClipOfVideo


@dataclass(frozen=True, slots=True)
class Selected:
    """A decision on several clips."""

    decision_id: UUID
    clip_ids: tuple[UUID, ...]
    refused: tuple[RefusedClip, ...]
    """Clips on which somebody decided in the same moment: nothing was decided about them here."""
    group_id: UUID | None = None


class Written(Protocol):
    """Who wrote the tables last, perhaps: the projector of this replica."""

    def tables(self, video_id: UUID) -> Tables | None:
        """What it wrote of a video last, if it has it."""


class Deciding:
    """The tables to read, the teller, and the orders that follow from approvals."""

    def __init__(
        self,
        bus: Publisher,
        queries: Queries,
        passed: Passed,
        *,
        timeout_s: float,
        cut_distance_frames: int = 1,
        written: Written | None = None,
    ) -> None:
        self._written = written
        self._queries = queries
        self._distance = cut_distance_frames
        self._teller = Teller(bus, passed, queries.trace_of, timeout_s=timeout_s)
        self.orders = Orders(self._teller, queries)

    async def _refuse_if_decided_since(self, video_id: UUID, start: int, end: int, by: str, version: int) -> None:
        """Refuse what was decided on a version of a video, if somebody else has decided about these frames after it.

        Raises:
            Refused: they have; it says who, and what of it stands.
        """
        since = [
            row
            for row in await self._queries.decisions_about([(video_id, start, end)])
            if row.changed_sequence > version and row.by != by
        ]
        if since:
            last = max(since, key=lambda row: row.changed_sequence)
            frames = rules.frames_named(last.start_frame, last.end_frame)
            said = rules.PAST[last.action] if last.stands else f"no longer {rules.PAST[last.action]}"
            raise Refused(
                Refusal("clips_are_as_seen", f"{last.by} has decided here meanwhile: {frames}, {said}. Look again.")
            )

    async def _refuse_if_moved(self, video_id: UUID, version: int, only_on: int | None) -> None:
        """Refuse what was asked for on a certain version of a video alone, if it is not what it was then.

        What stages did with it since does not count: that changes nothing about which a person decides, but for cuts that were found.

        Raises:
            Outdated: it says what has changed, and by whom.
        """
        if only_on is None or version <= only_on:
            return
        moved = await self._queries.moved_since(video_id, after=only_on, up_to=version)
        if moved:
            raise Outdated(rules.moved_on(version, only_on, moved), version=version, moved=moved)

    async def _complete(self, videos: set[UUID]) -> None:
        last = [await self.orders.complete(video_id) for video_id in sorted(videos)]
        if sequences := [sequence for sequence in last if sequence]:
            await self._teller.shown(max(sequences))

    async def _clips(self, clip_ids: Sequence[UUID]) -> list[ClipOfVideo]:
        """Clips in the order of videos and frames.

        Raises:
            NoSuchClip: one of them is none.
        """
        found = await self._queries.clips_by_id(clip_ids)
        if missing := [id_ for id_ in clip_ids if id_ not in found]:
            raise NoSuchClip(f"There is no clip {missing[0]}.")
        return sorted(
            found.values(), key=lambda one: (one.clip.video_sequence, one.clip.video_id, one.clip.start_frame)
        )

    async def _done(self, decision: UUID, action: Action, wanted: Sequence[UUID]) -> tuple[set[UUID], bool]:
        """The clips about which a selection is told already, and whether it was undone since."""
        rows = await self._queries.decision_rows(decision)
        done = {row.clip_id for row in rows if row.clip_id is not None}
        if any(row.action != action for row in rows) or not done <= set(wanted):
            raise key_was_used(f"{rows[0].action} {len(rows)} other clips")
        return done, any(row.undone_by is not None for row in rows)


def span_of(clip: Clip) -> Span:
    """The frames of a clip."""
    return Span(start=clip.start_frame, end=clip.end_frame)


def verdict_fact(
    clip: Clip,
    verdict: Verdict,
    by: str,
    key: str,
    segments: Sequence[Segment],
    decision: UUID | None = None,
    original: ObjectRef | None = None,
) -> ClipApproved | ClipSkipped | ClipArchived:
    """A verdict as it is told.

    Args:
        clip: which clip.
        verdict: what of it.
        by: the person's id.
        key: the client's idempotency key.
        segments: those that the clip touches; none are needed but for an approval.
        decision: what it is undone with as one, where it is part of a decision on several clips.
        original: what an approved clip is to be made from instead of the proxy, see `orders.original_of`.
    """
    span = span_of(clip)
    if verdict == "skip":
        return ClipSkipped(clip_id=clip.id, span=span, by=by, idempotency_key=key, decision=decision)
    if verdict == "archive":
        return ClipArchived(clip_id=clip.id, span=span, by=by, idempotency_key=key, decision=decision)
    return ClipApproved(
        clip_id=clip.id,
        span=span,
        by=by,
        idempotency_key=key,
        decision=decision,
        parts=parts_of(clip, segments),
        quality="source" if original else "proxy",
        source=original,
        tags=clip.tags,
        note=clip.note,
    )
