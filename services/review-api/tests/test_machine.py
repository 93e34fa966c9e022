"""The rules and the fold together: any sequence of what people and stages do, by two reviewers on one video."""

from itertools import pairwise
from typing import Any
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Fact, tell
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
    SegmentScenesDetected,
    VideoCutsChanged,
)
from heaters_contracts.facts.clip import ClipOfGroup, Keyframe, Proof, ProxyPart
from heaters_contracts.facts.segment import Cut
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Span
from heaters_review_api.core import rules
from heaters_review_api.core.fold import fold
from heaters_review_api.core.fold.opening import retile
from heaters_review_api.core.states import (
    CLIP_TRANSITIONS,
    VIDEO_TRANSITIONS,
    ClipState,
    CutOperation,
    ReversalKind,
    Verdict,
)
from heaters_review_api.core.tables import Decision, Tables
from heaters_review_api.orders import order
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

REF = ObjectRef(key="proxy", bytes=1, sha256="0" * 64)
PEOPLE = st.sampled_from(["ana", "ben"])
VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(["approve", "skip", "archive"])
PLACES = st.integers(0, 59)


def visible(tables: Tables) -> Any:
    """All that people see of a video: cuts with who set them, and clips with what was decided about them."""
    return (
        {(cut.frame, cut.kind, cut.by) for cut in tables.cuts.values()},
        {
            (c.start_frame, c.end_frame, c.verdict, c.decided_by, c.decided_at, c.group_id, c.tags, c.note)
            for c in tables.clips.values()
            if c.live
        },
    )


