"""Undo and redo."""

from dataclasses import dataclass
from uuid import UUID

from heaters_contracts.facts import DecisionRedone, DecisionUndone
from heaters_edges.bus import Stale

from heaters_review_api.core import rules
from heaters_review_api.core.states import Action, ReversalKind
from heaters_review_api.core.tables import Decision
from heaters_review_api.decisions.deciding import Deciding
from heaters_review_api.telling import TRIES, Refused, Wish, key_was_used


@dataclass(frozen=True, slots=True)
class Turned:
    """A decision that was undone or redone."""

    decision_id: UUID
    action: Action
    by: str
    spans: tuple[tuple[UUID, int, int], ...]
    """Videos and frames [start, end) that it was about."""
    sequence: int


class Reversals(Deciding):
    """Turns decisions round."""

    async def undo(self, *, by: str, idempotency_key: str, decision: UUID | None = None) -> Turned:
        """Take back one's last decision that stands, or a certain one.

        Raises:
            Refused: there is none, or somebody has decided on the same clips since.
        """
        return await self._turn("undo", by, idempotency_key, decision)

    async def redo(self, *, by: str, idempotency_key: str, decision: UUID | None = None) -> Turned:
        """Make the decision again that one has undone last, unless one has decided something new since; or a certain one.

        Raises:
            Refused: there is none, or somebody has decided on the same clips since.
        """
        return await self._turn("redo", by, idempotency_key, decision)

    async def _turn(self, kind: ReversalKind, by: str, key: str, wanted: UUID | None) -> Turned:
        # "The last" must not be chosen twice under one key, by who asks again while the first time is still on its way: the tables
        # must hold what was told by then, and what is last is looked up before what the key has done.
        await self._teller.catch_up()
        for _ in range(TRIES):
            last_one = wanted or await (self._queries.to_undo(by) if kind == "undo" else self._queries.to_redo(by))
            earlier = await self._queries.reversals(by, key)
            if earlier and (earlier[0].kind != kind or wanted not in {None, earlier[0].decision_id}):
                raise key_was_used(f"{earlier[0].kind} a decision")
            decision = earlier[0].decision_id if earlier else last_one
            videos = await self._queries.versions_of_decision(decision) if decision else {}
            rows = await self._queries.decision_rows(decision) if decision else []
            todo = [id_ for id_ in videos if id_ not in {one.video_id for one in earlier}]
            if (todo or not rows) and (refusal := await self._refusal(kind, by, rows, todo)) is not None:
                if len(await self._queries.reversals(by, key)) > len(earlier):
                    continue  # it is this very one, told in between, that stands against itself
                raise Refused(refusal)
            try:
                last = max((one.sequence for one in earlier), default=0)
                for video_id in todo:
                    first = next(row for row in rows if row.video_id == video_id)
                    fact_type = DecisionUndone if kind == "undo" else DecisionRedone
                    fact = fact_type(decision=first.decision_id, by=by, idempotency_key=key)
                    lane, version = videos[video_id]
                    last = await self._teller.say(Wish(fact, video_id, lane, version, cause=first.fact_id))
            except Stale:
                await self._teller.catch_up()
                continue
            await self._teller.shown(last)
            await self._complete(set(videos))
            spans = tuple((row.video_id, row.start_frame, row.end_frame) for row in rows)
            return Turned(rows[0].decision_id, rows[0].action, rows[0].by, spans, last)
        raise self._teller.restless()

    async def _refusal(
        self, kind: ReversalKind, by: str, rows: list[Decision], videos: list[UUID]
    ) -> rules.Refusal | None:
        parts = [row for row in rows if row.video_id in videos]
        spans = [(row.video_id, row.start_frame, row.end_frame) for row in parts]
        others = await self._queries.decisions_about(spans)
        return rules.reversal_refusal(rules.OnDecision(kind, by, tuple(parts), tuple(others)))
