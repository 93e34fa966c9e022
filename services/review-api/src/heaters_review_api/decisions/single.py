"""Decisions on one clip: verdicts, leaving a group, tags and notes."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from heaters_contracts.facts import ClipAnnotated, ClipApproved, ClipArchived, ClipSkipped, ClipUngrouped
from heaters_contracts.ids import NIL

from heaters_review_api.core import rules
from heaters_review_api.core.states import Action, ClipState, Verdict
from heaters_review_api.db.queries import ClipOfVideo
from heaters_review_api.decisions.deciding import DecidedClip, Deciding, span_of, verdict_fact
from heaters_review_api.orders import original_of
from heaters_review_api.telling import NoSuchClip, Refused, Wish, key_was_used


class SingleDecisions(Deciding):
    """Decides on one clip."""

    async def decide(
        self,
        clip_id: UUID,
        verdict: Verdict,
        *,
        by: str,
        idempotency_key: str,
        seen: ClipState | None = None,
        version: int | None = None,
        only_on: int | None = None,
    ) -> DecidedClip:
        """Give a verdict.

        Args:
            clip_id: which clip.
            verdict: what of it.
            by: the person's id.
            idempotency_key: the same key on the same clip decides once, and is answered in the same way.
            seen: the clip's state as the person saw it; if it is another by now, the verdict is refused.
            version: the video's, as the person saw it; refused if somebody else has decided about these frames since.
            only_on: a version of the video; refused if anybody has decided about anything of it since.

        Raises:
            NoSuchClip: see there.
            Outdated: the video is no longer what it was at `only_on`.
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
            await self._refuse_if_stale(found, by, version)
            if (refusal := rules.refusal(clip, verdict)) is not None:
                raise Refused(refusal)
            stood_on = (clip.stands_by, clip.state)
            if verdict != "approve":
                return verdict_fact(clip, verdict, by, idempotency_key, [])
            segments = await self._queries.segments(clip.video_id, clip.start_frame, clip.end_frame)
            original = original_of(await self._queries.video(clip.video_id))
            return verdict_fact(clip, verdict, by, idempotency_key, segments, original=original)

        return await self._on_clip(clip_id, verdict, by, idempotency_key, make, only_on)

    async def ungroup(self, clip_id: UUID, *, by: str, idempotency_key: str, only_on: int | None = None) -> DecidedClip:
        """Take a clip out of its group; it stays approved. Raises as `decide` does."""

        async def make(found: ClipOfVideo) -> ClipUngrouped:
            clip = found.clip
            if (refusal := rules.ungroup_refusal(clip)) is not None:
                raise Refused(refusal)
            return ClipUngrouped(clip_id=clip.id, span=span_of(clip), by=by, idempotency_key=idempotency_key)

        return await self._on_clip(clip_id, "ungroup", by, idempotency_key, make, only_on)

    async def annotate(
        self,
        clip_id: UUID,
        *,
        tags: tuple[str, ...],
        note: str,
        by: str,
        idempotency_key: str,
        version: int | None = None,
        only_on: int | None = None,
    ) -> DecidedClip:
        """Write tags and a note to a clip, in place of what stands there. With `version`, `only_on` and in its errors as `decide`."""

        async def make(found: ClipOfVideo) -> ClipAnnotated:
            clip = found.clip
            await self._refuse_if_stale(found, by, version)
            if (refusal := rules.annotation_refusal(rules.Annotation(clip, tags, note))) is not None:
                raise Refused(refusal)
            return ClipAnnotated(
                clip_id=clip.id, span=span_of(clip), by=by, idempotency_key=idempotency_key, tags=tags, note=note
            )

        return await self._on_clip(clip_id, "annotate", by, idempotency_key, make, only_on)

    async def _refuse_if_stale(self, found: ClipOfVideo, by: str, version: int | None) -> None:
        clip = found.clip
        if version is not None and found.version > version:
            await self._refuse_if_decided_since(clip.video_id, clip.start_frame, clip.end_frame, by, version)

    async def _on_clip(
        self,
        clip_id: UUID,
        action: Action,
        by: str,
        key: str,
        make: Callable[
            [ClipOfVideo], Awaitable[ClipApproved | ClipSkipped | ClipArchived | ClipUngrouped | ClipAnnotated]
        ],
        only_on: int | None,
    ) -> DecidedClip:
        answer: DecidedClip | None = None
        video_id = NIL

        async def wish() -> Wish | None:
            nonlocal answer, video_id
            found, earlier = await self._queries.clip_and_decision(clip_id, key)
            if found is None:
                raise NoSuchClip(f"There is no clip {clip_id}.")
            if earlier is not None:
                if earlier.action != action or earlier.by != by:
                    raise key_was_used(f"{earlier.action} the clip")
                answer = DecidedClip(earlier.decision_id, earlier.sequence, found)
                return None
            video_id = found.clip.video_id
            await self._refuse_if_moved(video_id, found.version, only_on)
            return Wish(await make(found), video_id, found.lane, found.version)

        sequence = await self._teller.tell(wish)
        if sequence is not None:
            await self._teller.shown(sequence)
            answer = self._just_written(clip_id, video_id, sequence)
            if answer is None:
                found, made = await self._queries.clip_and_decision(clip_id, key)
                answer = DecidedClip(made.decision_id, sequence, found) if found and made else None
        if answer is None:
            raise self._teller.restless()
        return answer

    def _just_written(self, clip_id: UUID, video_id: UUID, sequence: int) -> DecidedClip | None:
        """What a decision came to, where this very replica wrote it: no question to the database for what is known here."""
        tables = self._written.tables(video_id) if self._written else None
        clip = tables.clips.get(clip_id) if tables else None
        if tables is None or clip is None:
            return None
        for made in reversed(tables.decisions.values()):
            if made.sequence == sequence and made.clip_id == clip_id:
                return DecidedClip(made.decision_id, sequence, ClipOfVideo.of(clip, tables.video))
        return None
