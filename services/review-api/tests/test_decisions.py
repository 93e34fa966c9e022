"""Decisions through the API, on real servers."""

import asyncio
from typing import Any

import pytest
from heaters_contracts.fact import decode
from heaters_contracts.facts import ClipApproved
from heaters_contracts.ingest import Options


async def verdict(desk: Any, clip: Any, said: str, key: str, **more: Any) -> Any:
    return await desk.client.post(
        f"/api/clips/{clip}/verdict", json={"verdict": said, **more}, headers={"Idempotency-Key": key}
    )


@pytest.fixture
async def film(desk: Any, story: Any) -> Any:
    told = story().ready([30, 120, 250])
    await desk.publish(told)
    return told


@pytest.mark.parametrize(
    ("said", "state"), [("approve", "exporting"), ("skip", "review_skipped"), ("archive", "review_archived")]
)
async def test_a_verdict_is_answered_once_the_tables_show_it(desk: Any, film: Any, said: str, state: str) -> None:
    clip = film.clip_id(30, 120)

    answer = await verdict(desk, clip, said, "one")

    assert answer.status_code == 200, answer.text
    assert answer.json()["clip"]["state"] == state
    shown = (await desk.client.get(f"/api/clips/{clip}")).json()
    assert shown["state"] == state
    assert shown["decided_by"] == "local"


async def test_the_same_key_is_answered_again_without_a_second_fact(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)

    first = (await verdict(desk, clip, "skip", "one")).json()
    again = (await verdict(desk, clip, "skip", "one")).json()

    assert again == first
    history = await desk.application.bus.history(film.video_id)
    assert len(history) == len(film.told) + 1


async def test_a_key_decides_one_thing_only(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)
    await verdict(desk, clip, "skip", "one")

    answer = await verdict(desk, clip, "approve", "one")

    assert answer.status_code == 422
    assert answer.json()["rule"] == "key_is_new"


async def test_of_two_verdicts_at_once_one_wins_and_the_other_is_told(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)

    answers = await asyncio.gather(
        verdict(desk, clip, "approve", "ana", seen="pending_review"),
        verdict(desk, clip, "skip", "ben", seen="pending_review"),
    )

    codes = sorted(a.status_code for a in answers)
    assert codes == [200, 409]
    refused = next(a for a in answers if a.status_code == 409).json()
    assert refused["rule"] == "clip_is_as_seen"
    assert "meanwhile it became" in refused["detail"]


async def test_verdicts_on_different_clips_of_one_video_all_count(desk: Any, film: Any) -> None:
    clips = [film.clip_id(*span) for span in ((0, 30), (30, 120), (120, 250), (250, 300))]

    answers = await asyncio.gather(*(verdict(desk, clip, "skip", "one") for clip in clips))

    assert [a.status_code for a in answers] == [200, 200, 200, 200]
    shown = (await desk.client.get(f"/api/videos/{film.video_id}")).json()
    assert shown["state"] == "done"
    assert shown["clips"] == {"review_skipped": 4}


async def test_a_verdict_may_be_changed_until_the_clip_is_a_file(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)

    states = [
        (await verdict(desk, clip, said, key)).json()["clip"]["state"]
        for said, key in (("skip", "1"), ("approve", "2"), ("archive", "3"))
    ]

    assert states == ["review_skipped", "exporting", "review_archived"]


async def test_the_same_verdict_twice_is_refused_with_who(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)
    await verdict(desk, clip, "skip", "one")

    answer = await verdict(desk, clip, "skip", "two")

    assert answer.status_code == 409
    assert answer.json()["rule"] == "verdict_is_new"
    assert answer.json()["detail"] == "The clip of frames 30 to 119 was skipped by local already."


async def test_a_file_takes_no_verdict(desk: Any, story: Any) -> None:
    film = story().ready([30])
    film.exported(film.verdict("approve", 0, 30))
    await desk.publish(film)

    answer = await verdict(desk, film.clip_id(0, 30), "skip", "late")

    assert answer.status_code == 409
    assert answer.json()["rule"] == "clip_is_no_file_yet"


async def test_an_approval_names_the_segments_that_the_clip_touches(desk: Any, film: Any) -> None:
    from heaters_contracts.fact import decode

    await verdict(desk, film.clip_id(30, 120), "approve", "one")

    last = (await desk.application.bus.history(film.video_id))[-1]
    approved: Any = decode(last.subject, last.headers, last.data).fact
    assert [part.segment.index for part in approved.parts] == [0, 1]
    assert (approved.span.start, approved.span.end) == (30, 120)
    assert approved.by == "local"


async def test_an_approval_names_the_original_where_its_quality_was_asked_for(desk: Any, story: Any) -> None:
    told = story(options=Options(export_quality="source")).ready([30, 120])
    await desk.publish(told)
    alone, grouped = told.clip_id(0, 30), [told.clip_id(30, 120), told.clip_id(120, 300)]

    await verdict(desk, alone, "approve", "one")
    await desk.client.post(
        "/api/groups", json={"clips": [str(one) for one in grouped]}, headers={"Idempotency-Key": "two"}
    )

    facts = [decode(m.subject, m.headers, m.data).fact for m in await desk.application.bus.history(told.video_id)]
    orders = {fact.clip_id: fact for fact in facts if isinstance(fact, ClipApproved)}
    assert orders.keys() == {alone, *grouped}
    assert [(fact.quality, fact.source) for fact in orders.values()] == [("source", told.source)] * 3


async def test_a_verdict_without_a_key_is_refused(desk: Any, film: Any) -> None:
    answer = await desk.client.post(f"/api/clips/{film.clip_id(30, 120)}/verdict", json={"verdict": "skip"})

    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.text


@pytest.mark.parametrize("body", [{"verdict": "love"}, {}, {"verdict": "skip", "else": 1}, []])
async def test_a_verdict_that_is_none_is_refused(desk: Any, film: Any, body: Any) -> None:
    answer = await desk.client.post(
        f"/api/clips/{film.clip_id(30, 120)}/verdict", json=body, headers={"Idempotency-Key": "x"}
    )

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


async def test_no_such_clip_takes_no_verdict(desk: Any) -> None:
    answer = await verdict(desk, "00000000-0000-4000-8000-000000000000", "skip", "one")

    assert answer.status_code == 404
