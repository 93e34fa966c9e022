"""The fold: what a video's facts come to.

Laws. Applying a fact twice changes nothing. How facts are batched changes nothing. Facts of different stages may come in any
order that keeps causes before their effects. A detection never moves what a person touched. A result whose cause is not the
decision that stands changes nothing, and its object is marked to be discarded.
"""

import base64
import binascii
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import (
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipKeyframed,
    ClipSkipped,
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    StageFailed,
    StagePaused,
    StageResumed,
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
    DECIDED_FOR_GOOD,
    VIDEO_FAILURES,
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
    Segment,
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
                _retile(t)
        case ClipApproved() | ClipSkipped() | ClipArchived() as fact:
            _decided(t, fact, told, at)
        case ClipExported() as fact:
            _exported(t, fact, told, at)
        case ClipKeyframed() as fact:
            _keyframed(t, fact, told, at)
        case ClipEmbedded() as fact:
            _embedded(t, fact, told, at)
        case StageFailed() as fact:
            _failed(t, fact, told, at)
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
    stage = fact.stage if isinstance(fact, StageFailed) else STAGE_OF.get(fact.TYPE)
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
        note=getattr(fact, "reason", None),
        attempt=work.attempt if work else None,
        started=work.started if work else None,
        finished=work.finished if work else None,
        cpu_s=work.cpu_s if work else None,
        read_bytes=work.read_bytes if work else None,
        written_bytes=work.written_bytes if work else None,
        host=work.host if work else None,
        reused=work.reused if work else None,
    )


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
    _retile(t)


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
        width_px=fact.width_px,
        height_px=fact.height_px,
    )


def _segment(t: Tables, place: Place) -> Segment:
    known = t.segments.get(place.index)
    if known is not None:
        return known
    return Segment(t.video.id, place.index, place.first_frame, place.frames, place.start_ticks, place.end_ticks)


def _retile(t: Tables) -> None:
    """Open the clips whose ends are both certain, and supersede those whose cuts are gone."""
    source = t.video.source_object
    if source is None:
        return  # nothing was scanned yet, so nothing can be finished
    kept = [
        Span(start=clip.start_frame, end=clip.end_frame)
        for clip in t.clips.values()
        if clip.live and clip.verdict is not None
    ]
    finished = [segment for run in tiling.runs(t.segments) for segment in run]
    cuts = tiling.standing_cuts(finished, kept, t.video.frames)
    for gone in t.cuts.keys() - cuts.keys():
        del t.cuts[gone]
    for frame, cut in cuts.items():
        row = CutRow(t.video.id, frame, cut.kind, cut.start, cut.end, cut.confidence)
        if t.cuts.get(frame) != row:
            t.cuts[frame] = row

    open_now = set()
    for span in tiling.open_spans(t.segments, cuts, t.video.frames):
        id_ = ids.clip_id(t.video.id, source.key, source.bytes, span)
        open_now.add(id_)
        known = t.clips.get(id_)
        before = known or Clip(id_, t.video.id, t.video.requested_sequence or 0, span.start, span.end)
        after = replace(
            before,
            live=True,
            confidence_in=cuts[span.start].confidence if span.start in cuts else None,
            confidence_out=cuts[span.end].confidence if span.end in cuts else None,
        )
        if known != after:
            t.clips[id_] = after
    for id_, clip in list(t.clips.items()):
        if clip.live and clip.verdict is None and id_ not in open_now:
            t.clips[id_] = replace(clip, live=False)


def _decided(t: Tables, fact: ClipApproved | ClipSkipped | ClipArchived, told: Told[Fact], at: datetime) -> None:
    verdict = _VERDICTS[fact.TYPE]
    t.decisions[told.id] = Decision(
        told.id, t.video.id, fact.clip_id, told.sequence, verdict, fact.by, at, fact.idempotency_key
    )
    clip = t.clips.get(fact.clip_id)
    if clip is None or rules.refusal(replace(clip, state=_state_of(t, clip)), verdict):
        return  # decisions are validated before they are told; one that was not moves nothing
    group, tags, note = None, clip.tags, clip.note
    if isinstance(fact, ClipApproved):
        group, tags, note = fact.group, fact.tags, fact.note
    t.clips[clip.id] = Clip(
        clip.id,
        clip.video_id,
        clip.video_sequence,
        clip.start_frame,
        clip.end_frame,
        confidence_in=clip.confidence_in,
        confidence_out=clip.confidence_out,
        verdict=verdict,
        decision_id=told.id,
        decided_by=fact.by,
        decided_at=at,
        group_id=group,
        tags=tags,
        note=note,
    )


def _exported(t: Tables, fact: ClipExported, told: Told[Fact], at: datetime) -> None:
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.verdict != "approve" or told.cause != clip.decision_id:
        _discard(t, fact.object, told, at)
    elif clip.export_id is None:
        t.clips[clip.id] = replace(clip, export_id=told.id, exported_at=at, export_object=fact.object, proof=fact.proof)


def _keyframed(t: Tables, fact: ClipKeyframed, told: Told[Fact], at: datetime) -> None:
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.export_id is None or told.cause != clip.export_id:
        for keyframe in fact.keyframes:
            _discard(t, keyframe.object, told, at)
    elif clip.keyframe_id is None:
        t.clips[clip.id] = replace(clip, keyframe_id=told.id, keyframed_at=at, keyframes=fact.keyframes)


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
    if clip.embed_id is None:
        t.clips[clip.id] = replace(clip, embed_id=told.id, embedded_at=at, model=fact.model)


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
    used = {clip.export_object.key for clip in t.clips.values() if clip.export_object}
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
    settled = replace(settled, state=_video_state(settled, t.failures, t.clips))
    if settled != t.video:
        t.video = settled


def _is_open(t: Tables, failure: Failure) -> bool:
    """A failure is open until the stage has done the same thing after it, or nobody waits for it any more."""
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
            return clip.decision_id == failure.cause and clip.export_id is None
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
        ("export", clip.decision_id, clip.export_id),
        ("keyframe", clip.export_id, clip.keyframe_id),
        ("embed", clip.keyframe_id, clip.embed_id),
    ):
        if done is None:
            working, given_up = CLIP_STEPS[stage]
            failed = any(f.stage == stage and f.clip_id == clip.id and f.cause == cause for f in t.failures.values())
            return given_up if failed else working
    return ClipState.EMBEDDED


def _video_state(video: Video, failures: Mapping[UUID, Failure], clips: Mapping[UUID, Clip]) -> VideoState:
    if video.requested_at is None:
        return VideoState.REJECTED if video.rejected_reason is not None else VideoState.NEW
    open_stages = {failure.stage for failure in failures.values() if failure.open}
    for stage, state in VIDEO_FAILURES.items():
        if stage in open_stages:
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
