"""What people decided: each decision is kept, and moves clips where the rules allow it."""

from uuid import UUID

from heaters_contracts.fact import Fact, Told
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
from heaters_contracts.spans import Span
from msgspec.structs import replace

from heaters_review_api.core import rules
from heaters_review_api.core.fold.history import at_of
from heaters_review_api.core.fold.opening import retile
from heaters_review_api.core.fold.settling import current
from heaters_review_api.core.fold.standing import stand_again, with_decision, withdrawn
from heaters_review_api.core.states import CUT_ACTIONS, Action, Verdict
from heaters_review_api.core.tables import Decision, Reversal, Tables
from heaters_review_api.core.tiling import Window

_VERDICTS: dict[str, Verdict] = {
    ClipApproved.TYPE: "approve",
    ClipSkipped.TYPE: "skip",
    ClipArchived.TYPE: "archive",
}
_ANY_DISTANCE = 1
"""The shortest clip that a change of cuts may leave, in frames, is a setting of whoever validates it; the fold only wants clips."""


def _row(
    t: Tables,
    told: Told[Fact],
    action: Action,
    span: Span,
    clip_id: UUID | None,
    fact: ClipApproved | ClipSkipped | ClipArchived | ClipGrouped | ClipUngrouped | ClipAnnotated | VideoCutsChanged,
    *,
    part: int = 0,
) -> Decision:
    decision: UUID | None = getattr(fact, "decision", None)
    return Decision(
        fact_id=told.id,
        part=part,
        decision_id=decision or told.id,
        video_id=t.video.id,
        clip_id=clip_id,
        start_frame=span.start,
        end_frame=span.end,
        sequence=told.sequence,
        action=action,
        by=fact.by,
        at=at_of(told),
        idempotency_key=fact.idempotency_key,
        changed_sequence=told.sequence,
    )


def _keep(t: Tables, row: Decision, *, allowed: bool) -> None:
    t.decisions[row.fact_id, row.part] = row if allowed else replace(row, stands=False)


def decided(t: Tables, fact: ClipApproved | ClipSkipped | ClipArchived, told: Told[Fact]) -> None:
    """A verdict."""
    verdict = _VERDICTS[fact.TYPE]
    row = _row(t, told, verdict, fact.span, fact.clip_id, fact)
    if isinstance(fact, ClipApproved):
        row = replace(row, group_id=fact.group, tags=fact.tags, note=fact.note)
    clip = current(t, fact.clip_id)
    allowed = clip is not None and rules.refusal(clip, verdict) is None
    _keep(t, row, allowed=allowed)
    if clip is not None and allowed:
        after = with_decision(withdrawn(t, clip), row, told.id)
        t.clips[clip.id] = replace(after, order_id=told.id if verdict == "approve" else None)


def ordered(t: Tables, fact: ClipApproved, told: Told[Fact]) -> None:
    """An approval that stands by another fact is told to the exporter."""
    clip = t.clips.get(fact.clip_id)
    if clip and clip.verdict == "approve" and clip.order_id is None and clip.stands_by == told.cause:
        t.clips[clip.id] = replace(clip, order_id=told.id)


def grouped(t: Tables, fact: ClipGrouped, told: Told[Fact]) -> None:
    """Clips were put together."""
    for part, member in enumerate(fact.clips):
        row = replace(_row(t, told, "group", member.span, member.clip_id, fact, part=part), group_id=fact.group)
        clip = t.clips.get(member.clip_id)
        # The rules are about the whole group, whose other clips may be of other videos; here only what must hold for each.
        allowed = clip is not None and rules.join_refusal(clip, fact.group) is None
        _keep(t, row, allowed=allowed)
        if clip is not None and allowed:
            t.clips[clip.id] = with_decision(clip, row, told.id)


def ungrouped(t: Tables, fact: ClipUngrouped, told: Told[Fact]) -> None:
    """A clip was taken out of its group."""
    row = _row(t, told, "ungroup", fact.span, fact.clip_id, fact)
    clip = t.clips.get(fact.clip_id)
    allowed = clip is not None and rules.ungroup_refusal(clip) is None
    _keep(t, row, allowed=allowed)
    if clip is not None and allowed:
        t.clips[clip.id] = with_decision(clip, row, told.id)


def annotated(t: Tables, fact: ClipAnnotated, told: Told[Fact]) -> None:
    """Tags and a note were written to a clip."""
    row = replace(_row(t, told, "annotate", fact.span, fact.clip_id, fact), tags=fact.tags, note=fact.note)
    clip = t.clips.get(fact.clip_id)
    allowed = clip is not None and rules.annotation_refusal(rules.Annotation(clip, fact.tags, fact.note)) is None
    _keep(t, row, allowed=allowed)
    if clip is not None and allowed:
        t.clips[clip.id] = with_decision(clip, row, told.id)


def cuts_changed(t: Tables, fact: VideoCutsChanged, told: Told[Fact]) -> None:
    """A cut was added, removed, moved or confirmed."""
    row = replace(_row(t, told, CUT_ACTIONS[fact.operation], fact.span, None, fact), cuts=fact.cuts)
    allowed = _may_change_cuts(t, fact)
    _keep(t, row, allowed=allowed)
    if allowed:
        retile(t, told, Window(fact.span.start, fact.span.end))


def _may_change_cuts(t: Tables, fact: VideoCutsChanged) -> bool:
    span = [c.id for c in t.clips.values() if c.live and fact.span.start <= c.start_frame < fact.span.end]
    clips = [clip for id_ in span if (clip := current(t, id_))]
    clips.sort(key=lambda clip: clip.start_frame)
    if not clips or (clips[0].start_frame, clips[-1].end_frame) != (fact.span.start, fact.span.end):
        return False
    about = rules.OnCut(fact.operation, fact.frame, tuple(clips), t.cuts.get(fact.frame), _ANY_DISTANCE, fact.to)
    return rules.cut_refusal(about) is None


def turned(t: Tables, fact: DecisionUndone | DecisionRedone, told: Told[Fact]) -> None:
    """A decision was undone or redone."""
    undo = isinstance(fact, DecisionUndone)
    t.reversals[told.id] = Reversal(
        told.id,
        t.video.id,
        fact.decision,
        "undo" if undo else "redo",
        told.sequence,
        fact.by,
        at_of(told),
        fact.idempotency_key,
    )
    parts = tuple(row for row in t.decisions.values() if row.decision_id == fact.decision)
    others = tuple(row for row in t.decisions.values() if row.decision_id != fact.decision)
    if rules.reversal_refusal(rules.OnDecision("undo" if undo else "redo", fact.by, parts, others)):
        return
    for row in parts:
        if row.stands == undo and (undo or row.undone_by is not None):
            t.decisions[row.fact_id, row.part] = replace(
                row, stands=not undo, changed_sequence=told.sequence, undone_by=told.id if undo else None
            )
    retile(t, told, Window(min(row.start_frame for row in parts), max(row.end_frame for row in parts)))
    stand_again(t, {row.clip_id for row in parts if row.clip_id is not None}, told)
