"""Decisions: validated by the rules on what the tables show, told on exactly that version, answered when the tables show them.

A decision of several facts (a selection, a group over several videos, the undo of such) is told fact by fact under one idempotency
key. Each fact is whole in itself. A crash in between loses nothing: asking again with the same key tells what is missing, and no more.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.facts import (
    ClipAnnotated,
    ClipApproved,
    ClipArchived,
    ClipGrouped,
    ClipSkipped,
    ClipUngrouped,
    DecisionRedone,
    DecisionUndone,
    VideoCutsChanged,
)
from heaters_contracts.facts.clip import ClipOfGroup
from heaters_contracts.facts.segment import Cut
from heaters_contracts.spans import Span
from heaters_edges.bus import Stale

from heaters_review_api.core import rules
from heaters_review_api.core.rules import Refusal
from heaters_review_api.core.states import CUT_ACTIONS, Action, ClipState, CutOperation, ReversalKind, Verdict
from heaters_review_api.core.tables import Clip, Decision, Segment
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import ClipOfVideo, Queries
from heaters_review_api.orders import Orders, parts_of
from heaters_review_api.telling import (
    TRIES,
    NoSuchClip,
    NoSuchVideo,
    Publisher,
    Refused,
    RefusedClip,
    Teller,
    Wish,
    key_was_used,
)

__all__ = ["Decided", "Decisions", "NoSuchClip", "NoSuchVideo", "Publisher", "Refused", "Selected", "Turned"]

Neighbour = Literal["previous", "next"]


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on one clip or one video: its id, by which it is undone, and the sequence of its last fact."""

    decision_id: UUID
    sequence: int


@dataclass(frozen=True, slots=True)
class Selected:
    """A decision on several clips."""

    decision_id: UUID
    clip_ids: tuple[UUID, ...]
    refused: tuple[RefusedClip, ...]
    """Clips on which somebody decided in the same moment: nothing was decided about them here."""
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """A decision that was undone or redone."""

    decision_id: UUID
    action: Action
    by: str
    spans: tuple[tuple[UUID, int, int], ...]
    """Videos and frames [start, end) that it was about."""
    sequence: int


