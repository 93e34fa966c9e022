"""The rest of the API, on real servers."""

import asyncio
import json
from typing import Any

import pytest
from heaters_contracts.facts.video import VideoRejected

NIL = "00000000-0000-4000-8000-000000000000"


async def test_a_video_tells_everything_in_one_call(desk: Any, story: Any) -> None:
    film = story(frames=(100,)).ready([30])
    await desk.publish(film)

    shown = (await desk.client.get(f"/api/videos/{film.video_id}")).json()

    assert shown["title"] == "Harbour walk"
    assert shown["frames"] == 100
    assert shown["duration_ticks"] == 51200
    assert shown["time_base"] == [1, 12800]
    assert (shown["segments_done"], shown["segments_total"]) == (1, 1)
    assert shown["cuts"] == [{"frame": 30, "kind": "hard", "confidence": 0.9, "extent": [30, 31], "by": None}]
    assert [(c["start"], c["end"], c["confidence_in"], c["confidence_out"]) for c in shown["clips_list"]] == [
        (0, 30, None, 0.9),
        (30, 100, 0.9, None),
    ]
    assert shown["stages"]["download"] == {"seconds": 1.0, "jobs": 1}
    assert shown["stages"]["plan"]["jobs"] == 1
    assert [e["type"] for e in shown["events"]] == [
        "video.requested",
        "video.downloaded",
        "segment.planned",
        "video.planned",
        "segment.preprocessed",
        "segment.scenes_detected",
    ]
    assert shown["waiting_s"] is not None


async def test_pages_of_clips_give_every_clip_once_and_in_order(desk: Any, story: Any) -> None:
    cuts = list(range(10, 300, 10))
    film = story().ready(cuts)
    await desk.publish(film)

    starts, cursor = [], None
    for _ in range(20):
        wanted = {"video": str(film.video_id), "limit": 7} | ({"cursor": cursor} if cursor else {})
        page = (await desk.client.get("/api/clips", params=wanted)).json()
        starts += [clip["start"] for clip in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert starts == [0, *cuts]


async def test_pages_of_videos_give_the_newest_first(desk: Any, story: Any) -> None:
    films = [story() for _ in range(3)]
    for film in films:
        film.requested()
        await desk.publish(film)

    first = (await desk.client.get("/api/videos", params={"limit": 2})).json()
    second = (await desk.client.get("/api/videos", params={"limit": 2, "cursor": first["next"]})).json()

    assert [v["id"] for v in (*first["items"], *second["items"])][:3] == [str(f.video_id) for f in reversed(films)]


async def test_the_queue_holds_what_waits(desk: Any, story: Any) -> None:
    film = story().ready([30, 60])
    film.verdict("skip", 0, 30)
    await desk.publish(film)

    queue = (await desk.client.get("/api/queue", params={"limit": 500})).json()

    ours = [(c["start"], c["end"]) for c in queue["items"] if c["video_id"] == str(film.video_id)]
    assert ours == [(30, 60), (60, 300)]
    assert queue["left"] == len(queue["items"])


async def test_clips_may_be_asked_for_by_state(desk: Any, story: Any) -> None:
    film = story().ready([30, 60])
    film.verdict("archive", 30, 60)
    await desk.publish(film)

    wanted = {"video": str(film.video_id), "state": "review_archived"}
    page = (await desk.client.get("/api/clips", params=wanted)).json()

    assert [(c["start"], c["end"]) for c in page["items"]] == [(30, 60)]


async def test_alike_clips_come_nearest_first(desk: Any, story: Any) -> None:
    film = story().ready([30, 60, 90])
    vectors = {(0, 30): (1.0, 0.0, 0.0), (30, 60): (0.6, 0.8, 0.0), (60, 90): (0.8, 0.6, 0.0)}
    for n, (span, vector) in enumerate(vectors.items()):
        film.embedded(film.keyframed(film.exported(film.verdict("approve", *span, key=str(n)))), vector)
    await desk.publish(film)

    answer = await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}/similar", params={"limit": 200})

    assert answer.status_code == 200, answer.text
    ours = [n for n in answer.json()["items"] if n["clip"]["video_id"] == str(film.video_id)]
    assert [(n["clip"]["start"], round(n["similarity"], 2)) for n in ours] == [(60, 0.8), (30, 0.6)]


