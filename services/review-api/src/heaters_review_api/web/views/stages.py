"""Stages: failures in full, pauses, progress."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from heaters_edges import bus
from msgspec import Meta, Struct, field

from heaters_review_api.web.views.videos import Failure


class FailureInFull(Struct, frozen=True, kw_only=True):
    """A failure, and the message that failed: its payload as JSON where it is JSON, else as text."""

    failure: Failure
    open: bool
    settled: str | None
    message_subject: str
    message_sequence: int
    message_headers: dict[str, str]
    message: Any
    trace_id: str | None


class Failures(Struct, frozen=True, kw_only=True):
    """A page of open ones, the newest first, and how many there are in all."""

    items: list[Failure]
    next: str | None
    total: int


class Said(Struct, frozen=True, kw_only=True):
    """What was wanted is told; the sequence of its fact."""

    sequence: int


class ReplayWish(Struct, frozen=True, kw_only=True):
    """From which stage on a video is worked on again; `force` also where the results are known.

    `detector` finds the scenes again with another detector (`adaptive`, `transnetv2`, `cascade`; `adaptive@1.2` is stricter). What people
    decided of the cuts stays.
    """

    from_: Annotated[str, Meta(min_length=1, max_length=40)] = field(name="from")
    force: bool = False
    detector: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class Replayed(Struct, frozen=True, kw_only=True):
    """So many messages were given to the stage again; the sequence of the last fact that says so."""

    stage: str
    messages: int
    sequence: int


class PauseWish(Struct, frozen=True, kw_only=True):
    """Why a stage shall rest."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Stage(Struct, frozen=True, kw_only=True):
    """A kind of work, and whether it rests."""

    stage: str
    service: str
    paused: bool
    by: str | None
    reason: str
    until: datetime | None = None
    """When it tries again by itself, after a burst of failures."""


class Stages(Struct, frozen=True, kw_only=True):
    """All kinds of work, in the pipeline's order."""

    items: list[Stage]


class Progress(Struct, frozen=True, kw_only=True):
    """How far a stage is with a video: a share from 0 to 1; and, where it says so, its pace.

    `done` of `total` units (bytes of a download, frames of a segment) at `per_s` units a second; `left_s` seconds are left.
    """

    video_id: UUID
    stage: str
    fraction: float
    detail: str
    done: int | None = None
    total: int | None = None
    per_s: float | None = None
    left_s: float | None = None


class ProgressList(Struct, frozen=True, kw_only=True):
    """What is being worked on now."""

    items: list[Progress]


def progress_view(said: bus.Progress) -> Progress:
    """A stage's last word on a video, as it is shown."""
    return Progress(
        video_id=said.video_id,
        stage=said.stage,
        fraction=said.fraction,
        detail=said.detail,
        done=said.pace.done if said.pace else None,
        total=said.pace.total if said.pace else None,
        per_s=said.pace.per_s if said.pace else None,
        left_s=said.pace.left_s if said.pace else None,
    )
