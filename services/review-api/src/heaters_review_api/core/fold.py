"""The fold: what a video's facts come to.

Laws. Applying a fact twice changes nothing. How facts are batched changes nothing. Facts of different stages may come in any
order that keeps causes before their effects.

How races are settled:

- **A person before a detector.** A decision touches the frames that it is about: both ends are boundaries, and inside there are the
  cuts that it left there. A scene detection moves nothing that is touched, whichever of the two came first.
- **A later decision before an earlier one.** Touches are laid over the detected cuts in the order of their facts. Changed cuts put
  other clips in the place of those that they are about; those are superseded, and lose their verdict. A span that comes back because
  the change was undone is the same clip with its history; one that comes back in another way (the cut was removed again by a new
  decision) is the same clip id, and pending: only decisions after the last change of its cuts count for it.
- **An undone decision counts as never made**, and counts again, in its old place, once it is redone. So a detection that came meanwhile
  moves what nobody touches any more.
- **An approval stands by a fact**: the verdict itself, or the group, undo, redo or change of cuts that made it stand (again). The
  exporter hears the order that has this fact as its cause (a verdict is its own order). A result counts if its cause is the order
  that the clip has; any other changes nothing, and its object is marked to be discarded. When an approval ceases to stand, what came
  of it is marked to be discarded too, and its embeddings are deleted; when it stands again, it is ordered again.
- **A decision that the rules do not allow** at its place in the stream moves nothing. It is validated before it is told, on exactly
  that version, so only a foreign publisher can tell one.
"""

import base64
import binascii
import math
import struct
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import (
    ClipAnnotated,
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipGrouped,
    ClipKeyframed,
    ClipSkipped,
    ClipUngrouped,
    DecisionRedone,
    DecisionUndone,
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    StageDiscarded,
    StageFailed,
    StagePaused,
    StageRequested,
    StageResumed,
    VideoCutsChanged,
    VideoDownloaded,
    VideoMasterStored,
    VideoPlanned,
    VideoRejected,
    VideoRequested,
)
from heaters_contracts.model import Model
from heaters_contracts.objects import ObjectRef
from heaters_contracts.pipeline import PIPELINE
from heaters_contracts.spans import Segment as Place
from heaters_contracts.spans import Span
from pydantic import ValidationError

from heaters_review_api.core import rules, tiling
from heaters_review_api.core.states import (
    CLIP_STEPS,
    CUT_ACTIONS,
    DECIDED_FOR_GOOD,
    RETILING,
    VIDEO_FAILURES,
    Action,
    ClipState,
    Verdict,
    VideoState,
)
from heaters_review_api.core.tables import (
    Clip,
    CutRow,
    Decision,
    Discarded,
    Embedding,
    Event,
    Failure,
    Reversal,
    Segment,
    Settled,
    Stage,
    Tables,
    Video,
)

STAGE_OF = {produced.TYPE: work.name for work in PIPELINE for produced in work.produces}
_VERDICTS: dict[str, Verdict] = {
    ClipApproved.TYPE: "approve",
    ClipSkipped.TYPE: "skip",
    ClipArchived.TYPE: "archive",
}
_ANY_DISTANCE = 1
"""The shortest clip that a change of cuts may leave, in frames, is a setting of whoever validates it; the fold only wants clips."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A message of the video that nobody here can read: it counts for the version, and for nothing else."""

    sequence: int


def fold(before: Tables, messages: Iterable[Told[Fact] | Unread]) -> Tables:
    """Apply messages of one video, in stream order.

    Args:
        before: the rows so far; they are not changed.
        messages: with their sequence and the time at which the stream stored them.

    Returns:
        The rows afterwards. A row that did not change is the same object as before.
    """
    t = before.copy()
    for message in messages:
        if message.sequence > t.video.version:
            t.video = replace(t.video, version=message.sequence)
        if isinstance(message, Unread) or message.id in t.events:
            continue
        t.events[message.id] = _event(t, message)
        _apply(t, message)
    _settle(t)
    return t


