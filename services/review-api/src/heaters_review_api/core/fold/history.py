"""When a fact was, and what a video's history shows of it."""

from datetime import datetime
from uuid import UUID

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import StageDiscarded, StageFailed, StageRequested, VideoCutsChanged
from heaters_contracts.pipeline import PIPELINE
from heaters_contracts.spans import Segment as Place

from heaters_review_api.core.tables import Event, Tables

STAGE_OF = {produced.TYPE: work.name for work in reversed(PIPELINE) for produced in work.produces}
"""The first kind of work that tells a fact; a later one does it again."""


def at_of(told: Told[Fact]) -> datetime:
    """When the stream stored a fact.

    Raises:
        ValueError: it did not yet.
    """
    if told.stored_at is None:
        raise ValueError(f"{told.fact.TYPE} {told.id} has no place in the stream yet")
    return told.stored_at


def event_of(t: Tables, told: Told[Fact]) -> Event:
    """A fact as the video's history shows it."""
    fact, work = told.fact, told.work
    place: Place | None = getattr(fact, "segment", None)
    stage = fact.stage if isinstance(fact, StageFailed | StageRequested | StageDiscarded) else STAGE_OF.get(fact.TYPE)
    return Event(
        fact_id=told.id,
        video_id=t.video.id,
        sequence=told.sequence,
        type=fact.TYPE,
        at=at_of(told),
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


def cause_of(t: Tables, told: Told[Fact]) -> UUID | None:
    """The fact that a result answers: where it was replayed, what the replay was about."""
    asked = t.events.get(told.cause) if told.cause else None
    return asked.cause if asked and asked.type == StageRequested.TYPE else told.cause


def is_replayed(t: Tables, told: Told[Fact]) -> bool:
    """Whether a result was asked for again."""
    return cause_of(t, told) != told.cause


def _said(fact: Fact) -> str | None:
    """What a history shows of a fact beside its type."""
    if isinstance(fact, VideoCutsChanged):
        return f"{fact.operation} {fact.frame}" + (f" to {fact.to}" if fact.to is not None else "")
    reason: str | None = getattr(fact, "reason", None)
    return reason
