"""Each rule as a table: what it refuses, by which name, and in which words."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from heaters_review_api.core import rules
from heaters_review_api.core.rules import Annotation, OnCut, OnDecision
from heaters_review_api.core.states import CHANGEABLE, CLIP_TRANSITIONS, VERDICTS, ClipState, CutOperation
from heaters_review_api.core.tables import Clip, CutRow, Decision
from msgspec.structs import replace

VIDEO = UUID(int=1)
GROUP, OTHER_GROUP = UUID(int=8), UUID(int=9)


def clip(start: int = 0, end: int = 100, **values: Any) -> Clip:
    return replace(Clip(UUID(int=1000 + start), VIDEO, 1, start, end), **values)


def cut(frame: int, by: str | None = None) -> CutRow:
    return CutRow(VIDEO, frame, "hard", frame, frame + 1, 0.9, by)


def said(refusal: rules.Refusal | None) -> tuple[str, str] | None:
    return (refusal.rule, refusal.reason) if refusal else None


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("state", list(ClipState))
def test_a_verdict_is_allowed_where_the_machine_has_an_arrow(state: ClipState, verdict: Any) -> None:
    standing = {ClipState.REVIEW_SKIPPED: "skip", ClipState.REVIEW_ARCHIVED: "archive"}
    given = standing.get(state, None if state == ClipState.PENDING_REVIEW else "approve")
    one = clip(state=state, live=state != ClipState.SUPERSEDED, verdict=given)
    fact = {"approve": "clip.approved", "skip": "clip.skipped", "archive": "clip.archived"}[verdict]

    allowed = rules.refusal(one, verdict) is None

    assert allowed == any(arrow.fact == fact and state in arrow.sources for arrow in CLIP_TRANSITIONS)


@pytest.mark.parametrize(
    ("operation", "frame", "to", "clips", "known", "refused"),
    [
        ("add", 50, None, [clip()], None, None),
        ("add", 6, None, [clip()], None, None),
        ("add", 94, None, [clip()], None, None),
        ("add", 5, None, [clip()], None,
         ("cut_keeps_its_distance", "A cut at frame 5 would leave clips of 5 and 95 frames; 6 is the least.")),
        ("add", 95, None, [clip()], None,
         ("cut_keeps_its_distance", "A cut at frame 95 would leave clips of 95 and 5 frames; 6 is the least.")),
        ("add", 50, None, [clip()], cut(50), ("cut_is_new", "There is a cut at frame 50 already.")),
        ("add", 0, None, [clip()], None,
         ("cut_is_inside_a_clip", "Frame 0 lies inside no clip that is open for review.")),
        ("add", 50, None, [], None,
         ("cut_is_inside_a_clip", "Frame 50 lies inside no clip that is open for review.")),
        ("add", 50, None, [clip(state=ClipState.EMBEDDED)], None,
         ("clip_is_no_file_yet", "The clip of frames 0 to 99 is embedded, a file already; undo its approval before"
                                 " its cuts are changed.")),
        ("remove", 100, None, [clip(), clip(100, 200)], cut(100), None),
        ("remove", 0, None, [clip()], None,
         ("cut_stands", "There is no cut at frame 0; a video's first frame and its end are none.")),
        ("remove", 100, None, [clip()], cut(100),
         ("clips_are_open", "What lies on both sides of frame 100 is not open for review yet.")),
        ("move", 100, 194, [clip(), clip(100, 200)], cut(100), None),
        ("move", 100, 195, [clip(), clip(100, 200)], cut(100),
         ("cut_stays_between_its_neighbours", "The cut at frame 100 can go to frames 6 to 194, not to 195: its"
                                              " neighbours are at 0 and 200.")),
        ("move", 100, 100, [clip(), clip(100, 200)], cut(100), ("cut_moves", "The cut is at frame 100 already.")),
        ("confirm", 100, None, [clip(), clip(100, 200, state=ClipState.EMBEDDED)], cut(100), None),
        ("confirm", 100, None, [clip(), clip(100, 200)], cut(100, "ben"),
         ("cut_is_in_doubt", "The cut at frame 100 was set or confirmed by ben already.")),
    ],
)  # fmt: skip
def test_what_may_be_done_with_a_cut(
    operation: CutOperation, frame: int, to: int | None, clips: list[Clip], known: CutRow | None, refused: Any
) -> None:
    assert said(rules.cut_refusal(OnCut(operation, frame, tuple(clips), known, 6, to))) == refused


@pytest.mark.parametrize(
    ("clips", "refused"),
    [
        ([clip(), clip(100, 200)], None),
        ([clip(state=ClipState.EMBEDDED, verdict="approve"), clip(100, 200)], None),
        ([clip(group_id=GROUP), clip(100, 200)], None),
        ([clip()], ("a_group_has_several", "A group has two clips or more; 1 was chosen.")),
        ([clip(), clip()], ("a_group_has_several", "A group has two clips or more; 1 was chosen.")),
        ([clip(), clip(100, 200, live=False)],
         ("clip_stands", "The clip of frames 100 to 199 is no more: its cuts have changed.")),
        ([clip(group_id=GROUP), clip(100, 200, group_id=OTHER_GROUP)],
         ("clips_are_of_one_group", "These clips belong to 2 groups already; take some out of theirs first.")),
        ([clip(group_id=GROUP), clip(100, 200, group_id=GROUP)],
         ("group_is_new", "These 2 clips are one group already.")),
    ],
)  # fmt: skip
def test_what_may_be_a_group(clips: list[Clip], refused: Any) -> None:
    assert said(rules.group_refusal(clips)) == refused


@pytest.mark.parametrize(
    ("tags", "note", "rule"),
    [
        (("night",), "", None),
        ((), "a note", None),
        ((), "", "annotation_is_new"),
        (("",), "", "tags_are_words"),
        ((" x",), "", "tags_are_words"),
        (("x" * 65,), "", "tags_are_words"),
        (("x", "x"), "", "tags_are_few"),
        (tuple(map(str, range(33))), "", "tags_are_few"),
        ((), "x" * 4001, "note_is_short"),
    ],
)
def test_what_may_be_written_to_a_clip(tags: tuple[str, ...], note: str, rule: str | None) -> None:
    refused = rules.annotation_refusal(Annotation(clip(), tags, note))

    assert (refused.rule if refused else None) == rule


def decision(
    n: int, by: str, *, stands: bool = True, changed: int | None = None, at: tuple[int, int] = (0, 100)
) -> Any:
    return Decision(
        UUID(int=n), 0, UUID(int=n), VIDEO, UUID(int=7), *at, n, "skip", by, datetime(2026, 11, 22, tzinfo=UTC), "k",
        stands=stands, changed_sequence=changed or n, undone_by=None if stands else UUID(int=99),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "parts", "others", "rule"),
    [
        ("undo", [decision(1, "ana")], [], None),
        ("undo", [], [], "there_is_something_to_undo"),
        ("undo", [decision(1, "ben")], [], "decision_is_yours"),
        ("undo", [decision(1, "system:auto-approve")], [], None),
        ("undo", [decision(1, "system:auto-approve")], [decision(2, "ben")], "nobody_decided_since"),
        ("redo", [decision(2, "system:auto-approve", stands=False, changed=3)], [], None),
        ("undo", [decision(1, "ana", stands=False, changed=2)], [], "decision_stands"),
        ("undo", [decision(1, "ana")], [decision(2, "ben")], "nobody_decided_since"),
        ("undo", [decision(2, "ana")], [decision(1, "ben")], None),
        ("undo", [decision(1, "ana")], [decision(2, "ben", at=(100, 200))], None),
        ("undo", [decision(1, "ana")], [decision(2, "ben", stands=False, changed=3)], None),
        ("undo", [decision(1, "ana")], [decision(2, "ana")], "nobody_decided_since"),
        ("redo", [decision(2, "ana", stands=False, changed=3)], [], None),
        ("redo", [], [], "there_is_something_to_redo"),
        ("redo", [decision(2, "ana")], [], "decision_is_undone"),
        ("redo", [decision(2, "ana", stands=False, changed=3)], [decision(4, "ben")], "nobody_decided_since"),
        ("redo", [decision(2, "ana", stands=False, changed=3)], [decision(4, "ben", stands=False, changed=5)], None),
        ("redo", [decision(2, "ana", stands=False, changed=3)], [decision(1, "ben", stands=False, changed=4)],
         "nobody_decided_since"),
        ("redo", [decision(2, "ana", stands=False, changed=3)], [decision(1, "ana", changed=5)], None),
    ],
)  # fmt: skip
def test_what_may_be_turned_round(kind: Any, parts: list[Decision], others: list[Decision], rule: str | None) -> None:
    refused = rules.reversal_refusal(OnDecision(kind, "ana", tuple(parts), tuple(others)))

    assert (refused.rule if refused else None) == rule


def test_what_is_changeable_is_no_file() -> None:
    assert CHANGEABLE.isdisjoint({ClipState.KEYFRAMING, ClipState.EMBEDDING, ClipState.EMBEDDED})
