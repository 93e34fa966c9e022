"""Decisions that are asked for on a certain version of a video alone: `If-Match`."""

from typing import Any
from uuid import uuid4

import pytest
from heaters_review_api.decisions import Decisions


@pytest.fixture
async def film(desk: Any, story: Any) -> Any:
    told = story().ready([30, 120, 250])
    await desk.publish(told)
    return told


async def decide(desk: Any, clip: Any, if_match: str, *, key: str | None = None, verdict: str = "skip") -> Any:
    return await desk.client.post(
        f"/api/clips/{clip}/verdict",
        json={"verdict": verdict},
        headers={"Idempotency-Key": key or uuid4().hex, "If-Match": if_match},
    )


async def test_the_tag_of_a_video_and_of_its_clips_is_the_version_that_a_decision_may_be_bound_to(
    desk: Any, film: Any
) -> None:
    page = await desk.client.get(f"/api/videos/{film.video_id}")
    clip = await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}")

    first = await decide(desk, film.clip_id(0, 30), page.headers["etag"])
    second = await decide(desk, film.clip_id(30, 120), f'"{first.json()["clip"]["version"]}"')

    assert page.headers["etag"] == clip.headers["etag"] == f'"{page.json()["version"]}"'
    assert (first.status_code, second.status_code) == (200, 200)


async def test_a_decision_on_an_older_version_is_refused_with_what_changed_and_by_whom(desk: Any, film: Any) -> None:
    app = desk.application
    seen = (await desk.client.get(f"/api/videos/{film.video_id}")).headers["etag"]
    ben = Decisions(app.bus, app.desk.queries, app.passed, timeout_s=60, cut_distance_frames=6)
    made = await ben.decide(film.clip_id(120, 250), "archive", by="ben", idempotency_key="k")
    await ben.change_cuts(film.video_id, "add", 60, by="ben", idempotency_key="c")
    turned = await ben.undo(by="ben", idempotency_key="u")

    answer = await decide(desk, film.clip_id(0, 30), seen)

    problem = answer.json()
    assert answer.status_code == 412
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["etag"] == f'"{turned.sequence}"'
    assert problem["rule"] == "video_is_as_seen"
    assert problem["version"] == turned.sequence
    assert problem["changed"] == [
        {"sequence": made.sequence, "what": "archive", "by": "ben", "start": 120, "end": 250},
        {"sequence": turned.sequence, "what": "undo of add_cut", "by": "ben", "start": 30, "end": 120},
    ]
    assert "ben has changed frames 30 to 119 (undo of add_cut)" in problem["detail"]
    assert (await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}")).json()["state"] == "pending_review"
    assert (await decide(desk, film.clip_id(0, 30), answer.headers["etag"])).status_code == 200


async def test_every_decision_on_one_video_may_be_bound_to_a_version(desk: Any, film: Any) -> None:
    clip, old = film.clip_id(0, 30), {"If-Match": '"1"'}
    await decide(desk, clip, "*", verdict="approve")

    answers = [
        await desk.client.post(path, json=body, headers={"Idempotency-Key": uuid4().hex, **old})
        for path, body in (
            (f"/api/clips/{clip}/verdict", {"verdict": "skip"}),
            (f"/api/clips/{clip}/annotation", {"tags": ["sea"]}),
            (f"/api/clips/{clip}/group", {"beside": "next"}),
            (f"/api/clips/{clip}/ungroup", {}),
            (f"/api/videos/{film.video_id}/cuts", {"operation": "add", "frame": 60}),
        )
    ]

    assert [answer.status_code for answer in answers] == [412] * 5


async def test_what_stages_tell_does_not_count_and_asking_again_is_answered_again(desk: Any, film: Any) -> None:
    approved = (await decide(desk, film.clip_id(0, 30), "*", verdict="approve")).json()
    seen = f'"{approved["clip"]["version"]}"'
    first = next(one for one in film.told if one.fact.TYPE == "video.requested")
    film.told = [film.failed("download", first)]
    await desk.publish(film)

    once = await decide(desk, film.clip_id(30, 120), seen, key="same")
    again = await decide(desk, film.clip_id(30, 120), seen, key="same")
    other = await decide(desk, film.clip_id(120, 250), seen)

    assert (once.status_code, again.status_code, other.status_code) == (200, 200, 412)
    assert again.json()["decision"] == once.json()["decision"]


@pytest.mark.parametrize("said", ['W/"3"', "abc", '"1", "2"', "-1", "9999999999999999999999"])
async def test_what_is_no_version_is_a_problem(desk: Any, film: Any, said: str) -> None:
    answer = await decide(desk, film.clip_id(0, 30), said)

    assert answer.status_code == 400
    assert "is no version of a video" in answer.json()["detail"]
