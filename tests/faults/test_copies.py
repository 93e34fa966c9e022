"""Two of everything by mistake, and two releases side by side on one stream: everything is done once, and what one cannot read waits for the other."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fault_outcome import Outcome
from heaters_contracts import ids
from heaters_contracts.fact import Told, subject_of, tell
from heaters_contracts.facts import StageFailed, StageRequested, VideoDownloaded, VideoRequested
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from kept_rows import database, disagreements, facts_kept, facts_told, until_shown
from review_process import ReviewProcess
from sqlalchemy import text
from told_films import ToldFilm
from worker_processes import (
    Workers,
    ask,
    expected,
    found,
    told_of,
    until,
    until_all_is_acknowledged,
    until_told,
)

GOLDEN = Path(__file__).parents[2] / "libs" / "contracts" / "golden"


@pytest.mark.long
async def test_two_workers_of_one_kind_do_each_message_once(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    for _ in range(2):
        await workers.start().until_ready()

    asked = [await ask(bus) for _ in range(20)]
    for one in asked:
        await until_told(bus, one.video_id, VideoDownloaded)
    await until_all_is_acknowledged(bus)

    outcome("two workers of one kind", expected=expected(*asked), found=await found(bus, settings, *asked))


async def test_two_releases_of_a_worker_share_one_stream(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    for script in ("faulty_worker.py", "next_worker.py"):
        await workers.start(script=script).until_ready()

    asked = [await ask(bus) for _ in range(20)]
    for one in asked:
        await until_told(bus, one.video_id, VideoDownloaded)
    await until_all_is_acknowledged(bus)
    said = [
        "said_by_the_next_release" in json.loads(message.data)
        for one in asked
        for message in await bus.history(one.video_id)
        if ".downloaded." in message.subject
    ]

    assert set(said) == {True, False}, "one of the two did all the work"
    outcome(
        "two releases of a service side by side", expected=expected(*asked), found=await found(bus, settings, *asked)
    )


async def ask_as_the_next_release_does(bus: Bus) -> tuple[Told[VideoRequested], int]:
    """A request of version 2; what it is to today's release, and where it lies."""
    video_id = uuid4()
    request_id = f"plain-{video_id}"
    fact = VideoRequested(
        source={"kind": "url", "url": "https://a.example/a.mp4"},
        requester="t",
        request_id=request_id,  # type: ignore[arg-type]  # pydantic reads it
    )
    told = tell(fact, video_id=video_id, lane="bulk", cause=None, time=datetime.now(UTC))
    body = {
        "id": str(told.id),
        "type": "video.requested",
        "video_id": str(video_id),
        "lane": "bulk",
        "time": told.time.isoformat(),
        "address": "https://a.example/a.mp4",
        "requester": "t",
        "request_id": request_id,
    }
    await bus.publish_raw(subject_of("video.requested", 2, "bulk", video_id), {}, json.dumps(body).encode())
    return told, await bus.last_sequence()


