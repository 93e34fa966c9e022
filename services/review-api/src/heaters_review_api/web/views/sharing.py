"""Work that is handed out, and who is on it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from heaters_review_api.db import leases
from heaters_review_api.web.views.clips import Clip


class NextWish(Struct, frozen=True, forbid_unknown_fields=True):
    """How many clips, in which order, of which video. What others hold is never among them."""

    order: Annotated[
        Literal["video", "oldest", "least_certain", "random"],
        Meta(
            description=(
                "video: by request and time; oldest: longest open for review; least_certain: whose cuts the detector doubts most;"
                " random: begins anywhere, so that many reviewers spread over all videos"
            ),
            examples=["least_certain"],
        ),
    ] = "video"
    limit: Annotated[int, Meta(ge=1, le=100, description="a batch of so many clips at most", examples=[10])] = 10
    video: Annotated[
        UUID | None, Meta(description="of this video alone", examples=["0b1f6b1e-3c1c-5d0e-9a53-6f1f0a0c4e11"])
    ] = None


class Handed(Struct, frozen=True, kw_only=True):
    """Clips for this reviewer alone, until so many seconds after their last sign of life."""

    items: list[Clip]
    left: int
    """How many wait for a verdict, whoever holds them; of the one video that was asked for, or of all."""
    lease_s: float


class Held(Struct, frozen=True, kw_only=True):
    """How many clips one holds, or has handed back."""

    clips: int


class BeatWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Which clips a page shows: those whose lease has lapsed meanwhile are held again, where nobody else holds them."""

    clips: Annotated[list[UUID], Meta(max_length=1000)] = []


class StillHeld(Struct, frozen=True, kw_only=True):
    """How many clips one holds, and which of those that one has named somebody else holds by now."""

    clips: int
    lost: list[UUID]


class ReleaseWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Which clips are handed back; all, where none are named."""

    clips: Annotated[list[UUID], Meta(max_length=1000, description="all, where none are named")] | None = None


class Present(Struct, frozen=True, kw_only=True):
    """Somebody who reviews a video now, and how many clips of it they hold that still wait."""

    video_id: UUID
    by: str
    clips: int
    since: datetime


def present_view(one: leases.Present) -> Present:
    """Somebody, as they are shown."""
    return Present(video_id=one.video_id, by=one.by, clips=one.clips, since=one.since)


class PresentList(Struct, frozen=True, kw_only=True):
    """Who is on which video."""

    items: list[Present]