async def test_a_clip_that_is_not_embedded_cannot_be_compared(desk: Any, story: Any) -> None:
    film = story().ready([30])
    await desk.publish(film)

    answer = await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}/similar")

    assert answer.status_code == 409
    assert "pending_review" in answer.json()["detail"]


async def test_an_export_is_found_at_an_address_of_the_store(desk: Any, story: Any) -> None:
    film = story().ready([30])
    film.exported(film.verdict("approve", 0, 30))
    await desk.publish(film)

    answer = await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}/download")
    early = await desk.client.get(f"/api/clips/{film.clip_id(30, 300)}/download")

    assert answer.status_code == 302
    assert answer.headers["location"].startswith(desk.application.settings.s3_endpoint)
    assert "Harbour_walk-0-30.mp4" in answer.headers["location"]
    assert early.status_code == 409


async def test_what_failed_is_listed_with_its_reason(desk: Any, story: Any) -> None:
    film = story()
    film.failed("download", film.requested(), reason="text/html came instead of a film")
    await desk.publish(film)

    listed = (await desk.client.get("/api/failures")).json()["items"]

    ours = next(f for f in listed if f["video_id"] == str(film.video_id))
    assert ours["stage"] == "download"
    assert ours["reason"] == "text/html came instead of a film"
    assert (ours["failure_class"], ours["attempts"], ours["clip_id"]) == ("bad_input", 4, None)


async def test_pages_of_what_failed_give_each_once_with_refused_requests_in_their_places(desk: Any, story: Any) -> None:
    before = (await desk.client.get("/api/failures")).json()["total"]
    told = []
    for stage in ("store_master", None, "store_master", "download", None, "store_master"):
        film = story()
        if stage is None:
            refused = VideoRejected(requester="films", request_id=str(film.video_id), reason="no such site")
            film.say(refused, None, worked_s=None)
        else:
            film.failed(stage, film.requested())
        await desk.publish(film)
        told.append(str(film.video_id))

    async def pages(count: int, **wish: Any) -> tuple[list[str], int, str | None]:
        found, page = [], {"next": None}
        for _ in range(count):
            cursor = {"cursor": page["next"]} if page["next"] else {}
            page = (await desk.client.get("/api/failures", params={**wish, **cursor})).json()
            found += [one["video_id"] for one in page["items"]]
        return found, page["total"], page["next"]

    everything, total, goes_on = await pages(3, limit=2)
    masters, of_stage, _ = await pages(2, limit=2, stage="store_master")
    refused_only, _, _ = await pages(1, limit=2, stage="admission")
    whole = await pages(1)
    wrong = [
        (await desk.client.get("/api/failures", params=params)).status_code
        for params in ({"stage": "no such\0"}, {"cursor": "nonsense"}, {"limit": 501})
    ]

    assert everything == told[::-1]
    assert total == before + 6
    assert (goes_on is None) == (before == 0)
    assert [one for one in masters if one in told] == [told[5], told[2], told[0]]
    assert of_stage >= 3
    assert refused_only == [told[4], told[1]]
    assert whole[2] is None
    assert wrong == [400, 400, 400]


async def test_progress_is_shown_as_it_comes(desk: Any, story: Any) -> None:
    film = story()
    for _ in range(1200):
        await desk.application.bus.report("preprocess", film.video_id, 0.61, detail="segment 2")
        items = (await desk.client.get("/api/progress")).json()["items"]
        ours = [i for i in items if i["video_id"] == str(film.video_id)]
        if ours:
            break
        await asyncio.sleep(0.05)

    unsaid = {"done": None, "total": None, "per_s": None, "left_s": None}
    assert ours == [
        {"video_id": str(film.video_id), "stage": "preprocess", "fraction": 0.61, "detail": "segment 2", **unsaid}
    ]


