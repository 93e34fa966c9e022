"""What a person may decide, and why not. Each rule is declared once: the check, the API's error and the page's hint read it here.

A rule has a name, a condition, and a message with the values. Rules stand in tables, one a kind of decision, in order: the first
that does not hold is the one that is told.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar
from uuid import UUID

from heaters_contracts.auto_rule import SYSTEM_ACTOR

from heaters_review_api.core.states import CHANGEABLE, Action, ClipState, CutOperation, ReversalKind, Verdict
from heaters_review_api.core.tables import Clip, CutRow, Decision

PAST: dict[Action, str] = {
    "approve": "approved",
    "skip": "skipped",
    "archive": "archived",
    "group": "grouped",
    "ungroup": "taken out of their group",
    "annotate": "annotated",
    "add_cut": "divided by a cut",
    "remove_cut": "joined by removing a cut",
    "move_cut": "divided anew by moving a cut",
    "confirm_cut": "left as they are by confirming a cut",
}
TAGS_MOST = 32
TAG_LONGEST = 64
NOTE_LONGEST = 4000
SELECTION_MOST = 1000
"""Clips in one decision."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision that may not be made: the rule that it breaks, and what is wrong, with the values."""

    rule: str
    reason: str


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """A condition on what a decision is about, and what to say where it does not hold."""

    name: str
    holds: Callable[[T], bool]
    message: Callable[[T], str]


def first_broken(rules: Iterable[Rule[T]], about: T) -> Refusal | None:
    """The first rule that does not hold; None if all do."""
    for rule in rules:
        if not rule.holds(about):
            return Refusal(rule.name, rule.message(about))
    return None


def frames_named(start: int, end: int) -> str:
    """Frames [start, end) for a person: both ends included."""
    return f"frame {start}" if end == start + 1 else f"frames {start} to {end - 1}"


def _name(clip: Clip) -> str:
    return f"The clip of {frames_named(clip.start_frame, clip.end_frame)}"


# -- verdicts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnClip:
    """A verdict on a clip."""

    clip: Clip
    verdict: Verdict


VERDICT_RULES: tuple[Rule[OnClip], ...] = (
    Rule(
        "clip_stands",
        lambda a: a.clip.live,
        lambda a: f"{_name(a.clip)} is no more: its cuts have changed.",
    ),
    Rule(
        "clip_is_no_file_yet",
        lambda a: a.clip.state in CHANGEABLE,
        lambda a: (
            f"{_name(a.clip)} is {a.clip.state.value}: it was approved by {a.clip.decided_by} and is a file already,"
            f" so it can no longer be {PAST[a.verdict]}."
        ),
    ),
    Rule(
        "verdict_is_new",
        lambda a: a.clip.verdict != a.verdict,
        lambda a: f"{_name(a.clip)} was {PAST[a.verdict]} by {a.clip.decided_by} already.",
    ),
)


def refusal(clip: Clip, verdict: Verdict) -> Refusal | None:
    """Why this verdict may not be given on this clip; None if it may."""
    return first_broken(VERDICT_RULES, OnClip(clip, verdict))


