"""The pipeline's table: whole, without a loop, and connected at both ends."""

from graphlib import TopologicalSorter

import pytest
from heaters_contracts import facts
from heaters_contracts.fact import LANES, REGISTRY, Lane, parse_subject, subject_of
from heaters_contracts.ids import NIL
from heaters_contracts.pipeline import CONSUMERS, PIPELINE, SERVICES, progress_subject, work_named

DECIDED = {
    *("video.requested", "video.rejected", "video.cuts_changed", "video.erased"),
    *("clip.approved", "clip.skipped", "clip.archived", "clip.grouped", "clip.ungrouped", "clip.annotated"),
    *("decision.undone", "decision.redone"),
    *("stage.requested", "stage.discarded", "stage.paused", "stage.resumed"),
    *("video.embedding_requested", "stage.model_requested", "stage.model_chosen"),
}
"""What review-api tells, by itself or for a person, as the design names it; a release need not know them all yet."""
ENDS = {
    facts.VideoMasterStored,
    facts.SegmentScenesDetected,
    facts.ClipEmbedded,
    facts.VideoLinked,
    facts.VideoExpanded,
    facts.VideoThawRequested,
    facts.VideoThawed,
}
"""What nobody but review-api hears."""
CONSUMED = {work.consumes for work in PIPELINE}
PRODUCED = {fact for work in PIPELINE for fact in work.produces}


def test_every_work_is_done_by_a_service_that_exists() -> None:
    assert {work.by for work in PIPELINE} == set(SERVICES) - {"review-api"}


def test_names_are_unique_and_safe_for_the_server() -> None:
    names = [work.consumer(lane) for work, lane in CONSUMERS]

    assert len(set(names)) == len(names) == len(PIPELINE) * len(LANES)
    assert all(name.replace("_", "").replace("-", "").isalnum() for name in names)


@pytest.mark.parametrize("work", PIPELINE, ids=lambda work: work.name)
def test_every_work_has_limits(work) -> None:  # type: ignore[no-untyped-def]  # a row, from the line above
    assert 1 <= work.attempts <= 10
    assert 0 < work.deadline_s <= 24 * 3600
    assert work.memory_bytes >= 256 * 1024**2
    assert work.produces


def test_every_fact_that_a_stage_tells_is_heard_or_ends_in_review_api() -> None:
    assert PRODUCED - CONSUMED == ENDS


def test_every_fact_that_a_stage_hears_is_told_by_a_stage_or_by_review_api() -> None:
    begins = CONSUMED - PRODUCED

    assert begins == {facts.VideoRequested, facts.ClipApproved, facts.VideoEmbeddingRequested}
    assert {fact.TYPE for fact in begins} <= DECIDED


def test_every_fact_has_exactly_one_that_tells_it() -> None:
    by_stages = {fact.TYPE for fact in PRODUCED}
    by_any_stage = {"stage.failed"}

    assert not by_stages & DECIDED
    assert {type_ for type_, _ in REGISTRY} <= by_stages | DECIDED | by_any_stage


def test_no_fact_leads_to_itself() -> None:
    leads_to = {work.name: {w.name for w in PIPELINE if work.consumes in w.produces} for work in PIPELINE}

    order = list(TopologicalSorter(leads_to).static_order())

    assert order.index("download") < order.index("plan") < order.index("preprocess") < order.index("scenes")
    assert order.index("export") < order.index("keyframe") < order.index("embed")


@pytest.mark.parametrize("lane", LANES)
def test_every_work_hears_its_fact_and_requests_to_work_again_in_its_lane(lane: Lane) -> None:
    assert work_named("plan").filters(lane) == (
        f"heaters.video.downloaded.*.{lane}.*",
        f"heaters.stage.requested.*.{lane}.*",
    )


def test_a_work_is_found_by_its_name_or_the_names_are_told() -> None:
    assert work_named("scenes").consumes is facts.SegmentPreprocessed
    with pytest.raises(KeyError, match="no kind of work is called 'polish'; there are download, plan, preprocess"):
        work_named("polish")


def test_progress_is_no_fact() -> None:
    assert progress_subject("plan", NIL) == "progress.heaters.plan.00000000-0000-0000-0000-000000000000"
    assert not progress_subject("plan", NIL).startswith("heaters.")
    assert parse_subject(subject_of("video.planned", 1, "bulk", NIL)).video_id == NIL
