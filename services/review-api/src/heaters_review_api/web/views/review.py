"""Decisions: what is wished, and what came of it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from heaters_review_api.core.rules import SELECTION_MOST
from heaters_review_api.core.states import Action, ClipState, CutOperation, Verdict
from heaters_review_api.web.views.clips import Clip
from heaters_review_api.web.views.videos import Cut


class VerdictWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict. With `seen`, it is refused if the clip's state is another by now; with `version`, if others decided here since."""

    verdict: Verdict
    seen: ClipState | None = None
    version: (
        Annotated[int, Meta(ge=0, description="the video's, as every view of a clip tells it", examples=[1041])] | None
    ) = None


class VerdictGiven(Struct, frozen=True, kw_only=True):
    """The clip as it is now, and the decision's place in the stream."""

    clip: Clip
    sequence: int
    decision: UUID
    """By which it is undone."""


class SelectionWish(Struct, frozen=True, forbid_unknown_fields=True):
    """One verdict on several clips."""

    clips: Annotated[list[UUID], Meta(min_length=1, max_length=SELECTION_MOST)]
    verdict: Verdict


class RefusedClip(Struct, frozen=True, kw_only=True):
    """A clip of a selection about which nothing was decided, and why."""

    clip: UUID
    rule: str
    reason: str


class SelectionDecided(Struct, frozen=True, kw_only=True):
    """The clips as they are now; undone as one."""

    decision: UUID
    clips: list[Clip]
    refused: list[RefusedClip]


class GroupWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The clips that are to be one group, of any videos."""

    clips: Annotated[list[UUID], Meta(min_length=1, max_length=SELECTION_MOST)]


class NeighbourWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The clip before or after it, in its video."""

    beside: Literal["previous", "next"]


class Grouped(Struct, frozen=True, kw_only=True):
    """The group, and the clips that were chosen, as they are now."""

    decision: UUID
    group: UUID
    clips: list[Clip]


class AnnotationWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to stand at the clip, in place of what stands there. With `version`, it is refused if others decided here since."""

    tags: Annotated[list[str], Meta(max_length=100)] = []
    note: Annotated[str, Meta(max_length=10_000)] = ""
    version: Annotated[int, Meta(ge=0)] | None = None


class CutWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done with the cut at a frame. With `version`, it is refused if others decided here since."""

    operation: CutOperation
    frame: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    to: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    version: Annotated[int, Meta(ge=0)] | None = None


class CutsChanged(Struct, frozen=True, kw_only=True):
    """The clips around it as they are now, and all cuts of the video."""

    decision: UUID
    sequence: int
    clips: list[Clip]
    cuts: list[Cut]


class TurnWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A certain decision; without one, the last."""

    decision: UUID | None = None


class Span(Struct, frozen=True, kw_only=True):
    """Frames [start, end) of a video."""

    video_id: UUID
    start: int
    end: int


class Turned(Struct, frozen=True, kw_only=True):
    """A decision that was undone or redone, and what lies in its place now."""

    decision: UUID
    action: Action
    spans: list[Span]
    clips: list[Clip]
    sequence: int


class Decision(Struct, frozen=True, kw_only=True):
    """What one has decided."""

    decision: UUID
    action: Action
    at: datetime
    spans: list[Span]
    stands: bool


class DecisionList(Struct, frozen=True, kw_only=True):
    """The newest first; and which would be undone and redone next."""

    items: list[Decision]
    undo: UUID | None
    redo: UUID | None


class Possible(Struct, frozen=True, kw_only=True):
    """Whether an action may be done; if not, the rule that stands against it, and why."""

    action: str
    allowed: bool
    rule: str | None
    reason: str | None
    frames: tuple[int, int] | None = None
    """For a cut: the first and the last frame where it may be put."""


class Actions(Struct, frozen=True, kw_only=True):
    """What may be done with a clip just now."""

    clip: UUID
    version: int
    actions: list[Possible]