def changed_meanwhile(clip: Clip, seen: ClipState) -> Refusal:
    """The clip is not what the person saw when they decided."""
    by = f" by {clip.decided_by}" if clip.decided_by else ""
    return Refusal(
        "clip_is_as_seen",
        f"{_name(clip)} was {seen.value} when you decided; meanwhile it became {clip.state.value}{by}.",
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """What has changed a video for whoever decides about it: a decision, its undo or redo, or cuts that were found."""

    sequence: int
    what: str
    by: str | None
    """None for a stage."""
    start_frame: int
    end_frame: int


def moved_on(version: int, seen: int, moved: Sequence[Moved]) -> Refusal:
    """The video is not what it was when the person looked; `moved` has what changed since, the oldest first, at least one."""
    last = moved[-1]
    frames = frames_named(last.start_frame, last.end_frame)
    more = f" That is the last of {len(moved)} changes." if len(moved) > 1 else ""
    return Refusal(
        "video_is_as_seen",
        f"The video is at version {version}, no longer at {seen}: {last.by or 'a scene detection'} has changed {frames}"
        f" ({last.what}).{more} Look again.",
    )


# -- groups ------------------------------------------------------------------------------------------------------------


def _groups(clips: Collection[Clip]) -> set[UUID]:
    return {clip.group_id for clip in clips if clip.group_id is not None}


def _fallen(clips: Collection[Clip]) -> Clip:
    return next(clip for clip in clips if not clip.live)


GROUP_RULES: tuple[Rule[Sequence[Clip]], ...] = (
    Rule(
        "a_group_has_several",
        lambda clips: len({clip.id for clip in clips}) >= 2,
        lambda clips: f"A group has two clips or more; {len({clip.id for clip in clips})} was chosen.",
    ),
    Rule(
        "clip_stands",
        lambda clips: all(clip.live for clip in clips),
        lambda clips: f"{_name(_fallen(clips))} is no more: its cuts have changed.",
    ),
    Rule(
        "clips_are_of_one_group",
        lambda clips: len(_groups(clips)) <= 1,
        lambda clips: f"These clips belong to {len(_groups(clips))} groups already; take some out of theirs first.",
    ),
    Rule(
        "group_is_new",
        lambda clips: any(clip.group_id is None for clip in clips),
        lambda clips: f"These {len(clips)} clips are one group already.",
    ),
)


@dataclass(frozen=True, slots=True)
class Joining:
    """A clip that is to be put into a group in which others are already."""

    clip: Clip
    group: UUID


JOIN_RULES: tuple[Rule[Joining], ...] = (
    Rule("clip_stands", lambda a: a.clip.live, lambda a: f"{_name(a.clip)} is no more: its cuts have changed."),
    Rule(
        "clips_are_of_one_group",
        lambda a: a.clip.group_id in {None, a.group},
        lambda a: f"{_name(a.clip)} was put into another group meanwhile; take it out of that first.",
    ),
)

UNGROUP_RULES: tuple[Rule[Clip], ...] = (
    Rule("clip_stands", lambda clip: clip.live, lambda clip: f"{_name(clip)} is no more: its cuts have changed."),
    Rule("clip_is_in_a_group", lambda clip: clip.group_id is not None, lambda clip: f"{_name(clip)} is in no group."),
)


# -- notes and tags ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is to be written to a clip."""

    clip: Clip
    tags: tuple[str, ...]
    note: str


def _wrong_tag(tags: Iterable[str]) -> str | None:
    return next((tag for tag in tags if not tag or tag != tag.strip() or len(tag) > TAG_LONGEST), None)


ANNOTATION_RULES: tuple[Rule[Annotation], ...] = (
    Rule("clip_stands", lambda a: a.clip.live, lambda a: f"{_name(a.clip)} is no more: its cuts have changed."),
    Rule(
        "tags_are_words",
        lambda a: _wrong_tag(a.tags) is None,
        lambda a: f"{_wrong_tag(a.tags)!r} is no tag: 1 to {TAG_LONGEST} characters, without space at its ends.",
    ),
    Rule(
        "tags_are_few",
        lambda a: len(a.tags) == len(set(a.tags)) <= TAGS_MOST,
        lambda a: f"{len(a.tags)} tags, {len(set(a.tags))} of them different: at most {TAGS_MOST}, each once.",
    ),
    Rule(
        "note_is_short",
        lambda a: len(a.note) <= NOTE_LONGEST,
        lambda a: f"The note has {len(a.note)} characters; {NOTE_LONGEST} is the most.",
    ),
    Rule(
        "annotation_is_new",
        lambda a: (a.tags, a.note) != (a.clip.tags, a.clip.note),
        lambda a: f"{_name(a.clip)} has just these tags and this note.",
    ),
)


# -- cuts --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnCut:
    """A change of cuts at a frame, and what of the video it is about."""

    operation: CutOperation
    frame: int
    clips: tuple[Clip, ...]
    """The live clips that contain the frame or end at it, in order: one around it, or the two that meet there."""
    cut: CutRow | None
    """The cut at this frame, if one stands."""
    distance_frames: int
    """The shortest clip that a person may make."""
    to: int | None = None
    """Where the cut is to be moved."""

    @property
    def start(self) -> int:
        """The boundary before."""
        return self.clips[0].start_frame

    @property
    def end(self) -> int:
        """The boundary after."""
        return self.clips[-1].end_frame

    @property
    def target(self) -> int:
        """Where the cut will be."""
        return self.frame if self.to is None else self.to

    @property
    def span_is_known(self) -> bool:
        """Whether the clips around the frame are those that the operation needs."""
        return len(self.clips) == (1 if self.operation == "add" else 2)


def _is_far_enough(a: OnCut) -> bool:
    return a.start + a.distance_frames <= a.target <= a.end - a.distance_frames


def _file(a: OnCut) -> Clip | None:
    return next((clip for clip in a.clips if clip.state not in CHANGEABLE), None)


def _file_message(a: OnCut) -> str:
    clip = _file(a)
    if clip is None:
        raise ValueError("no clip of these is a file")
    return f"{_name(clip)} is {clip.state.value}, a file already; undo its approval before its cuts are changed."


_CUT_IS_THERE: Rule[OnCut] = Rule(
    "cut_stands",
    lambda a: a.cut is not None,
    lambda a: f"There is no cut at frame {a.frame}; a video's first frame and its end are none.",
)
_CLIPS_ARE_OPEN: Rule[OnCut] = Rule(
    "clips_are_open",
    lambda a: a.span_is_known,
    lambda a: f"What lies on both sides of frame {a.frame} is not open for review yet.",
)
_NO_FILES: Rule[OnCut] = Rule("clip_is_no_file_yet", lambda a: _file(a) is None, _file_message)

CUT_RULES: dict[CutOperation, tuple[Rule[OnCut], ...]] = {
    "add": (
        Rule(
            "cut_is_new",
            lambda a: a.cut is None,
            lambda a: f"There is a cut at frame {a.frame} already.",
        ),
        Rule(
            "cut_is_inside_a_clip",
            lambda a: a.span_is_known and a.start < a.frame < a.end,
            lambda a: f"Frame {a.frame} lies inside no clip that is open for review.",
        ),
        _NO_FILES,
        Rule(
            "cut_keeps_its_distance",
            _is_far_enough,
            lambda a: (
                f"A cut at frame {a.frame} would leave clips of {a.frame - a.start} and {a.end - a.frame} frames;"
                f" {a.distance_frames} is the least."
            ),
        ),
    ),
    "remove": (_CUT_IS_THERE, _CLIPS_ARE_OPEN, _NO_FILES),
    "move": (
        _CUT_IS_THERE,
        _CLIPS_ARE_OPEN,
        _NO_FILES,
        Rule("cut_moves", lambda a: a.to != a.frame, lambda a: f"The cut is at frame {a.frame} already."),
        Rule(
            "cut_stays_between_its_neighbours",
            _is_far_enough,
            lambda a: (
                f"The cut at frame {a.frame} can go to frames {a.start + a.distance_frames} to"
                f" {a.end - a.distance_frames}, not to {a.target}: its neighbours are at {a.start} and {a.end}."
            ),
        ),
    ),
    "confirm": (
        _CUT_IS_THERE,
        _CLIPS_ARE_OPEN,
        Rule(
            "cut_is_in_doubt",
            lambda a: a.cut is not None and a.cut.by is None,
            lambda a: f"The cut at frame {a.frame} was set or confirmed by {a.cut.by if a.cut else 'nobody'} already.",
        ),
    ),
}


# -- undo and redo -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnDecision:
    """A decision that is to be turned round, and what has to do with it."""

    kind: ReversalKind
    by: str
    """Who wants it."""
    parts: tuple[Decision, ...]
    """All rows of the decision, in whatever videos; none where there is no such decision."""
    others: tuple[Decision, ...]
    """Rows of other decisions about the same clips, whether they stand or not."""


def _is_in_the_way(a: OnDecision, part: Decision, other: Decision) -> bool:
    """Whether turning a part round would lose or spoil another decision about the same clips.

    What was decided and taken back since has left nothing. One's own earlier decisions may have been undone and redone since: that is
    how several steps are gone back and forth.
    """
    if other.decision_id == part.decision_id or not part.overlaps(other):
        return False
    if other.by == a.by:
        return other.stands and other.sequence > part.sequence
    if other.changed_sequence < part.changed_sequence:
        return False
    return other.stands or (other.undone_by is not None and other.sequence < part.changed_sequence)


def _in_the_way(a: OnDecision) -> Decision | None:
    parts = sorted(a.parts, key=lambda part: part.start_frame)
    starts, reach = [part.start_frame for part in parts], list(accumulate((part.end_frame for part in parts), max))

    def is_in_the_way(other: Decision) -> bool:
        # A selection has a thousand parts, and its video ten thousand decisions: each is looked at beside those that it can overlap alone.
        for n in range(bisect_left(starts, other.end_frame) - 1, -1, -1):
            if reach[n] <= other.start_frame:
                return False
            if _is_in_the_way(a, parts[n], other):
                return True
        return False

    found = [other for other in a.others if is_in_the_way(other)]
    return max(found, key=lambda other: other.changed_sequence, default=None)


def _in_the_way_message(a: OnDecision) -> str:
    other = _in_the_way(a)
    if other is None:
        raise ValueError("nothing is in the way")
    who = "You have" if other.by == a.by else f"{other.by} has"
    what = f"{frames_named(other.start_frame, other.end_frame)}, {PAST[other.action]}"
    if other.stands:
        return f"{who} decided on the same clips since: {what}."
    return f"{who} undone a decision on the same clips since: {what} before."


def _author(a: OnDecision) -> str:
    return a.parts[0].by


def _may_turn(a: OnDecision) -> bool:
    """One's own decisions, and those that no person made."""
    return _author(a) in (a.by, SYSTEM_ACTOR)


REVERSAL_RULES: dict[ReversalKind, tuple[Rule[OnDecision], ...]] = {
    "undo": (
        Rule("there_is_something_to_undo", lambda a: bool(a.parts), lambda _: "You have decided nothing to undo."),
        Rule(
            "decision_is_yours",
            _may_turn,
            lambda a: f"This was decided by {_author(a)}; only they can undo it.",
        ),
        Rule(
            "decision_stands",
            lambda a: any(part.stands for part in a.parts),
            lambda _: "This decision does not stand: it was undone already.",
        ),
        Rule("nobody_decided_since", lambda a: _in_the_way(a) is None, _in_the_way_message),
    ),
    "redo": (
        Rule("there_is_something_to_redo", lambda a: bool(a.parts), lambda _: "You have undone nothing to redo."),
        Rule(
            "decision_is_yours",
            _may_turn,
            lambda a: f"This was decided by {_author(a)}; only they can redo it.",
        ),
        Rule(
            "decision_is_undone",
            lambda a: any(not part.stands and part.undone_by is not None for part in a.parts),
            lambda _: "This decision stands: it was not undone, or redone already.",
        ),
        Rule("nobody_decided_since", lambda a: _in_the_way(a) is None, _in_the_way_message),
    ),
}


def reversal_refusal(about: OnDecision) -> Refusal | None:
    """Why a decision may not be undone or redone; None if it may."""
    return first_broken(REVERSAL_RULES[about.kind], about)


def cut_refusal(about: OnCut) -> Refusal | None:
    """Why cuts may not be changed so; None if they may."""
    return first_broken(CUT_RULES[about.operation], about)


def group_refusal(clips: Sequence[Clip]) -> Refusal | None:
    """Why these clips may not be one group; None if they may."""
    return first_broken(GROUP_RULES, clips)


def join_refusal(clip: Clip, group: UUID) -> Refusal | None:
    """Why a clip may not be put into a group in which others are already; None if it may."""
    return first_broken(JOIN_RULES, Joining(clip, group))


def ungroup_refusal(clip: Clip) -> Refusal | None:
    """Why this clip may not be taken out of its group; None if it may."""
    return first_broken(UNGROUP_RULES, clip)


def annotation_refusal(about: Annotation) -> Refusal | None:
    """Why this may not be written to a clip; None if it may."""
    return first_broken(ANNOTATION_RULES, about)
