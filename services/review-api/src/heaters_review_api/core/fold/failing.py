"""What stages gave up, and whether it still matters."""

import base64
import binascii
from uuid import UUID

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import StageDiscarded, StageFailed, StagePaused, StageRequested, StageResumed
from heaters_contracts.model import Model
from heaters_contracts.spans import Segment as Place
from msgspec.structs import replace
from pydantic import ValidationError

from heaters_review_api.core.fold.history import at_of
from heaters_review_api.core.tables import Failure, Settled, Stage, Tables


def failed(t: Tables, fact: StageFailed, told: Told[Fact]) -> None:
    """A stage gave a message up."""
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
        at=at_of(told),
        sequence=told.sequence,
        cause=told.cause,
        segment_index=segment_index,
        clip_id=clip_id,
        message_subject=fact.message_subject,
        message_sequence=fact.message_sequence,
    )


def settled(t: Tables, fact: StageRequested | StageDiscarded) -> None:
    """Asked for again, a message may fail again, and that is a failure of its own; until then nobody need look at this one."""
    for failure in list(t.failures.values()):
        if (failure.stage, failure.message_sequence) == (fact.stage, fact.message_sequence):
            how: Settled = "retried" if isinstance(fact, StageRequested) else "discarded"
            t.failures[failure.id] = replace(failure, settled=how)


def paused(t: Tables, fact: StagePaused | StageResumed, told: Told[Fact]) -> None:
    """A whole stage rests, or goes on."""
    rests = isinstance(fact, StagePaused)
    reason, until = (fact.reason, fact.until) if isinstance(fact, StagePaused) else ("", None)
    t.stages[fact.stage] = Stage(fact.stage, rests, fact.by, reason, at_of(told), told.sequence, until)


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


def is_open(t: Tables, failure: Failure) -> bool:
    """A failure is open until a person has settled it, the stage has done the same thing after it, or nobody waits for it."""
    return failure.settled is None and stands(t, failure)


def stands(t: Tables, failure: Failure) -> bool:
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
