"""Terms of requesters: quotas, lanes, places, dry runs; and webhooks, signed, tried again, taken once."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from heaters_contracts.client import Heaters, Rejected, Unanswered, verify
from heaters_contracts.ingest import IngestRequest, Options, S3Source, UploadSource, UrlSource
from heaters_edges.bus import Bus
from heaters_edges.streams import migrate as migrate_streams
from heaters_review_api.core.requesters import Terms, objection, terms_of
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.schema import webhook
from heaters_review_api.ops.backup import backup, restore
from heaters_review_api.settings import Settings
from place import place
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

SECRET = "a-secret-of-theirs"


def request(url: str = "https://films.example/a", **more: Any) -> IngestRequest:
    return IngestRequest(source=UrlSource(url=url), **more)


@pytest.mark.parametrize(
    ("terms", "wanted", "said"),
    [
        (Terms(), request(), None),
        (Terms(lanes=("bulk",)), request(lane="interactive"), "the lane interactive is not yours: ask in bulk"),
        (Terms(videos_per_day=7), request(), "you have asked for 7 videos in 24 hours"),
        (Terms(videos_per_day=8), request(), None),
        (Terms(unfinished_most=3), request(), "3 of your videos are on their way"),
        (Terms(), request(options=Options(callback="https://hooks.example/")), "a callback needs a secret"),
        (
            Terms(webhook_secret=SecretStr(SECRET)),
            request(options=Options(callback="https://hooks.example/")),
            None,
        ),
    ],
)
def test_a_request_beyond_its_terms_is_refused_with_the_reason(
    terms: Terms, wanted: IngestRequest, said: str | None
) -> None:
    found = objection(wanted, terms, today=7, unfinished=3)

    assert found is None if said is None else (found or "").startswith(said)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://films.example/a", True),
        ("https://cdn.films.example/a", True),
        ("https://notfilms.example/a", False),
        ("https://films.example.evil.example/a", False),
        ("https://archive.example/reels/1.mp4", True),
        ("https://archive.example/reels", True),
        ("https://archive.example/reels2/1.mp4", False),
        ("https://archive.example/reels/../secret", False),
        ("https://archive.example/reels/%2e%2e/secret", False),
        ("http://archive.example/reels/1.mp4", False),
    ],
)
def test_videos_come_from_the_places_that_were_agreed_on(url: str, may: bool) -> None:
    terms = Terms(sources=("films.example", "*.films.example", "https://archive.example/reels/", "s3://films/"))

    assert (objection(request(url), terms, today=0, unfinished=0) is None) is may


def test_buckets_are_places_and_uploads_are_here_already() -> None:
    terms = Terms(sources=("s3://films/", "*"))
    bucket, other = S3Source(uri="s3://films/a.mp4"), S3Source(uri="s3://secrets/a.mp4")

    assert objection(IngestRequest(source=bucket), terms, today=0, unfinished=0) is None
    assert "s3://secrets/a.mp4 is none of the places" in str(
        objection(IngestRequest(source=other), terms, today=0, unfinished=0)
    )
    upload = UploadSource(key="uploads/me/a.mp4")
    assert objection(IngestRequest(source=upload), Terms(sources=()), today=0, unfinished=0) is None


def test_everybody_else_has_the_terms_of_the_star() -> None:
    terms = {"films": Terms(videos_per_day=5), "*": Terms(videos_per_day=1)}

    assert terms_of("films", terms).videos_per_day == 5
    assert terms_of("others", terms).videos_per_day == 1
    assert terms_of("others", {}) == Terms()


def test_wrong_terms_are_told_without_their_secrets(migrated: Settings) -> None:
    said = '{"films": {"webhook_secret": "very-secret", "lanes": ["fast"], "colour": 1}}'

    with pytest.raises(ValidationError) as refused:
        Settings(**{**migrated.model_dump(), "requesters": said})

    assert "films.lanes.0" in str(refused.value)
    assert "very-secret" not in str(refused.value)


@dataclass
class Ear:
    """An address that webhooks are sent to: it fails as often as it is told to."""

    port: int = 0
    failing: int = 0
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    """Until it is set, nobody who calls /silent is answered."""
    waiting: int = 0


@pytest.fixture
def ear() -> Iterator[Ear]:
    found = Ear()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.heard.append((dict(self.headers), body))
            if self.path == "/silent":
                found.waiting += 1
                found.silent.wait(30)
            if self.path == "/endless":
                self.send_response(200)
                self.end_headers()
                with suppress(OSError):
                    while True:
                        self.wfile.write(b"and so on, ")
                        time.sleep(0.01)
                return
            status = 500 if found.failing > 0 else 204
            found.failing -= 1
            if status == 204:
                found.taken.append(json.loads(body))
            self.send_response(status)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
async def apart(migrated: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """Of an installation of its own: another replica, with other terms, would take its webhooks."""
    async with place(tmp_path_factory.mktemp("requesters"), migrated, "requesters") as one:
        yield one.settings


@pytest.fixture
async def told_desk(apart: Settings, start: Callable[[Settings], Any], ear: Ear) -> AsyncIterator[Any]:
    async with start(telling(apart, ear)) as one:
        yield one


def telling(settings: Settings, ear: Ear) -> Settings:
    """Settings with terms by which requesters may be told at the ear."""
    terms = {"local": {"webhook_secret": SECRET, "sources": ["films.example"], "videos_per_day": 100000}}
    return settings.model_copy(
        update={"requesters": SecretStr(json.dumps(terms)), "webhook_hosts": (f"127.0.0.1:{ear.port}",)}
    )


async def eventually(look: Callable[[], Any]) -> Any:
    for _ in range(1200):
        if found := look():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come")


async def test_a_dry_run_says_what_would_happen_and_nothing_does(told_desk: Any) -> None:
    url = f"https://films.example/{uuid4()}"
    body = {"source": {"kind": "url", "url": url}}
    elsewhere = {"source": {"kind": "url", "url": "https://other.example/"}}

    before = await told_desk.client.post("/api/ingest?dry_run=true", json=body)
    nothing = await told_desk.client.get(f"/api/videos/{before.json()['video_id']}")
    asked = await told_desk.client.post("/api/ingest", json=body)
    again = await told_desk.client.post("/api/ingest?dry_run=true", json=body)
    refused = await told_desk.client.post("/api/ingest?dry_run=true", json=elsewhere)
    malformed = await told_desk.client.post("/api/ingest?dry_run=true", json={"source": {"kind": "url"}})

    assert (before.json()["status"], asked.json()["status"], again.json()["status"]) == (
        "requested",
        "requested",
        "duplicate",
    )
    assert nothing.status_code == 404
    assert refused.json()["status"] == "rejected"
    assert (
        refused.json()["reason"] == "https://other.example/ is none of the places that you may ask from: films.example"
    )
    assert malformed.status_code == 400


async def test_a_webhook_is_signed_tried_again_and_taken_once(told_desk: Any, story: Any, ear: Ear) -> None:
    ear.failing = 1
    wish = {
        "source": {"kind": "url", "url": f"https://films.example/{uuid4()}"},
        "request_id": str(uuid4()),
        "options": {"callback": f"http://127.0.0.1:{ear.port}/hook", "reference": "cam-3"},
    }
    video = UUID((await told_desk.client.post("/api/ingest", json=wish)).json()["video_id"])
    one = story(video_id=video)
    requested = (await told_desk.application.bus.history(video))[0]

    one.ready([50])
    one.told = [told for told in one.told if told.fact.TYPE != "video.requested"]
    await told_desk.publish(one)
    awaited = {"video.downloaded", "segment.scenes_detected"}
    await eventually(lambda: {said["fact"]["type"] for said in ear.taken} >= awaited)

    about = [said for said in ear.taken if said["video_id"] == str(video)]
    types = [said["fact"]["type"] for said in about]
    ids = {said["id"] for said in about}
    first_headers, first_body = ear.heard[0]
    assert "video.downloaded" in types
    assert types.count("segment.scenes_detected") == 1
    assert {said["reference"] for said in about} == {"cam-3"}
    assert len(ids) == len(about)
    assert verify(first_headers, first_body, SECRET, now=time.time()) in {said["id"] for said in about}
    assert requested.sequence > 0
    with pytest.raises(ValueError, match="is not signed with this secret"):
        verify(first_headers, first_body + b" ", SECRET, now=time.time())
    with pytest.raises(ValueError, match="its time is not now"):
        verify(first_headers, first_body, SECRET, now=time.time() + 301)


async def test_a_rejection_is_told_at_the_callback_with_its_reason(told_desk: Any, ear: Ear) -> None:
    elsewhere = {
        "source": {"kind": "url", "url": f"https://other.example/{uuid4()}"},
        "request_id": str(uuid4()),
        "options": {"callback": f"http://127.0.0.1:{ear.port}/hook", "reference": "cam-3"},
    }
    misspelt = {**elsewhere, "request_id": str(uuid4()), "options": {**elsewhere["options"], "tag": ["sea"]}}

    answer = await told_desk.client.post("/api/ingest", json=elsewhere)
    await told_desk.application.bus.publish_raw("ingest.local", {}, json.dumps(misspelt).encode(), stream="INGEST")
    await eventually(lambda: len(ear.taken) == 2)
    shown = (await told_desk.client.get(f"/api/videos/{answer.json()['video_id']}")).json()

    refused, unread = sorted(ear.taken, key=lambda said: said["request_id"] == misspelt["request_id"])
    reason = f"{elsewhere['source']['url']} is none of the places that you may ask from: films.example"
    assert (refused["video_id"], refused["request_id"]) == (shown["id"], elsewhere["request_id"])
    assert (refused["state"], refused["reference"], refused["fact"]["type"]) == ("rejected", "cam-3", "video.rejected")
    assert refused["fact"]["reason"] == shown["rejected_reason"] == reason
    assert "options has no field 'tag'" in unread["fact"]["reason"]
    assert {verify(headers, body, SECRET, now=time.time()) for headers, body in ear.heard} == {
        refused["id"],
        unread["id"],
    }


async def test_what_was_told_before_a_back_up_is_not_told_again_after_its_restore(
    migrated: Settings, start: Callable[[Settings], Any], story: Any, ear: Ear, tmp_path: Path
) -> None:
    wish = {
        "source": {"kind": "url", "url": f"https://films.example/{uuid4()}"},
        "options": {"callback": f"http://127.0.0.1:{ear.port}/hook"},
    }
    async with place(tmp_path, migrated, "toldhere") as here, place(tmp_path, migrated, "toldthere") as there:
        async with start(telling(here.settings, ear)) as desk:
            one = story(video_id=UUID((await desk.client.post("/api/ingest", json=wish)).json()["video_id"]))
            one.ready([50])
            one.told = [told for told in one.told if told.fact.TYPE != "video.requested"]
            for span in ((0, 50), (50, 300)):
                one.embedded(one.keyframed(one.exported(one.verdict("approve", *span, key=f"{span}"))))
                await desk.publish(one)
                await all_heard(desk)  # the video is done with its last clip only
                one.told = []
            before = len(ear.heard)
            app = desk.application
            await backup(tmp_path / "backup", bus=app.bus, engine=app.engine, store=app.desk.objects.store)
        bus, engine = Bus(there.settings, source="test"), make_engine(there.settings)
        await bus.connect()
        await restore(tmp_path / "backup", settings=there.settings, bus=bus, engine=engine)
        await bus.close()
        await engine.dispose()
        await migrate_streams(there.settings)

        async with start(telling(there.settings, ear)) as desk:
            await all_heard(desk)
            state = (await desk.client.get(f"/api/videos/{one.video_id}")).json()["state"]

    assert state == "done"
    assert sorted(said["fact"]["type"] for said in ear.taken) == [
        "clip.embedded",
        "clip.embedded",
        "clip.exported",
        "clip.exported",
        "segment.scenes_detected",
        "video.downloaded",
    ]
    assert len(ear.heard) == before


async def all_heard(desk: Any) -> None:
    for _ in range(1200):
        info = await desk.application.bus.jetstream.consumer_info("HEATERS", "webhooks")
        if info.num_pending == info.num_ack_pending == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not all was heard")


async def test_those_who_do_not_answer_take_no_thread_that_others_need(told_desk: Any, story: Any, ear: Ear) -> None:
    loop = asyncio.get_running_loop()
    wish = {"options": {"callback": f"http://127.0.0.1:{ear.port}/silent"}}
    ear.silent = threading.Event()

    with ThreadPoolExecutor(1) as one_thread:
        loop.set_default_executor(one_thread)
        try:
            for _ in range(4):
                url = f"https://films.example/{uuid4()}"
                asked = await told_desk.client.post("/api/ingest", json={"source": {"kind": "url", "url": url}, **wish})
                one = story(video_id=UUID(asked.json()["video_id"]))
                one.downloaded(one.requested())
                one.told = one.told[1:]
                await told_desk.publish(one)
            await eventually(lambda: ear.waiting == 4)
            meanwhile = await asyncio.to_thread(lambda: ear.waiting)
        finally:
            loop.set_default_executor(ThreadPoolExecutor())
            ear.silent.set()

    assert meanwhile == 4


async def test_an_answer_to_a_webhook_may_have_no_end(told_desk: Any, story: Any, ear: Ear) -> None:
    video, news = await _asked(told_desk, story, f"http://127.0.0.1:{ear.port}/endless")

    await told_desk.publish(news)
    ended = await _ended(told_desk, video)

    assert ended.answer == "200"


async def _asked(desk: Any, story: Any, callback: str) -> tuple[UUID, Any]:
    """A video that is asked for with an address to be told at, and what there is to tell: it was downloaded."""
    source = {"kind": "url", "url": f"https://films.example/{uuid4()}"}
    answer = await desk.client.post("/api/ingest", json={"source": source, "options": {"callback": callback}})
    video = UUID(answer.json()["video_id"])
    one = story(video_id=video)
    one.downloaded(one.requested())
    one.told = one.told[1:]
    return video, one


async def _ended(desk: Any, video: UUID) -> Any:
    for _ in range(1200):
        async with desk.application.engine.connect() as connection:
            found = (await connection.execute(select(webhook).where(webhook.c.video_id == video))).one_or_none()
        if found is not None and found.ended_at is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not end")


async def test_a_webhook_to_a_private_address_is_never_sent(told_desk: Any, story: Any, ear: Ear) -> None:
    video, news = await _asked(told_desk, story, f"http://127.0.0.2:{ear.port}/hook")

    await told_desk.publish(news)
    ended = await _ended(told_desk, video)

    assert "127.0.0.2" in ended.answer
    assert ear.heard == []


async def test_the_contract_is_shown_without_anything_from_elsewhere(desk: Any) -> None:
    page = await desk.client.get("/docs/events")
    document = await desk.client.get("/api/asyncapi.json")

    assert page.status_code == 200
    assert "video.downloaded.v1" in page.text
    assert "http://" not in page.text.split("<details>")[0]
    assert "<script" not in page.text
    assert document.json()["asyncapi"] == "3.0.0"


async def test_the_one_file_client_asks_follows_and_waits(desk: Any, story: Any) -> None:
    base = str(desk.client.base_url)
    token = desk.client.headers["authorization"].removeprefix("Bearer ")
    heaters = Heaters(base, token, timeout_s=60)
    source = f"https://films.example/{uuid4()}"

    would = await asyncio.to_thread(heaters.ask, source, dry_run=True, tags=["sea"])
    asked = await asyncio.to_thread(heaters.ask, source, tags=["sea"])
    one = story(video_id=UUID(asked["video_id"]))
    one.ready([50])
    one.told = one.told[1:]
    await desk.publish(one)
    arrived = await asyncio.to_thread(heaters.wait, asked["video_id"], within_s=60, pause_s=0.1)
    first = await asyncio.to_thread(lambda: next(iter(heaters.follow(asked["video_id"], after=0))))

    assert (would["status"], asked["status"]) == ("requested", "requested")
    assert would["video_id"] == asked["video_id"]
    assert arrived["state"] == "in_review"
    assert first["type"] == "video.requested"
    with pytest.raises(Rejected, match="nothing was uploaded"):
        await asyncio.to_thread(heaters.ask, "uploads/local/none.mp4")
    with pytest.raises(Unanswered, match="Not signed in") as refused:
        await asyncio.to_thread(Heaters(base, "another-token").video, asked["video_id"])
    assert refused.value.status == 401