class Reviewing:
    """A video under review: every action goes by the rules, and is told to the fold if they allow it."""

    def __init__(self, story: Any) -> None:
        self.story = story
        self.video_id: UUID = story.video_id
        self.tables = fold(Tables.empty(self.video_id), story.told)
        self.orders: list[Any] = []
        self.objects: set[str] = set()
        self.searchable: set[UUID] = set()
        self.count = 0

    def tell(self, fact: Fact, cause: UUID | None = None) -> Any:
        told = self.story.say(fact, None, worked_s=None)
        told = tell(fact, video_id=self.video_id, lane="bulk", cause=cause, time=told.time).stored(
            told.sequence, told.stored_at
        )
        self.story.told[-1] = told
        before, self.tables = self.tables, fold(self.tables, [told])
        self.require_arrows(fact.TYPE, before)
        self.searchable -= self.tables.forgotten
        self.searchable |= {key[0] for key in self.tables.embeddings}
        self.tables.embeddings = {}
        return told

    def require_arrows(self, fact: str, before: Tables) -> None:
        """Whatever has changed its state did so along an arrow that the machines declare for this fact."""
        for id_, clip in self.tables.clips.items():
            was = before.clips[id_].state if id_ in before.clips else clip.state
            assert was == clip.state or any(
                arrow.fact == fact and was in arrow.sources and clip.state in arrow.targets
                for arrow in CLIP_TRANSITIONS
            ), f"{fact}: a clip went from {was} to {clip.state}"
        was, now = before.video.state, self.tables.video.state
        assert was == now or any(
            arrow.fact == fact and was in arrow.sources and now in arrow.targets for arrow in VIDEO_TRANSITIONS
        ), f"{fact}: the video went from {was} to {now}"

    def key(self) -> str:
        self.count += 1
        return f"k{self.count}"

    def clip_at(self, frame: int) -> UUID:
        return next(c.id for c in self.tables.clips.values() if c.live and c.start_frame <= frame < c.end_frame)

    def span(self, clip: UUID) -> Span:
        known = self.tables.clips[clip]
        return Span(start=known.start_frame, end=known.end_frame)

    def decide(self, by: str, clip: UUID, verdict: Verdict, decision: UUID | None = None) -> bool:
        if rules.refusal(self.tables.clips[clip], verdict):
            return False
        about = {"clip_id": clip, "span": self.span(clip), "by": by, "idempotency_key": self.key()}
        if verdict == "approve":
            known = self.tables.clips[clip]
            parts = (ProxyPart(segment=self.story.segments()[0], proxy=REF, packets=REF),)
            fact: Any = ClipApproved(**about, parts=parts, tags=known.tags, note=known.note, decision=decision)
        else:
            fact = {"skip": ClipSkipped, "archive": ClipArchived}[verdict](**about, decision=decision)
        told = self.tell(fact)
        if verdict == "approve":
            self.orders.append(told)
        return True

    def decide_all(self, by: str, clips: list[UUID], verdict: Verdict) -> None:
        if any(rules.refusal(self.tables.clips[clip], verdict) for clip in clips):
            return
        decision = ids.decision_id(by, self.key())
        for clip in dict.fromkeys(clips):
            self.decide(by, clip, verdict, decision)

    def group(self, by: str, clips: list[UUID]) -> None:
        chosen = [self.tables.clips[clip] for clip in clips]
        if rules.group_refusal(chosen):
            return
        key = self.key()
        decision = ids.decision_id(by, key)
        group = next((clip.group_id for clip in chosen if clip.group_id), ids.group_id(decision))
        members = tuple(
            ClipOfGroup(clip_id=clip, span=self.span(clip))
            for clip in dict.fromkeys(clips)
            if self.tables.clips[clip].group_id is None
        )
        self.tell(ClipGrouped(group=group, clips=members, by=by, idempotency_key=key, decision=decision))
        assert all(self.tables.clips[c].verdict == "approve" and self.tables.clips[c].group_id == group for c in clips)

    def ungroup(self, by: str, clip: UUID) -> None:
        if not rules.ungroup_refusal(self.tables.clips[clip]):
            self.tell(ClipUngrouped(clip_id=clip, span=self.span(clip), by=by, idempotency_key=self.key()))

    def annotate(self, by: str, clip: UUID, tags: tuple[str, ...], note: str) -> None:
        if not rules.annotation_refusal(rules.Annotation(self.tables.clips[clip], tags, note)):
            about = {"clip_id": clip, "span": self.span(clip), "by": by, "idempotency_key": self.key()}
            self.tell(ClipAnnotated(**about, tags=tags, note=note))

    def change_cuts(self, by: str, operation: CutOperation, frame: int, to: int | None = None) -> bool:
        live = sorted((c for c in self.tables.clips.values() if c.live), key=lambda c: c.start_frame)
        if operation == "add":
            near = [c for c in live if c.start_frame <= frame < c.end_frame]
        else:
            near = [c for c in live if frame in (c.start_frame, c.end_frame)]
        about = rules.OnCut(operation, frame, tuple(near), self.tables.cuts.get(frame), 2, to)
        if rules.cut_refusal(about):
            return False
        put = {"remove": [], "confirm": [frame]}.get(operation, [about.target])
        self.tell(
            VideoCutsChanged(
                operation=operation,
                frame=frame,
                to=to,
                span=Span(start=about.start, end=about.end),
                cuts=tuple(Cut(frame=f, start=f, end=f + 1) for f in put),
                clips=tuple(c.id for c in near),
                by=by,
                idempotency_key=self.key(),
            )
        )
        return True

    def _rows(self, decision: UUID | None) -> tuple[tuple[Decision, ...], tuple[Decision, ...]]:
        rows = self.tables.decisions.values()
        mine = tuple(row for row in rows if row.decision_id == decision)
        return mine, tuple(row for row in rows if row.decision_id != decision)

    def _to_undo(self, by: str) -> UUID | None:
        mine = [row for row in self.tables.decisions.values() if row.by == by and row.stands]
        return max(mine, key=lambda row: row.changed_sequence).decision_id if mine else None

    def refusal_of_undo(self, by: str) -> rules.Refusal | None:
        return rules.reversal_refusal(rules.OnDecision("undo", by, *self._rows(self._to_undo(by))))

    def undo(self, by: str) -> bool:
        return self._turn("undo", by, self._to_undo(by))

    def redo(self, by: str) -> bool:
        own = [row for row in self.tables.decisions.values() if row.by == by]
        newest = max((row.sequence for row in own), default=0)
        undone = [row for row in own if row.undone_by and row.changed_sequence > newest]
        last = max(undone, key=lambda row: row.changed_sequence).decision_id if undone else None
        return self._turn("redo", by, last)

    def _turn(self, kind: ReversalKind, by: str, decision: UUID | None) -> bool:
        mine, others = self._rows(decision)
        if rules.reversal_refusal(rules.OnDecision(kind, by, mine, others)):
            return False
        fact = {"undo": DecisionUndone, "redo": DecisionRedone}[kind]
        self.tell(fact(decision=mine[0].decision_id, by=by, idempotency_key=self.key()), cause=mine[0].fact_id)
        return True

    def order(self) -> None:
        for clip in list(self.tables.clips.values()):
            if clip.verdict == "approve" and clip.order_id is None:
                fact = order(clip, (ProxyPart(segment=self.story.segments()[0], proxy=REF, packets=REF),))
                self.orders.append(self.tell(fact, cause=clip.stands_by))
                assert self.tables.clips[clip.id].order_id == self.orders[-1].id

    def work(self, clip: UUID, steps: int) -> None:
        known = self.tables.clips[clip]
        ordered = next((one for one in self.orders if one.id == known.order_id), None)
        if ordered is None or known.export_id is not None:
            return
        exported = self._export(ordered)
        if steps > 1:
            name = f"clips/{exported.id}.jpg"
            self.objects.add(name)
            picture = Keyframe(frame=known.start_frame, object=REF.model_copy(update={"key": name}))
            about: dict[str, Any] = {"clip_id": clip, "span": self.span(clip), "strategy": "middle"}
            keyframed = self.tell(ClipKeyframed(**about, keyframes=(picture,)), cause=exported.id)
            if steps > 2:
                self.tell(ClipEmbedded(**about, model="m", dimensions=1, vector="ADw="), cause=keyframed.id)

    def work_late(self, nth: int) -> None:
        """An exporter tells what it made of some order, however old."""
        if self.orders:
            self._export(self.orders[nth % len(self.orders)])

    def _export(self, ordered: Any) -> Any:
        name = f"clips/{ordered.id}.mp4"
        self.objects.add(name)
        frames = ordered.fact.span.frames
        proof = Proof(frames_counted=frames, frames_copied=frames, frames_encoded=0)
        about = {"clip_id": ordered.fact.clip_id, "span": ordered.fact.span}
        return self.tell(
            ClipExported(**about, object=REF.model_copy(update={"key": name}), proof=proof), cause=ordered.id
        )

    def detect(self, segment: int, cuts: list[int]) -> None:
        place = self.story.segments()[segment]
        inside = [c for c in cuts if place.span.start <= c < place.span.end]
        found = tuple(Cut(frame=c, start=c, end=c + 1, confidence=0.5) for c in inside)
        self.tell(SegmentScenesDetected(segment=place, detector=self.key(), cuts=found))

    def without_undone(self) -> list[Any]:
        """The stream as if nobody had made what is undone."""
        gone = {row.fact_id for row in self.tables.decisions.values() if not row.stands}
        turned = {"decision.undone", "decision.redone"}
        return [told for told in self.story.told if told.id not in gone and told.fact.TYPE not in turned]