def _apply(t: Tables, told: Told[Fact]) -> None:
    at = _at(told)
    match told.fact:
        case VideoRequested() as fact:
            _requested(t, fact, told, at)
        case VideoRejected() as fact:
            if t.video.requested_at is None:
                t.video = replace(
                    t.video, requester=fact.requester, request_id=fact.request_id, rejected_reason=fact.reason
                )
        case VideoDownloaded() as fact:
            if told.sequence > (t.video.downloaded_sequence or 0):
                t.video = replace(
                    t.video,
                    title=fact.title,
                    source_object=fact.source,
                    downloaded_at=at,
                    downloaded_sequence=told.sequence,
                )
        case VideoPlanned() as fact:
            _planned(t, fact, told, at)
        case VideoMasterStored() as fact:
            if told.sequence > (t.video.master_sequence or 0):
                t.video = replace(t.video, master=fact.master, master_stored_at=at, master_sequence=told.sequence)
        case SegmentPlanned() as fact:
            segment = _segment(t, fact.segment)
            if segment.planned_at is None:
                t.segments[segment.index] = replace(segment, planned_at=at)
            t.video = replace(
                t.video,
                source_object=t.video.source_object or fact.source,
                time_base_num=fact.time_base[0],
                time_base_den=fact.time_base[1],
            )
        case SegmentPreprocessed() as fact:
            _preprocessed(t, fact, told, at)
        case SegmentScenesDetected() as fact:
            segment = _segment(t, fact.segment)
            if told.sequence > (segment.detected_sequence or 0):
                t.segments[segment.index] = replace(
                    segment, detected_at=at, detected_sequence=told.sequence, detector=fact.detector, cuts=fact.cuts
                )
                _retile(t, told)
        case ClipApproved() as fact if told.cause is not None:
            _ordered(t, fact, told)
        case ClipApproved() | ClipSkipped() | ClipArchived() as fact:
            _decided(t, fact, told, at)
        case ClipGrouped() as fact:
            _grouped(t, fact, told, at)
        case ClipUngrouped() as fact:
            _ungrouped(t, fact, told, at)
        case ClipAnnotated() as fact:
            _annotated(t, fact, told, at)
        case VideoCutsChanged() as fact:
            _cuts_changed(t, fact, told, at)
        case DecisionUndone() | DecisionRedone() as fact:
            _reversed(t, fact, told, at)
        case ClipExported() as fact:
            _exported(t, fact, told, at)
        case ClipKeyframed() as fact:
            _keyframed(t, fact, told, at)
        case ClipEmbedded() as fact:
            _embedded(t, fact, told, at)
        case StageFailed() as fact:
            _failed(t, fact, told, at)
        case StageRequested() | StageDiscarded() as fact:
            _person_settled(t, fact)
        case StagePaused() as fact:
            t.stages[fact.stage] = Stage(fact.stage, True, fact.by, fact.reason, at, told.sequence)
        case StageResumed() as fact:
            t.stages[fact.stage] = Stage(fact.stage, False, fact.by, "", at, told.sequence)
        case _:
            pass  # its event is all that is kept of a fact that moves no table


def _at(told: Told[Fact]) -> datetime:
    if told.stored_at is None:
        raise ValueError(f"{told.fact.TYPE} {told.id} has no place in the stream yet")
    return told.stored_at


def _event(t: Tables, told: Told[Fact]) -> Event:
    fact, work = told.fact, told.work
    place: Place | None = getattr(fact, "segment", None)
    stage = fact.stage if isinstance(fact, StageFailed | StageRequested | StageDiscarded) else STAGE_OF.get(fact.TYPE)
    return Event(
        fact_id=told.id,
        video_id=t.video.id,
        sequence=told.sequence,
        type=fact.TYPE,
        at=_at(told),
        cause=told.cause,
        stage=stage,
        segment_index=place.index if place else None,
        clip_id=getattr(fact, "clip_id", None),
        by=getattr(fact, "by", None),
        note=_said(fact),
        attempt=work.attempt if work else None,
        started=work.started if work else None,
        finished=work.finished if work else None,
        cpu_s=work.cpu_s if work else None,
        read_bytes=work.read_bytes if work else None,
        written_bytes=work.written_bytes if work else None,
        host=work.host if work else None,
        reused=work.reused if work else None,
    )


