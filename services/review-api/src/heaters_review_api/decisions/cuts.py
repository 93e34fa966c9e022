"""Cuts that are added, removed, moved or confirmed."""

from uuid import UUID

from heaters_contracts.facts import VideoCutsChanged
from heaters_contracts.facts.segment import Cut
from heaters_contracts.spans import Span

from heaters_review_api.core import rules
from heaters_review_api.core.states import CUT_ACTIONS, CutOperation
from heaters_review_api.decisions.deciding import Decided, Deciding
from heaters_review_api.telling import NoSuchVideo, Refused, Wish, key_was_used


class CutDecisions(Deciding):
    """Changes cuts."""

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
        only_on: int | None = None,
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
            only_on: a version of the video; refused if anybody has decided about anything of it since.

        Raises:
            NoSuchVideo: see there.
            Outdated: the video is no longer what it was at `only_on`.
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
            await self._refuse_if_moved(video_id, video.version, only_on)
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
