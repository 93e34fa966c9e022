"""One verdict on several clips, undone as one."""

from collections import deque
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

_UNDONE = Refusal("decision_stands", "This selection was undone meanwhile: no more of it is decided.")


class SelectionDecisions(Deciding):
    """Decides on a selection."""

    async def decide_all(
        self, clip_ids: Sequence[UUID], verdict: Verdict, *, by: str, idempotency_key: str
    ) -> Selected:
        """Give one verdict on a selection; one decision, undone as one.

        If a rule does not hold for a clip, nothing is decided, and all such clips are named. If somebody decides on one of them while
        this is being told, that one is left out, and named in the answer; if the person undoes it meanwhile, all that is not told yet is.

        Raises:
            NoSuchClip: one of them is none.
            Refused: as above, or somebody has decided on every one of them meanwhile, or the key was used for something else.
        """
        wanted = list(dict.fromkeys(clip_ids))
        decision = ids.decision_id(by, idempotency_key)
        clips = await self._clips(wanted)
        done, undone = await self._done(decision, verdict, wanted)
        refused = [
            RefusedClip(one.clip.id, refusal)
            for one in clips
            if one.clip.id not in done and (refusal := _UNDONE if undone else rules.refusal(one.clip, verdict))
        ]
        if refused and not done:
            raise Refused(_several(refused, len(wanted)), clips=refused)
        last, over = 0, done | {one.clip_id for one in refused}
        for video_id, of_video in groupby(clips, key=lambda one: one.clip.video_id):
            todo = [one for one in of_video if one.clip.id not in over]
            if last and todo and (await self._done(decision, verdict, wanted))[1]:
                refused += [RefusedClip(one.clip.id, _UNDONE) for one in todo]
                continue
            told, lost = await self._decide_in_video(video_id, todo, verdict, by, idempotency_key, decision)
            last = max(last, told)
            refused += lost
        if last:
            await self._teller.shown(last)
        without = {one.clip_id for one in refused}
        if len(without) == len(wanted):
            raise Refused(_several(refused, len(wanted)), clips=refused)
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
        left, last, version, tries = deque(todo), 0, todo[0].version, 0
        while left:
            one = left[0]
            if (refusal := rules.refusal(one.clip, verdict)) is not None:
                lost.append(RefusedClip(left.popleft().clip.id, refusal))
                continue
            fact = verdict_fact(one.clip, verdict, by, key, segments, decision, original)
            try:
                last = version = await self._teller.say(Wish(fact, video_id, one.lane, version))
            except Stale:
                # Whoever was faster may have decided on any of those that are left, so all of them are looked at again.
                tries += 1
                if tries == TRIES:
                    restless = self._teller.restless().refusal
                    return last, lost + [RefusedClip(one.clip.id, restless) for one in left]
                await self._teller.catch_up()
                again = await self._clips([one.clip.id for one in left])
                # Looked up after the clips: else one that another replica decides under this very key would stand against itself.
                rows = await self._queries.decision_rows(decision)
                told = {row.clip_id for row in rows}
                left, version = deque(one for one in again if one.clip.id not in told), again[0].version
                if any(row.undone_by is not None for row in rows):
                    return last, lost + [RefusedClip(one.clip.id, _UNDONE) for one in left]
            else:
                left.popleft()
                tries = 0
        return last, lost


def _several(refused: Sequence[RefusedClip], of: int) -> Refusal:
    first = refused[0].refusal
    if len(refused) == 1:
        return first
    return Refusal(first.rule, f"{first.reason} The same or another rule stands against {len(refused)} of {of} clips.")
