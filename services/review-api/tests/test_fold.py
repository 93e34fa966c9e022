"""The fold: laws as properties over random videos, and each rule of its own."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import DecisionUndone, VideoCutsChanged, VideoThawed, VideoThawRequested
from heaters_contracts.facts.segment import Cut
from heaters_contracts.spans import Span
from heaters_review_api.core.fold import Unread, fold
from heaters_review_api.core.states import CLIP_TRANSITIONS, ClipState, VideoState
from heaters_review_api.core.tables import Tables
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

VIDEO = UUID("00000000-0000-4000-8000-00000000abcd")


def apply(told: Sequence[Told[Fact] | Unread]) -> Tables:
    return fold(Tables.empty(VIDEO), told)


def states(tables: Tables) -> dict[tuple[int, int], str]:
    return {(c.start_frame, c.end_frame): c.state.value for c in tables.clips.values() if c.live}


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Lengths of segments, and cuts anywhere in the video, at edges of segments too."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    frames = sum(lengths)
    cuts = draw(st.sets(st.integers(1, frames - 1), max_size=12)) if frames > 1 else set()
    return lengths, sorted(cuts)


def told_of(story: Any, lengths: list[int], cuts: list[int]) -> list[Told[Fact]]:
    return story(frames=lengths, video_id=VIDEO).ready(cuts).told


def any_order(told: list[Told[Fact]], seed: int) -> list[Told[Fact]]:
    """A random order in which no fact comes before its cause."""
    rng = random.Random(seed)
    left, known, order = list(told), set(), []
    while left:
        ready = [one for one in left if one.cause is None or one.cause in known]
        one = rng.choice(ready)
        left.remove(one)
        known.add(one.id)
        order.append(one)
    return order


@given(videos(), st.integers())
@settings(max_examples=60, deadline=None)
def test_the_order_of_stage_facts_changes_nothing(story: Any, video: tuple[list[int], list[int]], seed: int) -> None:
    told = told_of(story, *video)

    assert apply(any_order(told, seed)) == apply(told)


@given(videos(), st.data())
@settings(max_examples=60, deadline=None)
def test_how_facts_are_batched_changes_nothing(
    story: Any, video: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    told = told_of(story, *video)
    edges = sorted(data.draw(st.sets(st.integers(0, len(told)), max_size=5)) | {0, len(told)})

    tables = Tables.empty(VIDEO)
    for a, b in pairwise(edges):
        tables = fold(tables, told[a:b])

    assert tables == apply(told)


@given(videos(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_fact_that_was_applied_changes_nothing(
    story: Any, video: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    told = told_of(story, *video)
    again = [replace(one, sequence=1000 + n) for n, one in enumerate(data.draw(st.lists(st.sampled_from(told))))]

    once, twice = apply(told), apply([*told, *again])

    twice.video = structs.replace(twice.video, version=once.video.version)
    assert twice == once


@given(videos())
@settings(max_examples=100, deadline=None)
def test_clips_tile_the_video(story: Any, video: tuple[list[int], list[int]]) -> None:
    lengths, cuts = video

    clips = sorted(states(apply(told_of(story, lengths, cuts))))

    assert clips[0][0] == 0
    assert clips[-1][1] == sum(lengths)
    assert all(a[1] == b[0] for a, b in pairwise(clips))
    assert [start for start, _ in clips[1:]] == cuts


@given(videos(), st.integers(), st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_a_clip_that_is_open_stays_as_it_is_while_the_rest_is_made(
    story: Any, video: tuple[list[int], list[int]], seed: int, at: int
) -> None:
    order = any_order(told_of(story, *video), seed)

    early, late = apply(order[:at]), apply(order)

    assert states(early).items() <= states(late).items()


def test_clips_open_as_soon_as_both_cuts_are_certain(story: Any) -> None:
    film = story(frames=(100, 100, 100), video_id=VIDEO)
    downloaded = film.downloaded(film.requested())
    first, second, third = film.segments()
    plans = [film.planned_segment(s, downloaded) for s in (first, second, third)]
    made = [film.preprocessed(s, p) for s, p in zip((first, second, third), plans, strict=True)]
    cuts = [30, 120, 150, 260]

    film.detected(second, cuts, made[1])
    assert states(apply(film.told)) == {(120, 150): "pending_review"}

    film.detected(first, cuts, made[0])
    assert list(states(apply(film.told))) == [(120, 150), (0, 30), (30, 120)]

    film.detected(third, cuts, made[2])
    assert sorted(states(apply(film.told))) == [(0, 30), (30, 120), (120, 150), (150, 260)]

    film.planned(downloaded)
    assert sorted(states(apply(film.told))) == [(0, 30), (30, 120), (120, 150), (150, 260), (260, 300)]


def test_a_video_goes_through_its_states(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO)
    (segment,) = film.segments()

    requested = film.requested()
    assert apply(film.told).video.state == VideoState.DOWNLOADING
    downloaded = film.downloaded(requested)
    assert apply(film.told).video.state == VideoState.PREPROCESSING
    plan = film.planned_segment(segment, downloaded)
    film.planned(downloaded)
    made = film.preprocessed(segment, plan)
    assert apply(film.told).video.state == VideoState.DETECTING_SCENES
    film.detected(segment, [40], made)
    assert apply(film.told).video.state == VideoState.IN_REVIEW
    film.verdict("skip", 0, 40)
    film.embedded(film.keyframed(film.exported(film.verdict("approve", 40, 100))))
    assert apply(film.told).video.state == VideoState.DONE


def test_an_approved_clip_goes_through_its_states(story: Any) -> None:
    film = story(video_id=VIDEO).ready([30])

    approved = film.verdict("approve", 0, 30)
    assert states(apply(film.told))[0, 30] == "exporting"
    exported = film.exported(approved)
    assert states(apply(film.told))[0, 30] == "keyframing"
    keyframed = film.keyframed(exported)
    assert states(apply(film.told))[0, 30] == "embedding"
    film.embedded(keyframed)
    tables = apply(film.told)
    assert states(tables)[0, 30] == "embedded"
    clip = tables.clips[film.clip_id(0, 30)]
    assert clip.proof is not None
    assert clip.proof.frames_decoded == 30
    assert clip.exported_at == exported.stored_at


def test_a_result_of_an_older_decision_is_discarded(story: Any) -> None:
    film = story(video_id=VIDEO).ready([30])
    approved = film.verdict("approve", 0, 30, key="1")
    film.verdict("skip", 0, 30, key="2")

    film.exported(approved, object_key="late.mp4")

    tables = apply(film.told)
    assert states(tables)[0, 30] == "review_skipped"
    assert list(tables.discarded) == ["late.mp4"]


def test_a_verdict_on_a_file_changes_nothing(story: Any) -> None:
    film = story(video_id=VIDEO).ready([30])
    film.exported(film.verdict("approve", 0, 30, key="1"))

    film.verdict("archive", 0, 30, key="2")

    assert states(apply(film.told))[0, 30] == "keyframing"


def test_a_failure_is_open_until_the_stage_has_done_it(story: Any) -> None:
    film = story(frames=(100, 100), video_id=VIDEO)
    downloaded = film.downloaded(film.requested())
    plans = [film.planned_segment(s, downloaded) for s in film.segments()]
    film.planned(downloaded)
    first, second = film.segments()
    failed = film.failed("preprocess", plans[1])

    tables = apply(film.told)
    assert tables.video.state == VideoState.PREPROCESS_FAILED
    assert tables.failures[failed.id].segment_index == 1
    film.preprocessed(first, plans[0])
    assert apply(film.told).video.state == VideoState.PREPROCESS_FAILED
    film.preprocessed(second, plans[1])
    tables = apply(film.told)
    assert tables.video.state == VideoState.DETECTING_SCENES
    assert tables.video.failures == 0
    assert not tables.failures[failed.id].open


@pytest.mark.parametrize(
    ("stage", "state"),
    [("export", "export_failed"), ("keyframe", "keyframe_failed"), ("embed", "embedding_failed")],
)
def test_a_clip_shows_which_stage_gave_up(story: Any, stage: str, state: str) -> None:
    film = story(video_id=VIDEO).ready([30])
    approved = film.verdict("approve", 0, 30)
    causes = {"export": approved}
    if stage != "export":
        causes["keyframe"] = film.exported(approved)
    if stage == "embed":
        causes["embed"] = film.keyframed(causes["keyframe"])

    film.failed(stage, causes[stage])

    tables = apply(film.told)
    assert states(tables)[0, 30] == state
    assert tables.video.failures == 1
    assert tables.video.state == VideoState.IN_REVIEW


def test_a_new_detection_moves_only_what_nobody_touched(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([30, 60])
    film.verdict("approve", 30, 60)
    (segment,) = film.segments()
    made = next(one for one in film.told if one.fact.TYPE == "segment.preprocessed")

    film.detected(segment, [20, 45, 80], made, detector="other")

    tables = apply(film.told)
    assert states(tables) == {
        (30, 60): "exporting",
        (0, 20): "pending_review",
        (20, 30): "pending_review",
        (60, 80): "pending_review",
        (80, 100): "pending_review",
    }
    assert tables.clips[film.clip_id(0, 30)].state == ClipState.SUPERSEDED
    assert sorted(tables.cuts) == [20, 30, 60, 80]


def test_a_span_that_comes_back_is_the_same_clip(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([30])
    (segment,) = film.segments()
    made = next(one for one in film.told if one.fact.TYPE == "segment.preprocessed")

    film.detected(segment, [50], made, detector="other")
    film.detected(segment, [30], made, detector="third")

    tables = apply(film.told)
    assert states(tables) == {(0, 30): "pending_review", (30, 100): "pending_review"}
    assert len(tables.clips) == 4


def test_what_nobody_can_read_counts_for_the_version_only(story: Any) -> None:
    film = story(video_id=VIDEO).ready([30])

    tables = apply([*film.told, Unread(999)])

    assert tables.video.version == 999
    assert structs.replace(tables.video, version=0) == structs.replace(apply(film.told).video, version=0)


def test_no_verdict_but_those_of_the_machine_moves_a_clip(story: Any) -> None:
    """Every change that the fold makes is an arrow that the machine declares."""
    film = story(frames=(100,), video_id=VIDEO).ready([30])
    approved = film.verdict("approve", 0, 30, key="1")
    film.failed("export", approved)
    film.verdict("skip", 0, 30, key="2")
    film.verdict("archive", 0, 30, key="3")
    again = film.verdict("approve", 0, 30, key="4")
    film.embedded(film.keyframed(film.exported(again)))
    arrows = {(s, target) for arrow in CLIP_TRANSITIONS for s in arrow.sources for target in arrow.targets}

    moved, before = [], Tables.empty(VIDEO)
    for one in film.told:
        after = fold(before, [one])
        for id_, clip in after.clips.items():
            if id_ in before.clips and before.clips[id_].state != clip.state:
                moved.append((before.clips[id_].state, clip.state))
        before = after

    assert len(moved) == 8
    assert set(moved) <= arrows


def test_a_replayed_detection_moves_the_cuts(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([30])
    preprocessed = next(told for told in film.told if told.fact.TYPE == "segment.preprocessed")

    film.detected(film.segments()[0], [60], film.replayed("scenes", preprocessed))

    assert states(apply(film.told)) == {(0, 60): "pending_review", (60, 100): "pending_review"}


def test_a_replayed_export_takes_the_place_of_the_first_and_what_follows_is_done_again(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([])
    approved = film.verdict("approve", 0, 100)
    film.embedded(film.keyframed(film.exported(approved, object_key="first.mp4")))
    done = apply(film.told)

    again = film.exported_for(approved, film.replayed("export", approved), object_key="second.mp4")
    replayed = apply(film.told)
    film.embedded(film.keyframed(again))
    finished = apply(film.told)

    assert states(done) == states(finished) == {(0, 100): "embedded"}
    assert states(replayed) == {(0, 100): "keyframing"}
    (clip,) = replayed.clips.values()
    assert clip.export_object.key == "second.mp4"
    assert set(replayed.discarded) == {"first.mp4", f"clips/{clip.id}.jpg"}
    assert set(finished.discarded) == {"first.mp4"}


def test_a_result_of_a_replay_for_a_verdict_that_no_longer_stands_changes_nothing(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([])
    approved = film.verdict("approve", 0, 100)
    request = film.replayed("export", approved)
    film.verdict("skip", 0, 100, key="second thoughts")

    film.exported_for(approved, request)

    assert states(apply(film.told)) == {(0, 100): "review_skipped"}


def test_a_replayed_plan_may_divide_the_film_differently(story: Any) -> None:
    before, after = story(frames=(50, 50), video_id=VIDEO), story(frames=(70, 20, 10), video_id=VIDEO)
    before.ready([30, 80])
    downloaded = next(told for told in before.told if told.fact.TYPE == "video.downloaded")
    late = next(told for told in before.told if told.fact.TYPE == "segment.planned")
    request = before.replayed("plan", downloaded)

    after.first_sequence = before.first_sequence + len(before.told)
    plans = [after.planned_segment(segment, request) for segment in after.segments()]
    after.planned(request)
    between = apply([*before.told, *after.told])
    for segment, planned in zip(after.segments(), plans, strict=True):
        after.detected(segment, [30, 80], after.preprocessed(segment, planned))
    before.first_sequence += len(after.told)
    before.preprocessed(before.segments()[0], late)
    finished = apply([*before.told[:-1], *after.told, before.told[-1]])

    assert {s.index: (s.first_frame, s.frames, s.proxy is None) for s in between.segments.values()} == {
        0: (0, 70, True),
        1: (70, 20, True),
        2: (90, 10, True),
    }
    assert states(finished) == {(0, 30): "pending_review", (30, 80): "pending_review", (80, 100): "pending_review"}
    assert finished.segments[0].frames == 70


def test_a_cut_that_a_later_detection_sees_beside_a_persons_is_the_same_cut(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([30, 60])
    film.verdict("approve", 30, 60)
    (segment,) = film.segments()
    made = next(one for one in film.told if one.fact.TYPE == "segment.preprocessed")

    film.detected(segment, [25, 65, 72], made, detector="other")

    assert sorted(apply(film.told).cuts) == [30, 60, 72]


def test_cuts_that_were_there_when_a_person_decided_stay_however_near(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([30, 32, 60])

    film.verdict("approve", 32, 60)

    assert sorted(apply(film.told).cuts) == [30, 32, 60]


def test_a_cut_that_a_person_made_or_confirmed_outlives_every_detection(story: Any) -> None:
    film = story(frames=(100,), video_id=VIDEO).ready([30, 60])
    (segment,) = film.segments()
    made = next(one for one in film.told if one.fact.TYPE == "segment.preprocessed")
    for operation, frame, span, cuts, clips in (
        ("confirm", 30, (0, 60), (30,), [(0, 30), (30, 60)]),
        ("add", 80, (60, 100), (80,), [(60, 100)]),
    ):
        film.say(
            VideoCutsChanged(
                operation=operation,
                frame=frame,
                span=Span(start=span[0], end=span[1]),
                cuts=tuple(Cut(frame=f, start=f, end=f + 1) for f in cuts),
                clips=tuple(film.clip_id(*clip) for clip in clips),
                by="ana",
                idempotency_key=f"{operation}-{frame}",
            ),
            None,
            worked_s=None,
        )

    film.detected(segment, [28, 50, 84], made, detector="other")

    tables = apply(film.told)
    assert {frame: row.by for frame, row in tables.cuts.items()} == {30: "ana", 50: None, 60: None, 80: "ana"}


def test_a_video_waits_for_its_original_from_the_first_export_that_asks_until_it_is_back(story: Any) -> None:
    told = story(video_id=VIDEO).ready([30])
    approved = told.verdict("approve", 0, 30)
    asked = told.say(VideoThawRequested(object=told.source), approved)
    told.say(VideoThawRequested(object=told.source), told.verdict("approve", 30, 300))
    waiting = apply(told.told)
    told.say(VideoThawed(object=told.source), approved)

    back = apply(told.told)

    assert waiting.video.thaw_requested_at == asked.stored_at
    assert back.video.thaw_requested_at is None
    assert back.clips[told.clip_id(0, 30)].state == ClipState.EXPORTING


def test_an_undone_approval_is_found_no_more_though_its_pictures_are_being_taken_anew(story: Any) -> None:
    film = story(video_id=VIDEO).ready([30])
    approved = film.verdict("approve", 0, 30)
    film.embedded(film.keyframed(film.exported(approved)))
    film.exported_for(approved, film.replayed("export", approved), object_key="second.mp4")
    before = apply(film.told)

    undone = film.say(DecisionUndone(decision=approved.id, by="ana", idempotency_key="u"), approved, worked_s=None)
    after = fold(before, [undone])

    assert before.clips[approved.fact.clip_id].state == ClipState.KEYFRAMING
    assert after.clips[approved.fact.clip_id].state == ClipState.PENDING_REVIEW
    assert after.forgotten == {approved.fact.clip_id}
    assert after.embeddings == {}
