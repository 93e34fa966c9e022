"""Admission by HTTP and by the ingest stream."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from heaters_contracts import ids


def wish(**more: Any) -> dict[str, Any]:
    return {"source": {"kind": "url", "url": f"https://films.example/{uuid4()}.mp4"}, "lane": "interactive", **more}


async def test_a_request_becomes_a_video(desk: Any) -> None:
    answer = await desk.client.post("/api/ingest", json=wish(options={"tags": ["sea"]}))

    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "requested"
    shown = (await desk.client.get(f"/api/videos/{answer.json()['video_id']}")).json()
    assert shown["state"] == "downloading"
    assert shown["lane"] == "interactive"
    assert shown["requester"] == "local"


async def test_asking_twice_is_asking_once(desk: Any) -> None:
    body = wish()

    first = (await desk.client.post("/api/ingest", json=body)).json()
    second = (await desk.client.post("/api/ingest", json=body)).json()

    assert [first["status"], second["status"]] == ["requested", "duplicate"]
    assert first["video_id"] == second["video_id"]
    assert len(await desk.application.bus.history(first["video_id"])) == 1


async def test_asking_at_the_same_time_is_asking_once(desk: Any) -> None:
    body = wish(request_id=str(uuid4()))

    answers = await asyncio.gather(*(desk.client.post("/api/ingest", json=body) for _ in range(4)))

    assert sorted(a.json()["status"] for a in answers) == ["duplicate", "duplicate", "duplicate", "requested"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"source": {"kind": "url", "url": "ftp://x"}}, "url"),
        ({"source": {"kind": "file", "path": "/etc/passwd"}}, "source"),
        ({"source": {"kind": "url", "url": "https://x.example/a"}, "colour": "red"}, "colour"),
        ({}, "source"),
        ([], "the request is not valid"),
    ],
)
async def test_what_is_no_request_is_refused_with_what_is_wrong(desk: Any, body: Any, said: str) -> None:
    answer = await desk.client.post("/api/ingest", json=body)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert said in answer.json()["detail"]


async def test_an_upload_is_stored_and_may_be_asked_for(desk: Any) -> None:
    stored = await desk.client.post("/api/uploads", params={"name": "a film.MP4"}, content=b"film" * 1000)
    assert stored.status_code == 201, stored.text
    key = stored.json()["key"]

    asked = await desk.client.post("/api/ingest", json={"source": {"kind": "upload", "key": key, "name": "a film.MP4"}})

    assert key.startswith("uploads/local/file-")
    assert key.endswith(".mp4")
    assert stored.json()["bytes"] == 4000
    assert desk.application.desk.objects.store.get_range(key, 0, 4) == b"film"
    assert asked.json()["status"] == "requested"


async def test_what_was_never_uploaded_is_rejected_with_the_reason(desk: Any) -> None:
    answer = await desk.client.post("/api/ingest", json={"source": {"kind": "upload", "key": "uploads/local/none.mp4"}})

    assert answer.status_code == 202
    assert answer.json()["status"] == "rejected"
    assert answer.json()["reason"] == "nothing was uploaded as uploads/local/none.mp4"
    shown = (await desk.client.get(f"/api/videos/{answer.json()['video_id']}")).json()
    assert shown["state"] == "rejected"


async def test_an_empty_upload_is_refused(desk: Any) -> None:
    answer = await desk.client.post("/api/uploads", params={"name": "a.mp4"}, content=b"")

    assert answer.status_code == 400
    assert answer.json()["title"] == "Nothing was uploaded"


async def test_an_upload_over_the_limit_is_refused(desk: Any) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 65536

    announced = await desk.client.post("/api/uploads", params={"name": "a.mp4"}, content=b"x" * (2 * 1024 * 1024))
    streamed = await desk.client.post("/api/uploads", params={"name": "a.mp4"}, content=endless())

    assert [announced.status_code, streamed.status_code] == [413, 413]


async def test_an_upload_that_does_not_say_how_long_it_is_does_not_fill_the_disk(
    migrated: Any, start: Any, tmp_path: Path
) -> None:
    async def some() -> Any:
        yield b"x" * 65536

    async with start(migrated.model_copy(update={"cache_dir": tmp_path})) as nearly_full:
        objects = nearly_full.application.desk.objects
        objects._free_space_bytes = shutil.disk_usage(tmp_path).free * 2

        answer = await nearly_full.client.post("/api/uploads", params={"name": "a.mp4"}, content=some())

    assert answer.status_code == 503
    assert "are needed beside a reserve" in answer.json()["detail"]


async def _eventually(desk: Any, video_id: Any) -> Any:
    for _ in range(1200):
        answer = await desk.client.get(f"/api/videos/{video_id}")
        if answer.status_code == 200:
            return answer.json()
        await asyncio.sleep(0.05)
    raise AssertionError("nothing came of the request")


async def test_a_request_of_the_stream_becomes_a_video(desk: Any) -> None:
    request_id = str(uuid4())
    data = json.dumps(wish(request_id=request_id, lane="bulk")).encode()

    for _ in range(2):
        await desk.application.bus.publish_raw("ingest.team-sea", {}, data, stream="INGEST")
    shown = await _eventually(desk, ids.video_id("team-sea", request_id))

    assert shown["state"] == "downloading"
    assert shown["requester"] == "team-sea"


@pytest.mark.parametrize("body", ["nonsense {}", '{{"request_id": "\\ud800 {}"}}'])
async def test_a_body_of_the_stream_that_is_none_is_rejected_and_the_next_is_heard(desk: Any, body: str) -> None:
    bad = body.format(uuid4()).encode()
    request_id = str(uuid4())

    await desk.application.bus.publish_raw("ingest.team-sea", {}, bad, stream="INGEST")
    await desk.application.bus.publish_raw(
        "ingest.team-sea", {}, json.dumps(wish(request_id=request_id)).encode(), stream="INGEST"
    )

    rejected = await _eventually(desk, ids.video_id("team-sea", ids.sha256_of(bad.decode())))
    heard = await _eventually(desk, ids.video_id("team-sea", request_id))
    assert rejected["state"] == "rejected"
    assert "the request is not valid" in rejected["events"][0]["note"]
    failures = (await desk.client.get("/api/failures")).json()["items"]
    assert [f["stage"] for f in failures if f["video_id"] == rejected["id"]] == ["admission"]
    assert heard["state"] == "downloading"