def _said(fact: Fact) -> str | None:
    """What a history shows of a fact beside its type."""
    if isinstance(fact, VideoCutsChanged):
        return f"{fact.operation} {fact.frame}" + (f" to {fact.to}" if fact.to is not None else "")
    reason: str | None = getattr(fact, "reason", None)
    return reason


def _requested(t: Tables, fact: VideoRequested, told: Told[Fact], at: datetime) -> None:
    if t.video.requested_at is not None:
        return
    t.video = replace(
        t.video,
        lane=told.lane,
        requester=fact.requester,
        request_id=fact.request_id,
        requested_at=at,
        requested_sequence=told.sequence,
        source=fact.source,
        options=fact.options,
        rejected_reason=None,
    )


def _planned(t: Tables, fact: VideoPlanned, told: Told[Fact], at: datetime) -> None:
    if told.sequence <= (t.video.planned_sequence or 0):
        return
    for place in fact.segments:
        t.segments[place.index] = _segment(t, place)
    t.video = replace(
        t.video,
        source_object=t.video.source_object or fact.source,
        technical=fact.technical,
        frames=fact.frames,
        time_base_num=fact.time_base[0],
        time_base_den=fact.time_base[1],
        start_ticks=fact.segments[0].start_ticks,
        end_ticks=fact.segments[-1].end_ticks,
        frame_table=fact.frame_table,
        segments_total=len(fact.segments),
        planned_at=at,
        planned_sequence=told.sequence,
    )
    _retile(t, told)


def _preprocessed(t: Tables, fact: SegmentPreprocessed, told: Told[Fact], at: datetime) -> None:
    segment = _segment(t, fact.segment)
    if told.sequence <= (segment.preprocessed_sequence or 0):
        return
    t.segments[segment.index] = replace(
        segment,
        preprocessed_at=at,
        preprocessed_sequence=told.sequence,
        profile=fact.profile,
        proxy=fact.proxy,
        packets=fact.packets,
        tiny=fact.tiny,
        storyboard=fact.storyboard,
        waveform=fact.waveform,
        width_px=fact.width_px,
        height_px=fact.height_px,
    )


def _segment(t: Tables, place: Place) -> Segment:
    known = t.segments.get(place.index)
    if known is not None:
        return known
    return Segment(t.video.id, place.index, place.first_frame, place.frames, place.start_ticks, place.end_ticks)


def _retile(t: Tables, told: Told[Fact]) -> None:
    """Open the clips whose ends are both certain, and supersede those whose cuts are gone."""
    source = t.video.source_object
    if source is None:
        return  # nothing was scanned yet, so nothing can be finished
    finished = [segment for run in tiling.runs(t.segments) for segment in run]
    cuts = tiling.standing_cuts(finished, _touches(t), t.video.frames)
    for gone in t.cuts.keys() - cuts.keys():
        del t.cuts[gone]
    for frame, (cut, by) in cuts.items():
        row = CutRow(t.video.id, frame, cut.kind, cut.start, cut.end, cut.confidence, by)
        if t.cuts.get(frame) != row:
            t.cuts[frame] = row

    open_now = {}
    for span in tiling.open_spans(t.segments, cuts, t.video.frames):
        open_now[ids.clip_id(t.video.id, source.key, source.bytes, span)] = span
    for id_, clip in list(t.clips.items()):
        if clip.live and id_ not in open_now:
            t.clips[id_] = replace(_bare(_withdrawn(t, clip, told)), live=False)
    for id_, span in open_now.items():
        known = t.clips.get(id_)
        before = known or Clip(id_, t.video.id, t.video.requested_sequence or 0, span.start, span.end)
        sides = [cuts[frame].cut.confidence if frame in cuts else None for frame in (span.start, span.end)]
        certainty = min((side for side in sides if side is not None), default=1.0)
        opened = _opened(finished, span)
        shown = (before.live, before.confidence_in, before.confidence_out, before.certainty, before.opened_sequence)
        # Most stay as they are, and to make a row anew costs more than all else that is done for it.
        if known is None or shown != (True, *sides, certainty, opened):
            t.clips[id_] = replace(
                before,
                live=True,
                confidence_in=sides[0],
                confidence_out=sides[1],
                certainty=certainty,
                opened_sequence=opened,
            )
        if known is not None and not known.live:
            _stand_again(t, id_, told)


