"""One verdict on several clips, undone as one."""

from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

from heaters_contracts import ids
from heaters_edges.bus import Stale

from heaters_review_api.core import rules
from heaters_review_api.core.rules import Refusal
from heaters_review_api.core.states import Verdict
from heaters_review_api.core.tables import Segment
from heaters_review_api.db.queries import ClipOfVideo
from heaters_review_api.decisions.deciding import Deciding, Selected, verdict_fact
from heaters_review_api.orders import original_of
from heaters_review_api.telling import TRIES, Refused, RefusedClip, Wish


class SelectionDecisions(Deciding):
    """Decides on a selection."""

    async def decide_all(
        self, clip_ids: Sequence[UUID], verdict: Verdict, *, by: str, idempotency_key: str
    ) -> Selected:
        """Give one verdict on a selection; one decision, undone as one.

        If a rule does not hold for a clip, nothing is decided, and all such clips are named. If somebody decides on one of them while
        this is being told, that one is left out, and named in the answer.

        Raises:
            NoSuchClip: one of them is none.
            Refused: as above, or the key was used for something else.
        """
        wanted = list(dict.fromkeys(clip_ids))
        decision = ids.decision_id(by, idempotency_key)
        clips = await self._clips(wanted)
        done = await self._done(decision, verdict, wanted)
        refused = [
            RefusedClip(one.clip.id, refusal)
            for one in clips
            if one.clip.id not in done and (refusal := rules.refusal(one.clip, verdict))
        ]
        if refused and not done:
            raise Refused(_several(refused, len(wanted)), clips=refused)
        last, over = 0, done | {one.clip_id for one in refused}
        for video_id, of_video in groupby(clips, key=lambda one: one.clip.video_id):
            todo = [one for one in of_video if one.clip.id not in over]
            told, lost = await self._decide_in_video(video_id, todo, verdict, by, idempotency_key, decision)
            last = max(last, told)
            refused += lost
        if last:
            await self._teller.shown(last)
        without = {one.clip_id for one in refused}
        return Selected(decision, tuple(id_ for id_ in wanted if id_ not in without), tuple(refused))

    async def _decide_in_video(
        self, video_id: UUID, todo: list[ClipOfVideo], verdict: Verdict, by: str, key: str, decision: UUID
    ) -> tuple[int, list[RefusedClip]]:
        """Tell one verdict on several clips of a video; each fact builds on the one before, so none waits for the tables."""
        lost: list[RefusedClip] = []
        if not todo:
            return 0, lost
        segments: Sequence[Segment] = []
        original = None
        if verdict == "approve":
            original = original_of(await self._queries.video(video_id))
            ends = [one.clip.end_frame for one in todo]
            segments = await self._queries.segments(video_id, todo[0].clip.start_frame, max(ends))
        last, version = 0, todo[0].version
        for one in todo:
            clip = one.clip
            for _ in range(TRIES):
                fact = verdict_fact(clip, verdict, by, key, segments, decision, original)
                try:
                    last = version = await self._teller.say(Wish(fact, video_id, one.lane, version))
                    break
                except Stale:
                    await self._teller.catch_up()
                    (again,) = await self._clips([clip.id])
                    clip, version = again.clip, again.version
                    if (await self._queries.clip_and_decision(clip.id, key))[1] is not None:
                        break
                    if (refusal := rules.refusal(clip, verdict)) is not None:
                        lost.append(RefusedClip(clip.id, refusal))
                        break
            else:
                lost.append(RefusedClip(clip.id, self._teller.restless().refusal))
        return last, lost


def _several(refused: Sequence[RefusedClip], of: int) -> Refusal:
    first = refused[0].refusal
    if len(refused) == 1:
        return first
    return Refusal(first.rule, f"{first.reason} The same or another rule stands against {len(refused)} of {of} clips.")