class Desk(RuleBasedStateMachine):
    """What happens at the desk; each step is refused by the rules or told."""

    story_type: Any = None

    @initialize(cuts=st.sets(st.integers(1, 59), max_size=6))
    def begin(self, cuts: set[int]) -> None:
        self.desk = Reviewing(self.story_type(frames=(20, 20, 20)).ready(sorted(cuts)))

    @rule(by=PEOPLE, at=PLACES, verdict=VERDICTS)
    def decide(self, by: str, at: int, verdict: Verdict) -> None:
        self.desk.decide(by, self.desk.clip_at(at), verdict)

    @rule(by=PEOPLE, places=st.lists(PLACES, min_size=1, max_size=3), verdict=VERDICTS)
    def decide_all(self, by: str, places: list[int], verdict: Verdict) -> None:
        self.desk.decide_all(by, [self.desk.clip_at(at) for at in places], verdict)

    @rule(by=PEOPLE, places=st.lists(PLACES, min_size=2, max_size=3))
    def group(self, by: str, places: list[int]) -> None:
        self.desk.group(by, [self.desk.clip_at(at) for at in places])

    @rule(by=PEOPLE, at=PLACES)
    def ungroup(self, by: str, at: int) -> None:
        self.desk.ungroup(by, self.desk.clip_at(at))

    @rule(
        by=PEOPLE, at=PLACES, tags=st.lists(st.sampled_from(["night", "rain"]), unique=True), note=st.text(max_size=3)
    )
    def annotate(self, by: str, at: int, tags: list[str], note: str) -> None:
        self.desk.annotate(by, self.desk.clip_at(at), tuple(tags), note)

    @rule(by=PEOPLE, operation=st.sampled_from(["add", "remove", "confirm"]), frame=PLACES)
    def change_cut(self, by: str, operation: Any, frame: int) -> None:
        self.desk.change_cuts(by, operation, frame)

    @precondition(lambda self: self.desk.tables.cuts)
    @rule(by=PEOPLE, nth=st.integers(0, 9), to=PLACES)
    def move_cut(self, by: str, nth: int, to: int) -> None:
        cuts = sorted(self.desk.tables.cuts)
        self.desk.change_cuts(by, "move", cuts[nth % len(cuts)], to)

    @rule(by=PEOPLE)
    def undo(self, by: str) -> None:
        before = self.desk.tables
        if self.desk.undo(by):
            undone = self.desk.tables
            assert self.desk.redo(by), "what was just undone can be redone"
            assert visible(self.desk.tables) == visible(before)
            assert self.desk.undo(by), "what was just redone can be undone"
            assert visible(self.desk.tables) == visible(undone)

    @rule(by=PEOPLE)
    def redo(self, by: str) -> None:
        self.desk.redo(by)

    @rule()
    def order(self) -> None:
        self.desk.order()

    @rule(at=PLACES, steps=st.integers(1, 3))
    def work(self, at: int, steps: int) -> None:
        self.desk.work(self.desk.clip_at(at), steps)

    @rule(late=st.integers(0, 50))
    def work_of_before(self, late: int) -> None:
        self.desk.work_late(late)

    @rule(segment=st.integers(0, 2), cuts=st.sets(st.integers(1, 59), max_size=5))
    def detect(self, segment: int, cuts: set[int]) -> None:
        decided = {id_ for id_, clip in self.desk.tables.clips.items() if clip.live and clip.verdict}
        self.desk.detect(segment, sorted(cuts))
        assert all(self.desk.tables.clips[id_].live for id_ in decided), "a detection moved what a person touched"

    @invariant()
    def clips_tile_the_video(self) -> None:
        spans = sorted((c.start_frame, c.end_frame) for c in self.desk.tables.clips.values() if c.live)
        assert spans[0][0] == 0
        assert spans[-1][1] == 60
        assert all(a[1] == b[0] for a, b in pairwise(spans))
        assert [start for start, _ in spans[1:]] == sorted(self.desk.tables.cuts)

    @invariant()
    def to_look_at_all_frames_again_moves_nothing(self) -> None:
        again = self.desk.tables.copy()

        retile(again, self.desk.story.told[-1])

        assert again.cuts == self.desk.tables.cuts
        assert again.clips == self.desk.tables.clips

    @invariant()
    def an_undone_decision_counts_as_never_made(self) -> None:
        assert visible(self.desk.tables) == visible(fold(Tables.empty(self.desk.video_id), self.desk.without_undone()))

    @invariant()
    def what_came_of_no_decision_that_stands_is_marked(self) -> None:
        t = self.desk.tables
        used = {c.export_object.key for c in t.clips.values() if c.export_object}
        used |= {keyframe.object.key for c in t.clips.values() for keyframe in c.keyframes}
        assert used | set(t.discarded) >= self.desk.objects
        assert not used & set(t.discarded)
        for clip in t.clips.values():
            assert (clip.order_id is None) or clip.verdict == "approve"
            assert clip.group_id is None or clip.verdict == "approve"
            assert clip.live == (clip.state != ClipState.SUPERSEDED)
            assert (clip.state == ClipState.EMBEDDED) == (clip.id in self.desk.searchable)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            in_one_go = fold(Tables.empty(self.desk.video_id), self.desk.story.told)
            in_one_go.embeddings, in_one_go.forgotten = {}, self.desk.tables.forgotten
            assert in_one_go == self.desk.tables, "how facts are batched changes nothing"


