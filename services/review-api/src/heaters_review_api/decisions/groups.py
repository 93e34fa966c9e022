"""Clips that are put together."""

from collections.abc import Sequence
from itertools import groupby
from typing import Literal
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.facts import ClipGrouped
from heaters_contracts.facts.clip import ClipOfGroup
from heaters_edges.bus import Stale

from heaters_review_api.core import rules
from heaters_review_api.core.rules import Refusal
from heaters_review_api.db.queries import ClipOfVideo
from heaters_review_api.decisions.deciding import Deciding, Selected, span_of
from heaters_review_api.telling import TRIES, Refused, RefusedClip, Wish, key_was_used

Neighbour = Literal["previous", "next"]


class GroupDecisions(Deciding):
    """Puts clips together."""

    async def group(
        self,
        clip_ids: Sequence[UUID],
        *,
        by: str,
        idempotency_key: str,
        beside: Neighbour | None = None,
        only_on: int | None = None,
    ) -> Selected:
        """Put clips together: all are approved, and carry the group. One that is in a group already takes the others into it.

        Args:
            clip_ids: at least two, of any videos; one, if `beside` says with which neighbour it is put together.
            by: the person's id.
            idempotency_key: the same key groups once; asking again completes what a crash has left.
            beside: the clip before or after the one, in its video.
            only_on: a version of the video of all of them; refused if anybody has decided about anything of it since.

        Raises:
            NoSuchClip: one of them is none.
            Outdated: the video is no longer what it was at `only_on`.
            Refused: a rule does not hold.
        """
        decision = ids.decision_id(by, idempotency_key)
        for _ in range(TRIES):
            rows = await self._queries.decision_rows(decision)
            if rows and rows[0].action != "group":
                raise key_was_used(f"{rows[0].action} clips")
            if rows and (beside or not all(row.stands for row in rows)):
                # One fact, and it is told; or it is told, and was undone since: either way nothing is to be added.
                chosen = await self._clips([row.clip_id for row in rows if row.clip_id])
                todo: list[ClipOfVideo] = []
            else:
                chosen = await self._chosen(clip_ids, beside)
                todo = [one for one in chosen if one.clip.id not in {row.clip_id for row in rows}]
                if not rows:
                    try:
                        await self._refuse_if_moved(chosen[0].clip.video_id, chosen[0].version, only_on)
                        if (refusal := rules.group_refusal([one.clip for one in chosen])) is not None:
                            raise Refused(refusal)
                    except Refused:
                        if await self._queries.decision_rows(decision):
                            continue  # it is this very group, told in between, that stands against itself
                        raise
            known = rows[0].group_id if rows else next((c.clip.group_id for c in chosen if c.clip.group_id), None)
            group = known or ids.group_id(decision)
            try:
                last = await self._group_by_video(todo, group, decision, by, idempotency_key)
            except Stale:
                await self._teller.catch_up()
                continue
            if last:
                await self._teller.shown(last)
            await self._complete({one.clip.video_id for one in chosen})
            return Selected(decision, tuple(one.clip.id for one in chosen), (), group)
        raise self._teller.restless()

    async def _group_by_video(self, todo: list[ClipOfVideo], group: UUID, decision: UUID, by: str, key: str) -> int:
        last = 0
        for video_id, of_video in groupby(todo, key=lambda one: one.clip.video_id):
            members = [one for one in of_video if one.clip.group_id != group]
            if not members:
                continue
            refused = [
                RefusedClip(one.clip.id, refusal)
                for one in members
                if (refusal := rules.join_refusal(one.clip, group)) is not None
            ]
            if refused:
                raise Refused(refused[0].refusal, clips=refused)
            fact = ClipGrouped(
                group=group,
                clips=tuple(ClipOfGroup(clip_id=one.clip.id, span=span_of(one.clip)) for one in members),
                by=by,
                idempotency_key=key,
                decision=decision,
            )
            last = await self._teller.say(Wish(fact, video_id, members[0].lane, members[0].version))
        return last

    async def _chosen(self, clip_ids: Sequence[UUID], beside: Neighbour | None) -> list[ClipOfVideo]:
        chosen = await self._clips(list(dict.fromkeys(clip_ids)))
        if beside is None:
            return chosen
        (one,) = chosen
        other = await self._queries.neighbour(one.clip, beside)
        if other is None:
            word = "before" if beside == "previous" else "after"
            name = rules.frames_named(one.clip.start_frame, one.clip.end_frame)
            raise Refused(Refusal("there_is_a_neighbour", f"No clip {word} the one of {name} is open for review."))
        return sorted([one, other], key=lambda found: found.clip.start_frame)
