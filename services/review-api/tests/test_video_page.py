"""The page of a video, its facts and objects, clips by seconds, and changes by topic."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from heaters_local.client import Api


@pytest.fixture
async def long(desk: Any, story: Any) -> Any:
    film = story(frames=(100,)).ready([10, 30, 60])
    await desk.publish(film)
    return film


@pytest.fixture
async def timed(desk: Any, film: Any) -> Any:
    """Of 60 real frames at 25 a second."""
    told = film.story().ready([25])
    await desk.publish(told)
    return told


async def test_a_page_says_which_objects_lie_in_the_store_and_who_put_them_there(desk: Any, timed: Any) -> None:
    shown = (await desk.client.get(f"/api/videos/{timed.video_id}")).json()

    kinds = [(one["kind"], one["stage"], one["segment"]) for one in shown["objects"]]
    assert kinds[:2] == [("source", "download", None), ("frame_table", "plan", None)]
    assert ("proxy", "preprocess", 0) in kinds
    assert ("tiny", "preprocess", 0) in kinds
    assert len({one["key"] for one in shown["objects"]}) == len(shown["objects"])
    assert shown["bytes"] == sum(one["bytes"] for one in shown["objects"])


async def test_a_page_of_many_clips_says_where_they_go_on(desk: Any, long: Any) -> None:
    first = (await desk.client.get(f"/api/videos/{long.video_id}", params={"clips": 3})).json()
    rest = (
        await desk.client.get("/api/clips", params={"video": str(long.video_id), "cursor": first["clips_next"]})
    ).json()
    facts = (
        await desk.client.get(f"/api/videos/{long.video_id}/facts", params={"after": first["events_next"], "limit": 2})
    ).json()
    whole = (await desk.client.get(f"/api/videos/{long.video_id}")).json()

    assert [clip["start"] for clip in first["clips_list"]] == [0, 10, 30]
    assert [clip["start"] for clip in rest["items"]] == [60]
    assert first["clips"] == whole["clips"] == {"pending_review": 4}
    assert [fact["type"] for fact in facts["items"]] == ["video.planned", "segment.preprocessed"]
    assert facts["next"] == facts["items"][-1]["sequence"]
    assert (whole["clips_next"], whole["events_next"]) == (None, None)


async def test_a_client_reads_all_of_a_long_video_however_many_pages_it_has(desk: Any, long: Any) -> None:
    whole = (await desk.client.get(f"/api/videos/{long.video_id}")).json()

    with Api(str(desk.client.base_url).rstrip("/"), "a-token-for-tests") as api:
        found = await asyncio.to_thread(api.whole_video, str(long.video_id), at_once=2)

    assert [clip["start"] for clip in found["clips_list"]] == [0, 10, 30, 60]
    assert found["events"] == whole["events"]
    assert len(found["events"]) == 6


async def test_an_undo_and_a_redo_say_what_they_are_about(desk: Any, long: Any) -> None:
    async def decide(path: str, body: dict[str, Any] | None = None) -> None:
        answer = await desk.client.post(path, json=body or {}, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == 200, answer.text

    one, both = long.clip_id(0, 10), [str(long.clip_id(30, 60)), str(long.clip_id(60, 100))]
    for path, body in (
        (f"/api/clips/{one}/verdict", {"verdict": "skip"}),
        (f"/api/videos/{long.video_id}/cuts", {"operation": "move", "frame": 60, "to": 64}),
    ):
        await decide(path, body)
        await decide("/api/undo")
        await decide("/api/redo")
        await decide("/api/undo")
    await decide("/api/selection/verdict", {"clips": both, "verdict": "archive"})
    await decide("/api/undo")

    facts = (await desk.client.get(f"/api/videos/{long.video_id}/facts", params={"limit": 500})).json()["items"]
    whole = (await desk.client.get(f"/api/videos/{long.video_id}")).json()["events"]

    turned = [(f["type"], f["note"], f["clip_id"]) for f in facts if f["type"].startswith("decision.")]
    assert turned[:4] == [
        ("decision.undone", "skip", str(one)),
        ("decision.redone", "skip", str(one)),
        ("decision.undone", "skip", str(one)),
        ("decision.undone", "move cut 60 to 64", None),
    ]
    assert turned[-1] == ("decision.undone", "archive, 2 clips", None)
    assert [(f["type"], f["note"], f["clip_id"]) for f in whole if f["type"].startswith("decision.")] == turned


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        ({"seconds_from": "1.4"}, [25]),
        ({"seconds_to": "1"}, [0]),
        ({"seconds_from": "1.400001"}, []),
        ({"seconds_from": "1", "seconds_to": "1.4"}, [0, 25]),
    ],
)
async def test_clips_are_found_by_exactly_how_long_they_last(
    desk: Any, timed: Any, seconds: dict[str, str], starts: list[int]
) -> None:
    found = (await desk.client.get("/api/clips", params={"video": str(timed.video_id), **seconds})).json()

    assert [clip["start"] for clip in found["items"]] == starts
    assert found["next"] is None


async def test_what_is_no_number_of_seconds_is_refused_with_what_it_was(desk: Any) -> None:
    answer = await desk.client.get("/api/clips", params={"seconds_from": "1e3"})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "'1e3' is no number of seconds, such as 2 or 0.5"


async def test_a_watcher_of_a_topic_sees_no_other(desk: Any, long: Any) -> None:
    path = f"/api/events?after=0&video={long.video_id}&topic=segment"

    types: list[str] = []
    async with desk.client.stream("GET", path) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                types.append(line)
            if len(types) == 3:
                break

    assert all('"type":"segment.' in one for one in types)