def _touches(t: Tables) -> list[tiling.Touch]:
    """What people said of the cuts, in the order in which they said it."""
    standing = sorted((row for row in t.decisions.values() if row.stands), key=lambda row: (row.sequence, row.part))
    return [
        tiling.Touch(
            row.start_frame,
            row.end_frame,
            row.cuts,
            by=row.by if row.clip_id is None else None,
            confirms=row.action == "confirm_cut",
        )
        for row in standing
    ]


def _opened(finished: Iterable[Segment], span: Span) -> int:
    """When the last scene detection was told that a clip waited for: of the segments with its frames, and with the one after."""
    return max(
        (s.detected_sequence or 0 for s in finished if s.first_frame <= span.end and span.start < s.end_frame),
        default=0,
    )


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
        at=_at(told),
        idempotency_key=fact.idempotency_key,
        changed_sequence=told.sequence,
    )


def _current(t: Tables, clip_id: UUID) -> Clip | None:
    """A clip with the state that follows from its rows just now; states are written once a batch is applied."""
    clip = t.clips.get(clip_id)
    return None if clip is None else replace(clip, state=_state_of(t, clip))


def _keep(t: Tables, row: Decision, *, allowed: bool) -> None:
    t.decisions[row.fact_id, row.part] = row if allowed else replace(row, stands=False)


def _decided(t: Tables, fact: ClipApproved | ClipSkipped | ClipArchived, told: Told[Fact], at: datetime) -> None:
    verdict = _VERDICTS[fact.TYPE]
    row = _row(t, told, verdict, fact.span, fact.clip_id, fact)
    if isinstance(fact, ClipApproved):
        row = replace(row, group_id=fact.group, tags=fact.tags, note=fact.note)
    clip = _current(t, fact.clip_id)
    allowed = clip is not None and rules.refusal(clip, verdict) is None
    _keep(t, row, allowed=allowed)
    if clip is not None and allowed:
        after = _with(_withdrawn(t, clip, told), row, told.id)
        t.clips[clip.id] = replace(after, order_id=told.id if verdict == "approve" else None)


def _ordered(t: Tables, fact: ClipApproved, told: Told[Fact]) -> None:
    clip = t.clips.get(fact.clip_id)
    if clip and clip.verdict == "approve" and clip.order_id is None and clip.stands_by == told.cause:
        t.clips[clip.id] = replace(clip, order_id=told.id)


def _grouped(t: Tables, fact: ClipGrouped, told: Told[Fact], at: datetime) -> None:
    for part, member in enumerate(fact.clips):
        row = replace(_row(t, told, "group", member.span, member.clip_id, fact, part=part), group_id=fact.group)
        clip = t.clips.get(member.clip_id)
        # The rules are about the whole group, whose other clips may be of other videos; here only what must hold for each.
        allowed = clip is not None and clip.live and clip.group_id in {None, fact.group}
        _keep(t, row, allowed=allowed)
        if clip is not None and allowed:
            t.clips[clip.id] = _with(clip, row, told.id)


def _ungrouped(t: Tables, fact: ClipUngrouped, told: Told[Fact], at: datetime) -> None:
    row = _row(t, told, "ungroup", fact.span, fact.clip_id, fact)
    clip = t.clips.get(fact.clip_id)
    allowed = clip is not None and rules.ungroup_refusal(clip) is None
    _keep(t, row, allowed=allowed)
    if clip is not None and allowed:
        t.clips[clip.id] = _with(clip, row, told.id)


