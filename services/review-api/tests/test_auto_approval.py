"""Clips that a request's rule approves: which, by whom, once, and taken back like any decision."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from heaters_contracts.auto_rule import NAMES
from heaters_contracts.ingest import IngestRequest, Options
from heaters_media.ledger import FrameTable
from heaters_review_api.core.requesters import Terms, objection
from heaters_review_api.db.queries import MEASURES

RULE = "seconds >= 2 and certainty >= 0.9"
AUTO = "system:auto-approve"


@pytest.fixture
def ruled(desk: Any, story: Any, tmp_path: Path) -> Callable[..., Any]:
    """A video of 300 frames at 25 a second, cut at 50 and 80, whose request has a rule; up to review, and not told yet."""

    async def make(rule: str = RULE) -> Any:
        one = story(options=Options(auto_rule=rule))
        FrameTable(np.arange(300, dtype=np.int64) * 512, Fraction(1, 12800), 300 * 512).save(tmp_path / "t.npz")
        one.table = await desk.application.desk.objects.put(tmp_path / "t.npz", f"videos/{one.video_id}/frames.npz")
        return one.ready([50, 80])

    return make


async def clips(desk: Any, one: Any) -> dict[int, Any]:
    """Live clips by first frame."""
    answer = await desk.client.get("/api/clips", params={"video": str(one.video_id)})
    return {clip["start"]: clip for clip in answer.json()["items"]}


async def approved(desk: Any, one: Any, *starts: int) -> dict[int, Any]:
    """The clips, once those that begin so are approved by the rule."""
    for _ in range(1200):
        found = await clips(desk, one)
        if all(found[start]["decided_by"] == AUTO for start in starts):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not approved: {found}")


async def settled(desk: Any, ruled: Any) -> None:
    """All that was told before has been looked at: a video that is told now was."""
    marker = await ruled()
    await desk.publish(marker)
    await approved(desk, marker, 0, 80)


async def test_what_fits_is_approved_by_a_named_actor_and_nothing_else_is(desk: Any, ruled: Any) -> None:
    one = await ruled()

    await desk.publish(one)
    found = await approved(desk, one, 0, 80)

    assert [(start, clip["verdict"], clip["decided_by"]) for start, clip in sorted(found.items())] == [
        (0, "approve", AUTO),
        (50, None, None),
        (80, "approve", AUTO),
    ]
    assert found[80]["state"] == "exporting"
    for _ in range(1200):
        audit = (await desk.client.get("/api/audit", params={"actor": AUTO, "limit": 100})).json()["items"]
        deeds = {deed["subject"]: deed for deed in audit}
        if f"/api/clips/{found[80]['id']}" in deeds:
            break
        await asyncio.sleep(0.05)
    deed = deeds[f"/api/clips/{found[80]['id']}"]
    assert (deed["action"], deed["via"]) == ("approve by rule", "rule")
    assert deed["detail"]["rule"] == RULE


async def test_a_reviewer_takes_it_back_and_the_rule_says_it_no_more(desk: Any, ruled: Any) -> None:
    one = await ruled()
    await desk.publish(one)
    await approved(desk, one, 0, 80)
    by_rules = (await desk.client.get("/api/decisions", params={"by": AUTO, "limit": 500})).json()["items"]
    wanted = [{"video_id": str(one.video_id), "start": 0, "end": 50}]
    decision = next(made["decision"] for made in by_rules if made["spans"] == wanted)

    undone = await desk.client.post(
        "/api/undo", json={"decision": decision}, headers={"Idempotency-Key": f"u{uuid4()}"}
    )
    first = one.segments()[0]
    one.told = [one.detected(first, [50, 80], one.told[0], detector="again")]
    await desk.publish(one)
    await settled(desk, ruled)
    found = await clips(desk, one)

    assert undone.status_code == 200, undone.text
    assert (found[0]["state"], found[0]["decided_by"]) == ("pending_review", None)
    assert found[80]["decided_by"] == AUTO


async def test_what_a_person_said_stands_whoever_came_first(desk: Any, ruled: Any) -> None:
    one = await ruled()
    one.verdict("skip", 0, 50)

    await desk.publish(one)
    await approved(desk, one, 80)
    one.told = [one.detected(one.segments()[0], [50, 80], one.told[0], detector="again")]
    await desk.publish(one)
    await settled(desk, ruled)

    found = await clips(desk, one)
    assert [(start, clip["decided_by"]) for start, clip in sorted(found.items())] == [
        (0, "ana"),
        (50, None),
        (80, AUTO),
    ]


@pytest.mark.parametrize("rule", ["loudness_db > -40", "shorter than 4 s"])
async def test_what_is_not_known_fits_nothing_and_an_old_rule_that_is_none_approves_nothing(
    desk: Any, ruled: Any, rule: str
) -> None:
    one = await ruled(rule)

    await desk.publish(one)
    await settled(desk, ruled)

    assert {clip["verdict"] for clip in (await clips(desk, one)).values()} == {None}


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_rule_that_is_none_is_refused_with_the_reason(desk: Any, dry_run: bool) -> None:
    body = {
        "source": {"kind": "url", "url": "https://films.example/rule"},
        "options": {"auto_rule": "certainty >= 80"},
    }

    answer = await desk.client.post(f"/api/ingest?dry_run={str(dry_run).lower()}", json=body)

    assert answer.status_code == 400
    assert "no clip fits `certainty >= 80`: it lies between 0 and 1" in answer.json()["detail"]


def test_terms_may_forbid_rules(ask: Any) -> None:
    request = ask({"auto_rule": RULE})

    assert objection(request, Terms(), today=0, unfinished=0) is None
    refused = objection(request, Terms(auto_rule=False), today=0, unfinished=0)
    assert refused is not None
    assert "may not approve clips by a rule" in refused


@pytest.fixture
def ask() -> Callable[[dict[str, str]], Any]:
    def make(options: dict[str, str]) -> Any:
        source = {"kind": "url", "url": "https://films.example/a"}
        return IngestRequest.model_validate({"source": source, "options": options})

    return make


def test_whatever_a_rule_may_name_a_clip_has() -> None:
    assert set(NAMES) == {"frames", "seconds", "certainty", *MEASURES}