class Decisions:
    """Makes decisions."""

    def __init__(
        self, bus: Publisher, queries: Queries, passed: Passed, *, timeout_s: float, cut_distance_frames: int = 1
    ) -> None:
        self._queries = queries
        self._distance = cut_distance_frames
        self._teller = Teller(bus, passed, timeout_s=timeout_s)
        self.orders = Orders(self._teller, queries)

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

        async def make(found: ClipOfVideo) -> ClipApproved | ClipSkipped | ClipArchived:
            nonlocal stood_on
            clip = found.clip
            if seen is not None and clip.state != seen:
                raise Refused(rules.changed_meanwhile(clip, seen))
            if stood_on is not None and clip.stands_by != stood_on[0]:
                raise Refused(rules.changed_meanwhile(clip, stood_on[1]))
            if (refusal := rules.refusal(clip, verdict)) is not None:
                raise Refused(refusal)
            stood_on = (clip.stands_by, clip.state)
            segments = []
            if verdict == "approve":
                segments = await self._queries.segments(clip.video_id, clip.start_frame, clip.end_frame)
            return _verdict_fact(clip, verdict, by, idempotency_key, segments)

        return await self._on_clip(clip_id, verdict, by, idempotency_key, make)

    async def ungroup(self, clip_id: UUID, *, by: str, idempotency_key: str) -> Decided:
        """Take a clip out of its group; it stays approved. Raises as `decide` does."""

        async def make(found: ClipOfVideo) -> ClipUngrouped:
            clip = found.clip
            if (refusal := rules.ungroup_refusal(clip)) is not None:
                raise Refused(refusal)
            return ClipUngrouped(clip_id=clip.id, span=_span(clip), by=by, idempotency_key=idempotency_key)

        return await self._on_clip(clip_id, "ungroup", by, idempotency_key, make)

    async def annotate(
        self, clip_id: UUID, *, tags: tuple[str, ...], note: str, by: str, idempotency_key: str
    ) -> Decided:
        """Write tags and a note to a clip, in place of what stands there. Raises as `decide` does."""

        async def make(found: ClipOfVideo) -> ClipAnnotated:
            clip = found.clip
            if (refusal := rules.annotation_refusal(rules.Annotation(clip, tags, note))) is not None:
                raise Refused(refusal)
            return ClipAnnotated(
                clip_id=clip.id, span=_span(clip), by=by, idempotency_key=idempotency_key, tags=tags, note=note
            )

        return await self._on_clip(clip_id, "annotate", by, idempotency_key, make)

    async def _on_clip(
        self,
        clip_id: UUID,
        action: Action,
        by: str,
        key: str,
        make: Callable[
            [ClipOfVideo], Awaitable[ClipApproved | ClipSkipped | ClipArchived | ClipUngrouped | ClipAnnotated]
        ],
    ) -> Decided:
        answer: Decided | None = None

        async def wish() -> Wish | None:
            nonlocal answer
            found = await self._queries.clip(clip_id)
            # Looked up after the clip: else the key's own decision could come between, and be what the key is refused for.
            if (earlier := await self._queries.decision(clip_id, key)) is not None:
                if earlier.action != action or earlier.by != by:
                    raise key_was_used(f"{earlier.action} the clip")
                answer = Decided(earlier.decision_id, earlier.sequence)
                return None
            if found is None:
                raise NoSuchClip(f"There is no clip {clip_id}.")
            return Wish(await make(found), found.clip.video_id, found.lane, found.version)

        sequence = await self._teller.tell(wish)
        if sequence is not None:
            await self._teller.shown(sequence)
            made = await self._queries.decision(clip_id, key)
            if made is None:
                raise self._teller.restless()
            answer = Decided(made.decision_id, sequence)
        if answer is None:
            raise self._teller.restless()
        return answer

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
        if verdict == "approve":
            ends = [one.clip.end_frame for one in todo]
            segments = await self._queries.segments(video_id, todo[0].clip.start_frame, max(ends))
        last, version = 0, todo[0].version
        for one in todo:
            clip = one.clip
            for _ in range(TRIES):
                fact = _verdict_fact(clip, verdict, by, key, segments, decision)
                try:
                    last = version = await self._teller.say(Wish(fact, video_id, one.lane, version))
                    break
                except Stale:
                    await self._teller.catch_up()
                    (again,) = await self._clips([clip.id])
                    clip, version = again.clip, again.version
                    if await self._queries.decision(clip.id, key) is not None:
                        break
                    if (refusal := rules.refusal(clip, verdict)) is not None:
                        lost.append(RefusedClip(clip.id, refusal))
                        break
            else:
                lost.append(RefusedClip(clip.id, self._teller.restless().refusal))
        return last, lost

    async def group(
        self,
        clip_ids: Sequence[UUID],
        *,
        by: str,
        idempotency_key: str,
        beside: Neighbour | None = None,
    ) -> Selected:
        """Put clips together: all are approved, and carry the group. One that is in a group already takes the others into it.

        Args:
            clip_ids: at least two, of any videos; one, if `beside` says with which neighbour it is put together.
            by: the person's id.
            idempotency_key: the same key groups once; asking again completes what a crash has left.
            beside: the clip before or after the one, in its video.

        Raises:
            NoSuchClip: one of them is none.
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
                if not rows and (refusal := rules.group_refusal([one.clip for one in chosen])) is not None:
                    if await self._queries.decision_rows(decision):
                        continue  # it is this very group, told in between, that stands against itself
                    raise Refused(refusal)
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
            if (refusal := rules.first_broken(rules.GROUP_RULES[1:3], [one.clip for one in members])) is not None:
                raise Refused(refusal)
            fact = ClipGrouped(
                group=group,
                clips=tuple(ClipOfGroup(clip_id=one.clip.id, span=_span(one.clip)) for one in members),
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

    async def change_cuts(
        self,
        video_id: UUID,
        operation: CutOperation,
        frame: int,
        *,
        to: int | None = None,
        by: str,
        idempotency_key: str,
        version: int | None = None,
    ) -> Decided:
        """Add, remove, move or confirm a cut.

        Args:
            video_id: which video.
            operation: what to do.
            frame: of the cut; where it is to be added, or where it is.
            to: where it is moved, for a move.
            by: the person's id.
            idempotency_key: the same key on the same video decides once.
            version: the video's, as the person saw it; refused if somebody else has decided about these clips since.

        Raises:
            NoSuchVideo: see there.
            Refused: a rule does not hold.
        """
        action = CUT_ACTIONS[operation]
        answer: Decided | None = None

        async def wish() -> Wish | None:
            nonlocal answer
            video = await self._queries.video(video_id)
            if video is None:
                raise NoSuchVideo(f"There is no video {video_id}.")
            about = await self.cut_place(video_id, operation, frame, to)
            # Looked up after the place, as for a clip.
            if (earlier := await self._queries.cut_decision(video_id, by, idempotency_key)) is not None:
                if earlier.action != action:
                    raise key_was_used(f"{earlier.action} here")
                answer = Decided(earlier.decision_id, earlier.sequence)
                return None
            if (refusal := rules.cut_refusal(about)) is not None:
                raise Refused(refusal)
            if version is not None:
                await self._refuse_if_decided_since(video_id, about.start, about.end, by, version)
            return Wish(_cut_fact(about, by, idempotency_key), video_id, video.lane, video.version)

        sequence = await self._teller.tell(wish)
        if sequence is not None:
            await self._teller.shown(sequence)
            await self._complete({video_id})
            made = await self._queries.cut_decision(video_id, by, idempotency_key)
            answer = Decided(made.decision_id, sequence) if made else None
        if answer is None:
            raise self._teller.restless()
        return answer

    async def cut_place(self, video_id: UUID, operation: CutOperation, frame: int, to: int | None) -> rules.OnCut:
        """What a change of cuts at a frame is about, for the rules."""
        near = await self._queries.clips_at(video_id, frame)
        if operation == "add":
            clips = [clip for clip in near if clip.start_frame <= frame < clip.end_frame]
        else:
            clips = [clip for clip in near if frame in (clip.start_frame, clip.end_frame)]
        cut = await self._queries.cut(video_id, frame)
        return rules.OnCut(operation, frame, tuple(clips), cut, self._distance, to)

    async def _refuse_if_decided_since(self, video_id: UUID, start: int, end: int, by: str, version: int) -> None:
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
            if todo or not rows:
                await self._refuse_to_turn(kind, by, rows, todo)
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

    async def _refuse_to_turn(self, kind: ReversalKind, by: str, rows: list[Decision], videos: list[UUID]) -> None:
        parts = [row for row in rows if row.video_id in videos]
        spans = [(row.video_id, row.start_frame, row.end_frame) for row in parts]
        others = await self._queries.decisions_about(spans)
        about = rules.OnDecision(kind, by, tuple(parts), tuple(others))
        if (refusal := rules.reversal_refusal(about)) is not None:
            raise Refused(refusal)

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

    async def _done(self, decision: UUID, action: Action, wanted: Sequence[UUID]) -> set[UUID]:
        rows = await self._queries.decision_rows(decision)
        done = {row.clip_id for row in rows if row.clip_id is not None}
        if any(row.action != action for row in rows) or not done <= set(wanted):
            raise key_was_used(f"{rows[0].action} {len(rows)} other clips")
        return done


def _span(clip: Clip) -> Span:
    return Span(start=clip.start_frame, end=clip.end_frame)


def _verdict_fact(
    clip: Clip, verdict: Verdict, by: str, key: str, segments: Sequence[Segment], decision: UUID | None = None
) -> ClipApproved | ClipSkipped | ClipArchived:
    span = _span(clip)
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
        tags=clip.tags,
        note=clip.note,
    )


def _cut_fact(about: rules.OnCut, by: str, key: str) -> VideoCutsChanged:
    frame = about.target
    cuts: tuple[Cut, ...] = ()
    if about.operation == "confirm" and about.cut is not None:
        known = about.cut
        cuts = (Cut(frame=frame, kind=known.kind, start=known.extent_start, end=known.extent_end),)
    elif about.operation != "remove":
        cuts = (Cut(frame=frame, start=frame, end=frame + 1),)
    return VideoCutsChanged(
        operation=about.operation,
        frame=about.frame,
        to=about.to if about.operation == "move" else None,
        span=Span(start=about.start, end=about.end),
        cuts=cuts,
        clips=tuple(clip.id for clip in about.clips),
        by=by,
        idempotency_key=key,
    )


def _several(refused: Sequence[RefusedClip], of: int) -> Refusal:
    first = refused[0].refusal
    if len(refused) == 1:
        return first
    return Refusal(first.rule, f"{first.reason} The same or another rule stands against {len(refused)} of {of} clips.")