def _annotated(t: Tables, fact: ClipAnnotated, told: Told[Fact], at: datetime) -> None:
    row = replace(_row(t, told, "annotate", fact.span, fact.clip_id, fact), tags=fact.tags, note=fact.note)
    clip = t.clips.get(fact.clip_id)
    allowed = clip is not None and rules.annotation_refusal(rules.Annotation(clip, fact.tags, fact.note)) is None
    _keep(t, row, allowed=allowed)
    if clip is not None and allowed:
        t.clips[clip.id] = _with(clip, row, told.id)


def _cuts_changed(t: Tables, fact: VideoCutsChanged, told: Told[Fact], at: datetime) -> None:
    row = replace(_row(t, told, CUT_ACTIONS[fact.operation], fact.span, None, fact), cuts=fact.cuts)
    allowed = _may_change_cuts(t, fact)
    _keep(t, row, allowed=allowed)
    if allowed:
        _retile(t, told)


def _may_change_cuts(t: Tables, fact: VideoCutsChanged) -> bool:
    span = [c.id for c in t.clips.values() if c.live and fact.span.start <= c.start_frame < fact.span.end]
    clips = [clip for id_ in span if (clip := _current(t, id_))]
    clips.sort(key=lambda clip: clip.start_frame)
    if not clips or (clips[0].start_frame, clips[-1].end_frame) != (fact.span.start, fact.span.end):
        return False
    about = rules.OnCut(fact.operation, fact.frame, tuple(clips), t.cuts.get(fact.frame), _ANY_DISTANCE, fact.to)
    return rules.cut_refusal(about) is None


