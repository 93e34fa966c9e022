"""Uploads in parts: from begun to asked for, gone on with after a break, refused, dropped and swept. A real store takes the parts."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from heaters_local.client import Api
from heaters_local.parts import upload_in_parts
from heaters_media.film import FilmKind, render_film
from heaters_review_api.core.uploads import Parts, container_of, divided
from heaters_review_api.settings import Settings
from sqlalchemy import text

MIB = 1024**2
PART = 5 * MIB


@pytest.fixture(scope="module")
async def parts_desk(migrated: Settings, start: Callable[[Settings], Any]) -> AsyncIterator[Any]:
    wide = migrated.model_copy(update={"upload_limit_bytes": 64 * MIB, "upload_part_bytes": PART})
    async with start(wide) as one:
        yield one


@pytest.fixture(scope="module")
def big_film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real film, made long by a last box that players skip: two parts and a bit."""
    path: Path = render_film(tmp_path_factory.mktemp("big") / "film.mp4", FilmKind())
    film = path.read_bytes()
    filler = 2 * PART + 1000 - len(film)
    return film + filler.to_bytes(4, "big") + b"free" + bytes(filler - 8)


async def begun(desk: Any, data: bytes, **more: Any) -> Any:
    wish = {"name": "Harbour walk.MP4", "bytes": len(data), "content_type": "video/mp4", **more}
    answer = await desk.client.post("/api/uploads/parts", json=wish)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def send(desk: Any, upload: Any, data: bytes, *numbers: int) -> None:
    answer = await desk.client.post(f"/api/uploads/parts/{upload['id']}/urls", json={"parts": list(numbers)})
    assert answer.status_code == 200, answer.text
    async with httpx.AsyncClient(trust_env=False, timeout=60) as store:
        for one in answer.json()["items"]:
            at = (one["part"] - 1) * upload["part_bytes"]
            put = await store.put(one["url"], content=data[at : at + one["bytes"]])
            assert put.status_code == 200, put.text


async def test_a_file_goes_up_in_parts_and_may_be_asked_for(parts_desk: Any, big_film: bytes) -> None:
    upload = await begun(parts_desk, big_film, head=base64.b64encode(big_film[:4096]).decode())
    await send(parts_desk, upload, big_film, 1, 2, 3)

    done = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/complete")
    again = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/complete")
    source = {"kind": "upload", "key": done.json()["key"], "name": "Harbour walk.MP4"}
    asked = await parts_desk.client.post("/api/ingest", json={"source": source})

    assert (upload["parts"], upload["part_bytes"], upload["done"]) == (3, PART, [])
    assert done.json() == {"key": upload["key"], "bytes": 2 * PART + 1000, "sha256": None}
    assert again.json() == done.json()
    assert upload["key"].startswith("uploads/local/")
    assert upload["key"].endswith(".mp4")
    assert (
        parts_desk.application.desk.objects.store.get_range(upload["key"], PART - 5, 10)
        == big_film[PART - 5 : PART + 5]
    )
    assert asked.json()["status"] == "requested"


async def test_what_was_sent_before_a_break_is_not_sent_again(parts_desk: Any, big_film: bytes) -> None:
    resume_key = f"film.mp4:{uuid4()}"
    upload = await begun(parts_desk, big_film, resume_key=resume_key)
    await send(parts_desk, upload, big_film, 2)

    found = await begun(parts_desk, big_film, resume_key=resume_key)
    seen = await parts_desk.client.get(f"/api/uploads/parts/{upload['id']}")
    early = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/complete")
    await send(parts_desk, found, big_film, 1, 3)
    done = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/complete")

    assert found["id"] == upload["id"]
    assert found["done"] == seen.json()["done"] == [2]
    assert early.status_code == 409
    assert early.json()["detail"] == "2 of 3 parts have not come: 1, 3"
    assert done.status_code == 200, done.text


async def test_two_who_begin_one_file_at_once_share_an_upload(parts_desk: Any, big_film: bytes) -> None:
    resume_key = f"film.mp4:{uuid4()}"

    found = await asyncio.gather(*(begun(parts_desk, big_film, resume_key=resume_key) for _ in range(4)))

    assert len({one["id"] for one in found}) == 1


async def test_a_part_of_another_size_is_not_taken(parts_desk: Any, big_film: bytes) -> None:
    upload = await begun(parts_desk, big_film)
    answer = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/urls", json={"parts": [3]})
    url = answer.json()["items"][0]["url"]

    async with httpx.AsyncClient(trust_env=False, timeout=60) as store:
        put = await store.put(url, content=bytes(999))
    await send(parts_desk, upload, big_film, 1, 2)
    done = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/complete")

    assert put.status_code == 403
    assert done.status_code == 409


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"bytes": 65 * MIB}, 413, "at most 67108864 bytes are taken in; this has 68157440"),
        ({"head": base64.b64encode(b"<html>").decode()}, 415, "notes.mp4 does not begin as a video file does"),
        ({"head": "%%%"}, 400, "head: not base64"),
        ({"head": "\u00bb\u00e0"}, 400, "head: not base64"),
        ({"name": "a\x00.mp4"}, 400, "name"),
        ({"bytes": 0}, 400, ""),
        ({"size": 5}, 400, ""),
    ],
)
async def test_what_cannot_be_taken_in_is_refused_before_it_is_sent(
    parts_desk: Any, more: dict[str, Any], status: int, said: str
) -> None:
    answer = await parts_desk.client.post("/api/uploads/parts", json={"name": "notes.mp4", "bytes": 1000, **more})

    assert answer.status_code == status
    assert said in answer.json()["detail"]