async def test_what_only_the_next_release_can_read_fails_once_and_is_done_after_the_upgrade(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    old = workers.start()
    today, (tomorrow, sequence) = await ask(bus), await ask_as_the_next_release_does(bus)
    failed = await until_told(bus, tomorrow.video_id, StageFailed)
    await until_told(bus, today.video_id, VideoDownloaded)
    old.process.terminate()
    await old.ended()

    await workers.start(script="next_worker.py").until_ready()
    upgraded = time.monotonic()
    again = StageRequested(stage="download", message_sequence=sequence, by="ops", idempotency_key="upgraded")
    await bus.publish(tell(again, video_id=tomorrow.video_id, lane="bulk", cause=None, time=datetime.now(UTC)))
    await until_told(bus, tomorrow.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - upgraded
    await until_all_is_acknowledged(bus)

    assert "video.requested.v2 is not known here; this release knows version 1" in failed.fact.reason
    outcome(
        "a fact of the next release, before and after the upgrade",
        expected=[*expected(today, tomorrow), f"stage.failed (bad_input) of {tomorrow.video_id}"],
        found=await found(bus, settings, today, tomorrow),
        recovered_s=recovered_s,
    )
    assert len([one for one in await told_of(bus, tomorrow.video_id) if isinstance(one.fact, StageFailed)]) == 1


# --- review-api -----------------------------------------------------------------------------------------------------


async def test_two_review_apis_project_decide_and_tidy_once(review: ReviewProcess, outcome: Outcome) -> None:
    films = [ToldFilm(f"copies {n}", clips=8) for n in range(4)]
    async with review.client() as first, review.another() as second:
        clients = [first, second]
        await review.tell(told for film in films for told in film.facts())
        await until_shown(review)
        found_: list[str] = []
        wanted: list[str] = []
        for film in films:
            video = (await second.get(f"/api/videos/{film.id}")).json()
            clips = [clip["id"] for clip in video["clips_list"]]
            wish = {"clips": clips, "verdict": "approve"}
            answers = await asyncio.gather(
                *(
                    client.post("/api/selection/verdict", json=wish, headers={"Idempotency-Key": film.name})
                    for client in clients
                )
            )
            assert {answer.status_code for answer in answers} <= {200, 503}, [answer.text for answer in answers]
            wanted += [f"clip.approved of {clip}" for clip in clips]
        chores = await asyncio.gather(*(client.post("/api/maintenance/node cache") for client in clients))
        await until_shown(review)
        async with review.bus() as bus:
            for film in films:
                found_ += [
                    f"clip.approved of {json.loads(message.data)['clip_id']}"
                    for message in await bus.history(film.id)
                    if ".approved." in message.subject
                ]

    assert [chore.json()["ok"] for chore in chores] == [True, True]
    outcome(
        "two review-apis: two projectors, two schedulers, two answers",
        expected=[*wanted, *await facts_told(review)],
        found=[*found_, *await facts_kept(review)],
    )
    assert await disagreements(review) == []


async def test_a_killed_postgres_under_two_review_apis_takes_nothing_that_was_answered(
    review: ReviewProcess, outcome: Outcome
) -> None:
    """Each decides again under the same key, as a client does. What the database forgot with its last moments comes back."""
    films = [ToldFilm(f"killed postgres {n}", clips=20) for n in range(2)]
    await review.tell(told for film in films for told in film.facts())
    await until_shown(review)
    answered: list[str] = []
    half = asyncio.Event()

    async def judge(client: httpx.AsyncClient, film: ToldFilm) -> None:
        for span in film.spans():
            clip = ids.clip_id(film.id, film.source.key, film.source.bytes, span)
            for _ in range(300):
                try:
                    answer = await client.post(
                        f"/api/clips/{clip}/verdict",
                        json={"verdict": "skip"},
                        headers={"Idempotency-Key": f"pg {clip}"},
                    )
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code == 200:
                    answered.append(f"{clip} review_skipped")
                    break
                await asyncio.sleep(0.1)
            if len(answered) >= 20:
                half.set()

    async with review.client() as first, review.another() as second:
        clients = [first, second]
        judging = [asyncio.create_task(judge(client, film)) for client, film in zip(clients, films, strict=True)]
        await asyncio.wait_for(half.wait(), 60)
        await asyncio.to_thread(review.postgres.kill)
        await asyncio.to_thread(review.postgres.start)
        back = time.monotonic()
        await asyncio.gather(*judging)
        recovered_s = time.monotonic() - back
        await until_shown(review)
        shown = [
            f"{clip['id']} {clip['state']}"
            for client, film in zip(reversed(clients), films, strict=True)
            for clip in (await client.get(f"/api/videos/{film.id}")).json()["clips_list"]
        ]

    assert len(answered) == 40
    outcome(
        "kill -9 of Postgres under two review-apis",
        expected=[*answered, *await facts_told(review)],
        found=[*shown, *await facts_kept(review)],
        recovered_s=recovered_s,
    )
    assert await disagreements(review) == []


@asynccontextmanager
async def frozen(review: ReviewProcess) -> AsyncIterator[None]:
    """It stands still, and goes on at the end at the latest: servers that are stopped wait for it."""
    review.freeze()
    try:
        yield
    finally:
        review.thaw()


async def test_a_projector_that_is_frozen_and_holds_its_lock_is_replaced_by_another(
    review: ReviewProcess, outcome: Outcome
) -> None:
    """Its connection lives on, and the lock with it: nobody but who waits for it can see that nothing moves any more."""
    film, late = ToldFilm("before the frost", clips=6), ToldFilm("in the frost", clips=6)
    await review.tell(film.facts())
    await until_shown(review)
    answers: list[str] = []
    async with review.another() as other, frozen(review):
        began = time.monotonic()
        await review.tell(late.facts())
        for span in film.spans():
            clip = ids.clip_id(film.id, film.source.key, film.source.bytes, span)
            key = {"Idempotency-Key": f"frost {clip}"}

            async def it_is_answered(clip: UUID = clip, key: dict[str, str] = key) -> bool:
                answer = await other.post(f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers=key)
                return answer.status_code == 200

            await until(it_is_answered, "a verdict in the frost")
            answers.append(f"{clip} review_skipped")
        recovered_s = time.monotonic() - began
        review.thaw()
        await review.tell(ToldFilm("after the frost", clips=6).facts())
        await until_shown(review)
        async with review.client() as thawed:
            shown = [
                f"{clip['id']} {clip['state']}"
                for clip in (await thawed.get(f"/api/videos/{film.id}")).json()["clips_list"]
            ]

    outcome(
        "a projector that is frozen (SIGSTOP) and holds its lock",
        expected=[*answers, *await facts_told(review)],
        found=[*shown, *await facts_kept(review)],
        recovered_s=recovered_s,
    )
    assert await disagreements(review) == []


@pytest.mark.parametrize("seed", range(3))
async def test_facts_of_stages_in_any_order_come_to_the_same_video(
    review: ReviewProcess, outcome: Outcome, seed: int
) -> None:
    ordered, shuffled = ToldFilm(f"ordered {seed}", clips=12), ToldFilm(f"shuffled {seed}", clips=12)
    await review.tell(ordered.facts())
    facts = list(shuffled.facts())
    random.Random(seed).shuffle(facts)
    await review.tell(facts)
    await until_shown(review)

    async def seen(film: ToldFilm) -> list[str]:
        async with review.client() as client:
            video = (await client.get(f"/api/videos/{film.id}")).json()
        return [
            f"{video['state']}, {video['segments_done']} of {video['segments_total']} segments, {video['frames']} frames",
            *(f"[{clip['start']}, {clip['end']}) {clip['state']}" for clip in video["clips_list"]),
        ]

    assert (await seen(ordered))[0] == "in_review, 2 of 2 segments, 480 frames"
    outcome("facts of stages in any order", expected=await seen(ordered), found=await seen(shuffled))


async def test_every_message_that_was_ever_published_is_read_by_the_projector(
    review: ReviewProcess, outcome: Outcome
) -> None:
    golden: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(GOLDEN.rglob("*.json"))]
    async with review.bus() as bus:
        places = []
        for message in golden:
            # Some show two forms of one fact: without its id, the stream takes both.
            headers = {name: value for name, value in message["headers"].items() if name != "Nats-Msg-Id"}
            ack = await bus.publish_raw(message["subject"], headers, json.dumps(message["data"]).encode())
            places.append(ack.sequence)
    await until_shown(review)

    async with database(review.settings) as engine, engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT subject, unreadable FROM facts.message WHERE sequence = ANY(:places)"), {"places": places}
        )
        kept = [f"{subject}: {unreadable or 'read'}" for subject, unreadable in rows]
    outcome(
        "every message ever published, by today's release",
        tried=len(golden),
        expected=[f"{message['subject']}: read" for message in golden],
        found=kept,
    )
    assert await disagreements(review) == []
