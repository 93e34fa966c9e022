"""What stands of a clip: the decisions that count for it, and what came of an approval."""

from collections.abc import Collection, Iterable
from uuid import UUID

from heaters_contracts.fact import Fact, Told
from heaters_contracts.objects import ObjectRef
from msgspec.structs import replace

from heaters_review_api.core.fold.history import at_of
from heaters_review_api.core.states import RETILING
from heaters_review_api.core.tables import Clip, Decision, Discarded, Tables


def with_decision(clip: Clip, row: Decision, stands_by: UUID) -> Clip:
    """A clip after one more decision about it."""
    match row.action:
        case "approve" | "skip" | "archive" as verdict:
            approves = verdict == "approve"
            return replace(
                clip,
                verdict=verdict,
                decision_id=row.fact_id,
                stands_by=stands_by,
                decided_by=row.by,
                decided_at=row.at,
                group_id=row.group_id if approves else None,
                tags=(row.tags or clip.tags) if approves else clip.tags,
                note=(row.note or clip.note) if approves else clip.note,
            )
        case "group" if clip.verdict == "approve":
            return replace(clip, group_id=row.group_id)
        case "group":
            return replace(
                clip,
                verdict="approve",
                decision_id=row.fact_id,
                stands_by=stands_by,
                decided_by=row.by,
                decided_at=row.at,
                group_id=row.group_id,
            )
        case "ungroup":
            return replace(clip, group_id=None)
        case "annotate":
            return replace(clip, tags=row.tags, note=row.note)
        case _:
            return clip


def bare(clip: Clip) -> Clip:
    """A clip about which nothing is decided."""
    return replace(
        clip,
        verdict=None,
        decision_id=None,
        stands_by=None,
        decided_by=None,
        decided_at=None,
        group_id=None,
        tags=(),
        note="",
    )


def stand_again(t: Tables, clip_ids: Collection[UUID], told: Told[Fact]) -> None:
    """Decide anew what stands of clips, from all decisions that count for them."""
    live = [clip for id_ in clip_ids if (clip := t.clips.get(id_)) and clip.live]
    if not live:
        return
    about: dict[UUID, list[Decision]] = {clip.id: [] for clip in live}
    retiling = []
    for row in t.decisions.values():
        if not row.stands:
            continue
        if row.clip_id in about:
            about[row.clip_id].append(row)
        elif row.action in RETILING:
            retiling.append(row)
    for clip in live:
        rows = sorted(about[clip.id], key=lambda row: (row.sequence, row.part))
        over = [r.sequence for r in retiling if r.start_frame < clip.end_frame and clip.start_frame < r.end_frame]
        changed = max(over, default=0)
        after = bare(clip)
        for row in rows:
            if row.sequence > changed:
                after = with_decision(after, row, told.id)
        if after.decision_id == clip.decision_id:
            # The verdict stands as it stood; what came of it does too.
            after = replace(after, stands_by=clip.stands_by)
        else:
            after = withdrawn(t, after)
        if after != clip:
            t.clips[clip.id] = after


def withdrawn(t: Tables, clip: Clip) -> Clip:
    """A clip whose approval does not stand any more, or not by the same fact: nothing that came of it is kept."""
    if clip.order_id is None:
        return clip
    after = replace(
        clip,
        order_id=None,
        export_id=None,
        exported_at=None,
        export_object=None,
        proof=None,
        keyframe_id=None,
        keyframed_at=None,
        keyframes=(),
        embed_id=None,
        embedded_at=None,
        model=None,
        frame_vectors=(),
    )
    t.clips[clip.id] = after
    discard(t, objects_of(clip))
    if clip.model is not None:  # embedded once; while its pictures are taken anew, it has no embed_id
        t.forgotten.add(clip.id)
        for key in [key for key in t.embeddings if key[0] == clip.id]:
            del t.embeddings[key]
    return after


def objects_of(clip: Clip) -> list[ObjectRef]:
    """The objects that came of a clip's approval."""
    own = [clip.export_object] if clip.export_object else []
    return [*own, *(keyframe.object for keyframe in clip.keyframes), *clip.frame_vectors]


def discard(t: Tables, refs: Iterable[ObjectRef]) -> None:
    """Say that these objects are wanted no more by whoever had them, or were told of them."""
    t.unwanted |= {ref.key: ref for ref in refs}


def mark_discarded(t: Tables, told: Told[Fact]) -> None:
    """Mark what nobody wants any more after a fact, unless a clip still has it: once for all that the fact has let go."""
    if not t.unwanted:
        return
    used = {used.key for clip in t.clips.values() for used in objects_of(clip)}
    for key, ref in t.unwanted.items():
        if key not in used:
            t.discarded.setdefault(key, Discarded(key, t.video.id, ref.bytes, told.id, at_of(told)))
    t.unwanted = {}