def test_any_sequence_of_actions_keeps_the_laws(story: Any) -> None:
    machine = type("DeskOfStory", (Desk,), {"story_type": story})

    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None, derandomize=True)
    )


def test_only_ones_own_decisions_are_undone(story: Any) -> None:
    desk = Reviewing(story(frames=(20, 20, 20)).ready([20]))
    clip = desk.clip_at(0)
    desk.decide("ana", clip, "skip")

    assert not desk.undo("ben")
    assert desk.undo("ana")
    assert not desk.undo("ana")


def test_an_undo_is_refused_when_somebody_decided_since_and_says_who(story: Any) -> None:
    desk = Reviewing(story(frames=(20, 20, 20)).ready([20]))
    clip = desk.clip_at(0)
    desk.decide("ana", clip, "skip")
    desk.decide("ben", clip, "archive")

    refused = desk.refusal_of_undo("ana")

    assert refused == rules.Refusal(
        "nobody_decided_since", "ben has decided on the same clips since: frames 0 to 19, archived."
    )
    assert desk.undo("ben")
    assert desk.undo("ana")
    assert desk.tables.clips[clip].state == ClipState.PENDING_REVIEW


def test_undoing_a_cut_brings_the_same_clip_back_with_its_history_and_removing_it_does_not(story: Any) -> None:
    desk = Reviewing(story(frames=(20, 20, 20)).ready([30]))
    clip: UUID = desk.clip_at(0)
    desk.decide("ana", clip, "skip")
    desk.annotate("ana", clip, ("night",), "quiet")

    desk.change_cuts("ana", "add", 12)
    assert desk.tables.clips[clip].state == ClipState.SUPERSEDED
    assert desk.tables.clips[desk.clip_at(0)].tags == ()
    desk.undo("ana")
    back = desk.tables.clips[clip]
    assert (back.state, back.tags, back.note, back.decided_by) == ("review_skipped", ("night",), "quiet", "ana")
    desk.redo("ana")
    desk.change_cuts("ben", "remove", 12)

    again = desk.tables.clips[clip]
    assert (again.state, again.tags, again.note) == ("pending_review", (), "")


