"""Who is on which video, what is handed back when a page is closed, and what one connection of live updates may watch."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from heaters_review_api.db.leases import Leases
from heaters_review_api.glance import Glance
from sqlalchemy import text


@pytest.fixture
async def film(desk: Any, story: Any) -> AsyncIterator[Any]:
    told = story().ready([30, 120, 250])
    await desk.publish(told)
    yield told
    for holder in ("local", "ana", "ben"):
        await desk.application.desk.leases.release(holder)


async def take(desk: Any, film: Any, limit: int) -> list[str]:
    answer = await desk.client.post(
        "/api/queue/next",
        json={"limit": limit, "video": str(film.video_id)},
        headers={"Idempotency-Key": uuid4().hex},
    )
    return [clip["id"] for clip in answer.json()["items"]]


async def leave(desk: Any, said: str) -> Any:
    return await desk.client.post(
        "/api/queue/leave", content=said, headers={"Content-Type": "text/plain;charset=UTF-8"}
    )


async def here(desk: Any, film: Any) -> list[tuple[str, int]]:
    items = (await desk.client.get("/api/presence")).json()["items"]
    return [(one["by"], one["clips"]) for one in items if one["video_id"] == str(film.video_id)]


async def test_a_page_that_is_closed_hands_its_clips_back_at_once(desk: Any, film: Any) -> None:
    leases = desk.application.desk.leases
    first, second, third, fourth = await take(desk, film, 4)

    some = await leave(desk, f"{first} {second}")
    after_some = await leases.take("ben", "k", order="video", limit=4, video_id=film.video_id)
    rest = await leave(desk, "")
    after_rest = await leases.take("ana", "k", order="video", limit=4, video_id=film.video_id)

    assert (some.status_code, rest.status_code) == (204, 204)
    assert [str(clip) for clip in after_some] == [first, second]
    assert [str(clip) for clip in after_rest] == [third, fourth]


@pytest.mark.parametrize("said", ["nonsense", "{}", " ".join(["0b1f6b1e-3c1c-5d0e-9a53-6f1f0a0c4e11"] * 1001)])
async def test_what_is_no_list_of_clips_hands_nothing_back(desk: Any, film: Any, said: str) -> None:
    await take(desk, film, 2)

    answer = await leave(desk, said)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert await here(desk, film) == [("local", 2)]


async def test_who_holds_nothing_and_was_not_seen_lately_is_not_present(desk: Any, film: Any) -> None:
    leases = Leases(desk.application.engine, lease_s=60)
    (clip,) = await leases.take("ana", "k", order="video", limit=1, video_id=film.video_id)

    holding = await leases.present()
    await desk.client.post(
        f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": uuid4().hex}
    )
    just_decided = await leases.present()
    async with desk.application.engine.begin() as connection:
        half_a_minute_goes_by = (
            "UPDATE app.lease SET expires_at = expires_at - interval '31 seconds' WHERE clip_id = :clip"
        )
        await connection.execute(text(half_a_minute_goes_by), {"clip": clip})
    later = await leases.present()

    def of_ana(found: Any) -> list[int]:
        return [one.clips for one in found if one.by == "ana" and one.video_id == film.video_id]

    assert (of_ana(holding), of_ana(just_decided), of_ana(later)) == ([1], [0], [])


async def test_one_connection_watches_facts_progress_and_presence(desk: Any, film: Any) -> None:
    watched = {"topic": ["clip", "progress", "presence"], "video": str(film.video_id)}
    events: asyncio.Queue[tuple[str, Any, bool]] = asyncio.Queue()

    async def watch() -> None:
        async with desk.client.stream("GET", "/api/events", params=watched) as answer:
            said: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    said[name] = value
                else:
                    if "event" in said:
                        events.put_nowait((said["event"], json.loads(said["data"]), "id" in said))
                    said = {}

    async def next_of(kind: str) -> tuple[Any, bool]:
        async with asyncio.timeout(60):
            while True:
                event, data, numbered = await events.get()
                if event == kind:
                    return data, numbered

    watching = asyncio.create_task(watch())
    try:
        nobody, _ = await next_of("presence")
        (clip,) = await take(desk, film, 1)
        present, present_numbered = await next_of("presence")
        await desk.application.bus.report("download", film.video_id, 0.25, detail="a quarter")
        working = {"items": []}
        while not working["items"]:
            working, working_numbered = await next_of("progress")
        await desk.client.post(
            f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": uuid4().hex}
        )
        change, change_numbered = await next_of("change")
        await leave(desk, "")
        gone = present
        while gone["items"]:
            gone, _ = await next_of("presence")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    assert nobody == {"items": []}
    assert [(one["by"], one["clips"]) for one in present["items"]] == [("local", 1)]
    assert [(one["stage"], one["fraction"]) for one in working["items"]] == [("download", 0.25)]
    assert (change["type"], change["clip_id"]) == ("clip.skipped", clip)
    assert (present_numbered, working_numbered, change_numbered) == (False, False, True)


async def test_it_is_looked_at_once_for_all_watchers_and_not_at_all_for_none() -> None:
    seen, looks = [1], 0

    async def look() -> list[int]:
        nonlocal looks
        looks += 1
        return list(seen)

    glance = Glance("numbers", look, every_s=0.01, closing=asyncio.Event())
    watchers = [glance.watch(pause_s=5) for _ in range(5)]
    first = [await anext(watcher) for watcher in watchers]
    seen.append(2)
    second = [await anext(watcher) for watcher in watchers]
    for watcher in watchers:
        await watcher.aclose()
    after_all_left = looks
    await asyncio.sleep(0.1)

    assert first == [[1]] * 5
    assert second == [[1, 2]] * 5
    assert looks == after_all_left


async def test_watching_ends_when_the_process_does() -> None:
    closing = asyncio.Event()

    async def look() -> list[int]:
        return [1]

    watcher = Glance("numbers", look, every_s=60, closing=closing).watch(pause_s=60)
    shown = await anext(watcher)
    closing.set()

    assert shown == [1]
    with pytest.raises(StopAsyncIteration):
        async with asyncio.timeout(30):
            await anext(watcher)