async def test_what_is_no_video_after_all_is_dropped(parts_desk: Any) -> None:
    data = b"ffconcat version 1.0\nfile /etc/passwd\n"
    upload = await begun(parts_desk, data)
    await send(parts_desk, upload, data, 1)

    done = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/complete")
    seen = await parts_desk.client.get(f"/api/uploads/parts/{upload['id']}")
    asked = await parts_desk.client.post("/api/ingest", json={"source": {"kind": "upload", "key": upload["key"]}})

    assert done.status_code == 415
    assert seen.json()["state"] == "refused"
    assert parts_desk.application.desk.objects.store.head(upload["key"]) is None
    assert asked.json()["status"] == "rejected"


async def test_a_dropped_upload_takes_nothing_more(parts_desk: Any, big_film: bytes) -> None:
    upload = await begun(parts_desk, big_film)
    await send(parts_desk, upload, big_film, 1)

    dropped = await parts_desk.client.delete(f"/api/uploads/parts/{upload['id']}")
    more = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/urls", json={"parts": [2]})
    unknown = await parts_desk.client.get(f"/api/uploads/parts/{uuid4()}")

    assert dropped.status_code == 204
    assert (more.status_code, more.json()["detail"]) == (409, "this upload is aborted: by its sender")
    assert unknown.status_code == 404
    assert upload["key"] not in {one.key for one in parts_desk.application.desk.objects.store.unfinished("uploads/")}


async def test_uploads_that_nobody_goes_on_with_are_swept_and_others_stay(
    migrated: Settings, start: Callable[[Settings], Any], big_film: bytes
) -> None:
    async with start(migrated.model_copy(update={"upload_limit_bytes": 64 * MIB, "upload_kept_s": 1.0})) as desk:
        store = desk.application.desk.objects.store
        left = await begun(desk, big_film)
        unknown_key = f"uploads/local/{uuid4().hex}.mp4"
        store.begin_parts(unknown_key, content_type="video/mp4")
        await asyncio.sleep(2.1)
        fresh = await begun(desk, big_film)
        async with desk.application.engine.begin() as connection:
            goes_on = "UPDATE app.upload_session SET touched_at = now() + interval '1 minute' WHERE id = :id"
            await connection.execute(text(goes_on), {"id": fresh["id"]})

        dropped = await desk.application.desk.uploads.sweep()

        keys = {one.key for one in store.unfinished("uploads/")}
        assert dropped >= 2
        assert fresh["key"] in keys
        assert not {left["key"], unknown_key} & keys
        state = (await desk.client.get(f"/api/uploads/parts/{left['id']}")).json()
        assert (state["state"], state["reason"]) == ("aborted", "left alone for too long")


async def test_a_page_may_send_parts_to_the_store(parts_desk: Any, big_film: bytes) -> None:
    upload = await begun(parts_desk, big_film)
    answer = await parts_desk.client.post(f"/api/uploads/parts/{upload['id']}/urls", json={"parts": [1]})
    headers = {"origin": "https://review.example", "access-control-request-method": "PUT"}

    async with httpx.AsyncClient(trust_env=False, timeout=60) as store:
        asked = await store.options(answer.json()["items"][0]["url"], headers=headers)
    page = await parts_desk.client.get("/api/videos")

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] in {"*", "https://review.example"}
    assert (
        f"connect-src 'self' {parts_desk.application.settings.s3_endpoint};" in page.headers["content-security-policy"]
    )


async def test_the_command_line_goes_on_with_what_was_begun(parts_desk: Any, big_film: bytes, tmp_path: Path) -> None:
    file = tmp_path / "Harbour walk.mp4"
    file.write_bytes(big_film)
    token = parts_desk.client.headers["authorization"].removeprefix("Bearer ")
    about = file.stat()
    begun_before = await begun(
        parts_desk, big_film, name=file.name, resume_key=f"{file.name}:{about.st_size}:{about.st_mtime_ns}"
    )
    await send(parts_desk, begun_before, big_film, 1)
    told: list[int] = []

    with Api(str(parts_desk.client.base_url), token) as api:
        stored = await asyncio.to_thread(upload_in_parts, api._ask, file, told.append)

    assert stored["key"] == begun_before["key"]
    assert told[0] == PART
    assert sum(told) == len(big_film)
    assert parts_desk.application.desk.objects.store.head(stored["key"])[0] == len(big_film)


def test_parts_cover_the_file_and_are_never_too_many() -> None:
    small = divided(11 * MIB, wished_bytes=PART)
    huge = divided(5 * 1024**4, wished_bytes=PART)

    assert [small.bytes_of(n) for n in range(1, small.count + 1)] == [PART, PART, MIB]
    assert huge.part_bytes == 525 * MIB
    assert huge.count == 9987
    with pytest.raises(ValueError, match="there is no part 4: the file has parts 1 to 3"):
        small.bytes_of(4)
    assert Parts(1, PART).count == 1


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\x00\x00\x00\x20ftypisom", "MP4 or QuickTime"),
        (b"\x00\x00\x00\x08wide\x00\x00", "QuickTime"),
        (b"\x1a\x45\xdf\xa3\x01", "Matroska or WebM"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "AVI"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        ((b"G" + bytes(187)) * 5, "MPEG transport stream"),
        ((bytes(4) + b"G" + bytes(187)) * 5, "MPEG transport stream"),
        (b"G" + bytes(187), None),
        (b"\x00\x00\x00\x20ftypheic", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"#EXTM3U\n", None),
        (b"<!doctype html>", None),
        (b"PK\x03\x04", None),
        (b"", None),
    ],
)
def test_a_file_is_taken_for_what_its_first_bytes_say(head: bytes, container: str | None) -> None:
    assert container_of(head) == container