def test_undoing_an_approval_takes_everything_back_that_came_of_it(story: Any) -> None:
    desk = Reviewing(story(frames=(20, 20, 20)).ready([30]))
    clip = desk.clip_at(0)
    desk.decide("ana", clip, "approve")
    desk.work(clip, 3)
    assert desk.tables.clips[clip].state == ClipState.EMBEDDED

    desk.undo("ana")

    assert desk.tables.clips[clip].state == ClipState.PENDING_REVIEW
    assert desk.objects <= set(desk.tables.discarded)
    assert clip not in desk.searchable
    desk.redo("ana")
    assert desk.tables.clips[clip].state == ClipState.EXPORTING
    assert desk.tables.clips[clip].order_id is None
    desk.order()
    desk.work(clip, 3)
    assert desk.tables.clips[clip].state == ClipState.EMBEDDED
    assert not desk.tables.discarded.keys() & {desk.tables.clips[clip].export_object.key}  # type: ignore[union-attr]  # embedded


def test_an_export_in_flight_is_dropped_when_its_approval_is_undone(story: Any) -> None:
    desk = Reviewing(story(frames=(20, 20, 20)).ready([30]))
    clip = desk.clip_at(0)
    desk.decide("ana", clip, "approve")
    desk.undo("ana")

    desk.work_late(0)

    assert desk.tables.clips[clip].state == ClipState.PENDING_REVIEW
    assert desk.tables.clips[clip].export_object is None
    assert desk.objects == set(desk.tables.discarded)