async def test_a_watcher_sees_every_change_in_order_and_can_go_on(desk: Any, story: Any) -> None:
    film = story()
    requested = film.requested()
    await desk.publish(film)
    begin = desk.application.passed.sequence
    film.downloaded(requested)

    async def watch(after: int, count: int) -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        async with desk.client.stream("GET", "/api/events", headers={"Last-Event-ID": str(after)}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    change = json.loads(line[6:])
                    seen.append((change["sequence"], change["type"]))
                    if len(seen) == count:
                        return seen
        return seen

    watching = asyncio.create_task(watch(begin, 1))
    await desk.publish(film)
    live = await asyncio.wait_for(watching, 60)
    replayed = await asyncio.wait_for(watch(begin - 1, 2), 60)

    assert [kind for _, kind in live] == ["video.downloaded"]
    assert [kind for _, kind in replayed] == ["video.requested", "video.downloaded"]
    assert replayed[1] == live[0]


@pytest.mark.parametrize(
    "path",
    [
        "/api/videos/nonsense",
        "/api/videos/00000000-0000-4000-8000-000000000000",
        "/api/videos?limit=0",
        "/api/videos?cursor=%00",
        "/api/clips?state=lost",
        "/api/clips?video=1",
        "/api/clips?cursor=AAAA",
        "/api/clips?tag=%00",
        "/api/audit?actor=%00",
        f"/api/videos/{NIL}/storyboard/{'9' * 5000}",
        f"/api/videos/{NIL}/waveform?start={'9' * 30}",
        "/nowhere",
    ],
)
async def test_what_cannot_be_answered_is_a_problem_with_a_reason(desk: Any, path: str) -> None:
    answer = await desk.client.get(path)

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["title"]
    assert answer.json()["status"] == answer.status_code


async def test_settings_are_kept_as_they_are_or_refused(desk: Any) -> None:
    wished = {"settings": {"path": "C:\\u0000", "nul": "a\x00b", "far": 10**400}}
    deep = b'{"settings": {"a": ' + b"[" * 15_000 + b"]" * 15_000 + b"}}"

    kept = await desk.client.put("/api/me/settings", json=wished)
    found = await desk.client.get("/api/me/settings")
    refused = await desk.client.put("/api/me/settings", content=deep, headers={"content-type": "application/json"})

    assert kept.status_code == 200
    assert found.json()["settings"] == {"path": "C:\\u0000", "nul": "a\ufffdb", "far": 10**400}
    assert refused.status_code == 400
    assert refused.json()["detail"] == "The body is nested too deeply."


async def test_settings_that_are_changed_leave_the_others_as_they_are(desk: Any) -> None:
    await desk.client.put("/api/me/settings", json={"settings": {"sound": True, "keys": {"skip": ["Q"]}}})

    changed = await desk.client.patch("/api/me/settings", json={"settings": {"theme": "dark", "keys": {}}})
    refused = await desk.client.patch("/api/me/settings", json={"settings": {"note": "long" * 8192}})
    found = await desk.client.get("/api/me/settings")

    assert changed.json()["settings"] == {"sound": True, "theme": "dark", "keys": {}}
    assert (refused.status_code, refused.json()["title"]) == (413, "These settings are too long")
    assert found.json() == changed.json()


async def test_the_document_is_openapi_and_knows_the_routes(desk: Any) -> None:
    document = (await desk.client.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert "/api/clips/{clip_id}/verdict" in document["paths"]


async def test_health_tells_of_every_part(desk: Any) -> None:
    assert (await desk.client.get("/healthz")).text == "ok"
    async with asyncio.timeout(60):  # a part that is busy may be late with its answer
        while (ready := (await desk.client.get("/readyz")).json()) != {"ready": True}:
            assert not ready["ready"]
            await asyncio.sleep(0.2)
    assert "heaters_projection_sequence" in (await desk.client.get("/metrics")).text


async def test_the_page_and_its_parts_are_served(desk: Any) -> None:
    page = await desk.client.get("/")
    assert page.status_code in {200, 401}

    part = await desk.client.get("/static/tokens.css")
    known = await desk.client.get("/static/tokens.css", headers={"If-None-Match": part.headers["etag"]})
    assert part.headers["content-type"] == "text/css; charset=utf-8"
    assert known.status_code == 304
    assert (await desk.client.get("/docs")).status_code == 200
    assert (await desk.client.get("/static/..%2fapp.py")).status_code == 404