def _reversed(t: Tables, fact: DecisionUndone | DecisionRedone, told: Told[Fact], at: datetime) -> None:
    undo = isinstance(fact, DecisionUndone)
    t.reversals[told.id] = Reversal(
        told.id,
        t.video.id,
        fact.decision,
        "undo" if undo else "redo",
        told.sequence,
        fact.by,
        at,
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
    _retile(t, told)
    for clip_id in {row.clip_id for row in parts if row.clip_id is not None}:
        _stand_again(t, clip_id, told)


def _with(clip: Clip, row: Decision, stands_by: UUID) -> Clip:
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


def _bare(clip: Clip) -> Clip:
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


def _stand_again(t: Tables, clip_id: UUID, told: Told[Fact]) -> None:
    """Decide anew what stands of a clip, from all decisions that count for it."""
    clip = t.clips.get(clip_id)
    if clip is None or not clip.live:
        return
    rows = sorted((row for row in t.decisions.values() if row.stands), key=lambda row: (row.sequence, row.part))
    changed = max(
        (
            row.sequence
            for row in rows
            if row.action in RETILING and row.start_frame < clip.end_frame and clip.start_frame < row.end_frame
        ),
        default=0,
    )
    after = _bare(clip)
    for row in rows:
        if row.clip_id == clip_id and row.sequence > changed:
            after = _with(after, row, told.id)
    if after.decision_id == clip.decision_id:
        after = replace(after, stands_by=clip.stands_by)  # the verdict stands as it stood; what came of it does too
    else:
        after = _withdrawn(t, after, told)
    if after != clip:
        t.clips[clip_id] = after


def _withdrawn(t: Tables, clip: Clip, told: Told[Fact]) -> Clip:
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
    for ref in _objects_of(clip):
        _discard(t, ref, told, _at(told))
    if clip.embed_id is not None:
        t.forgotten.add(clip.id)
        for key in [key for key in t.embeddings if key[0] == clip.id]:
            del t.embeddings[key]
    return after


def _objects_of(clip: Clip) -> list[ObjectRef]:
    own = [clip.export_object] if clip.export_object else []
    return [*own, *(keyframe.object for keyframe in clip.keyframes), *clip.frame_vectors]


def _exported(t: Tables, fact: ClipExported, told: Told[Fact], at: datetime) -> None:
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.order_id is None or told.cause != clip.order_id:
        _discard(t, fact.object, told, at)
    elif clip.export_id is None:
        t.clips[clip.id] = replace(clip, export_id=told.id, exported_at=at, export_object=fact.object, proof=fact.proof)
        t.discarded.pop(fact.object.key, None)


def _keyframed(t: Tables, fact: ClipKeyframed, told: Told[Fact], at: datetime) -> None:
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.export_id is None or told.cause != clip.export_id:
        for keyframe in fact.keyframes:
            _discard(t, keyframe.object, told, at)
    elif clip.keyframe_id is None:
        t.clips[clip.id] = replace(clip, keyframe_id=told.id, keyframed_at=at, keyframes=fact.keyframes)
        for keyframe in fact.keyframes:
            t.discarded.pop(keyframe.object.key, None)


def _embedded(t: Tables, fact: ClipEmbedded, told: Told[Fact], at: datetime) -> None:
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.keyframe_id is None or told.cause != clip.keyframe_id:
        if fact.frame_vectors is not None:
            _discard(t, fact.frame_vectors, told, at)
        return
    vector = _vector(fact)
    if vector is None:
        t.events[told.id] = replace(
            t.events[told.id],
            note=f"its vector is not {fact.dimensions} finite values of float16 in base64, or all are zero",
        )
        return
    t.embeddings[clip.id, fact.model, fact.strategy] = Embedding(
        clip.id, fact.model, fact.strategy, t.video.id, fact.dimensions, vector, fact.frame_vectors, told.id
    )
    if fact.frame_vectors is not None and fact.frame_vectors not in clip.frame_vectors:
        clip = replace(clip, frame_vectors=(*clip.frame_vectors, fact.frame_vectors))
        t.discarded.pop(fact.frame_vectors.key, None)
    if clip.embed_id is None:
        clip = replace(clip, embed_id=told.id, embedded_at=at, model=fact.model)
    t.clips[clip.id] = clip


def _vector(fact: ClipEmbedded) -> bytes | None:
    try:
        vector = base64.b64decode(fact.vector, validate=True)
    except binascii.Error:
        return None
    if len(vector) != 2 * fact.dimensions:
        return None
    values = struct.unpack(f"<{fact.dimensions}e", vector)
    return vector if all(map(math.isfinite, values)) and any(values) else None


def _discard(t: Tables, ref: ObjectRef, told: Told[Fact], at: datetime) -> None:
    used = {used.key for clip in t.clips.values() for used in _objects_of(clip)}
    if ref.key not in used:
        t.discarded.setdefault(ref.key, Discarded(ref.key, t.video.id, ref.bytes, told.id, at))


def _failed(t: Tables, fact: StageFailed, told: Told[Fact], at: datetime) -> None:
    segment_index, clip_id = _scope(t, fact, told.cause)
    event = t.events[told.id]
    t.events[told.id] = replace(event, segment_index=segment_index, clip_id=clip_id)
    t.failures[told.id] = Failure(
        id=told.id,
        video_id=t.video.id,
        stage=fact.stage,
        reason=fact.reason,
        failure_class=fact.failure_class,
        attempts=fact.attempts,
        at=at,
        sequence=told.sequence,
        cause=told.cause,
        segment_index=segment_index,
        clip_id=clip_id,
        message_subject=fact.message_subject,
        message_sequence=fact.message_sequence,
    )


def _person_settled(t: Tables, fact: StageRequested | StageDiscarded) -> None:
    """Asked for again, a message may fail again, and that is a failure of its own; until then nobody need look at this one."""
    for failure in list(t.failures.values()):
        if (failure.stage, failure.message_sequence) == (fact.stage, fact.message_sequence):
            settled: Settled = "retried" if isinstance(fact, StageRequested) else "discarded"
            t.failures[failure.id] = replace(failure, settled=settled)


class _About(Model):
    """As much as may be said of a message that failed, whatever else is wrong with it."""

    segment: Place | None = None
    clip_id: UUID | None = None


def _scope(t: Tables, fact: StageFailed, cause: UUID | None) -> tuple[int | None, UUID | None]:
    """Which segment or clip a failed message was about: as its own event says, else its bytes, as far as they can be read."""
    if cause is not None and (event := t.events.get(cause)):
        return event.segment_index, event.clip_id
    try:
        about = _About.model_validate_json(base64.b64decode(fact.message or ""))
    except (ValidationError, binascii.Error):
        return None, None
    return about.segment.index if about.segment else None, about.clip_id


def _settle(t: Tables) -> None:
    """Derive what follows from the rows: which failures are still open, and the states of clips and video."""
    for failure in list(t.failures.values()):
        if failure.open != (still := _is_open(t, failure)):
            t.failures[failure.id] = replace(failure, open=still)
    for clip in list(t.clips.values()):
        if clip.state != (state := _state_of(t, clip)):
            t.clips[clip.id] = replace(clip, state=state)

    total = t.video.segments_total
    preprocessed = [s.preprocessed_at for s in t.segments.values() if s.preprocessed_at]
    detected = [s.detected_at for s in t.segments.values() if s.detected_at]
    settled = replace(
        t.video,
        segments_done=len(detected),
        preprocessed_at=max(preprocessed) if total and len(preprocessed) >= total else None,
        detected_at=max(detected) if total and len(detected) >= total else None,
        failures=sum(failure.open for failure in t.failures.values()),
    )
    standing = {failure.stage for failure in t.failures.values() if _stands(t, failure)}
    settled = replace(settled, state=_video_state(settled, standing, t.clips))
    if settled != t.video:
        t.video = settled


def _is_open(t: Tables, failure: Failure) -> bool:
    """A failure is open until a person has settled it, the stage has done the same thing after it, or nobody waits for it."""
    return failure.settled is None and _stands(t, failure)


def _stands(t: Tables, failure: Failure) -> bool:
    """Whether what failed is still not done; a discarded failure stands, but nobody need look at it."""
    if failure.settled == "retried":
        return False
    clip = t.clips.get(failure.clip_id) if failure.clip_id else None
    segment = t.segments.get(failure.segment_index) if failure.segment_index is not None else None
    match failure.stage:
        case "download":
            done = t.video.downloaded_sequence
        case "plan":
            done = t.video.planned_sequence
        case "store_master":
            done = t.video.master_sequence
        case "preprocess":
            done = segment.preprocessed_sequence if segment else None
        case "scenes":
            done = segment.detected_sequence if segment else None
        case "export" if clip:
            return clip.order_id == failure.cause and clip.export_id is None
        case "keyframe" if clip:
            return clip.export_id == failure.cause and clip.keyframe_id is None
        case "embed" if clip:
            return clip.keyframe_id == failure.cause and clip.embed_id is None
        case _:
            done = None
    return done is None or done < failure.sequence


def _state_of(t: Tables, clip: Clip) -> ClipState:
    if not clip.live:
        return ClipState.SUPERSEDED
    if clip.verdict is None:
        return ClipState.PENDING_REVIEW
    if clip.verdict == "skip":
        return ClipState.REVIEW_SKIPPED
    if clip.verdict == "archive":
        return ClipState.REVIEW_ARCHIVED
    for stage, cause, done in (
        ("export", clip.order_id, clip.export_id),
        ("keyframe", clip.export_id, clip.keyframe_id),
        ("embed", clip.keyframe_id, clip.embed_id),
    ):
        if done is None:
            working, given_up = CLIP_STEPS[stage]
            failed = any(
                f.stage == stage and f.clip_id == clip.id and f.cause == cause and f.settled != "retried"
                for f in t.failures.values()
            )
            return given_up if failed else working
    return ClipState.EMBEDDED


def _video_state(video: Video, failed: Set[str], clips: Mapping[UUID, Clip]) -> VideoState:
    if video.requested_at is None:
        return VideoState.REJECTED if video.rejected_reason is not None else VideoState.NEW
    for stage, state in VIDEO_FAILURES.items():
        if stage in failed:
            return state
    if video.detected_at is not None:
        live = [clip for clip in clips.values() if clip.live]
        decided = bool(live) and all(clip.state in DECIDED_FOR_GOOD for clip in live)
        return VideoState.DONE if decided else VideoState.IN_REVIEW
    if video.preprocessed_at is not None:
        return VideoState.DETECTING_SCENES
    if video.downloaded_at is not None:
        return VideoState.PREPROCESSING
    return VideoState.DOWNLOADING
