"""Postgres at its worst: out of connections, locked, killed, and migrated half-way; review-api says so, and loses nothing."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
from alembic import command
from database_faults import connected, every_connection, locked, shape
from fault_outcome import Outcome
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.migrate import alembic_config
from kept_rows import disagreements, facts_kept, facts_told, until_shown
from pydantic import SecretStr
from review_process import ReviewProcess
from sqlalchemy import text
from told_films import ToldFilm


async def clips_of(client: httpx.AsyncClient, film: ToldFilm) -> list[dict[str, Any]]:
    video = (await client.get(f"/api/videos/{film.id}")).json()
    return [clip for clip in video["clips_list"] if clip["state"] != "superseded"]


async def skip(client: httpx.AsyncClient, clip: str) -> httpx.Response:
    """Ask for it under one key, however often this is called."""
    return await client.post(
        f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": f"skip {clip}"}
    )


async def until_skipped(client: httpx.AsyncClient, clips: list[str]) -> None:
    """As a client does: again under the same key, as long as there is no answer, or one that says that it is not possible now."""
    async with asyncio.timeout(60):
        for clip in clips:
            while True:
                try:
                    if (await skip(client, clip)).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)


async def skipped(client: httpx.AsyncClient, *films: ToldFilm) -> list[str]:
    return [f"{clip['id']} {clip['state']}" for film in films for clip in await clips_of(client, film)]


async def test_connections_that_are_used_up_are_told_and_waited_for(review: ReviewProcess, outcome: Outcome) -> None:
    film, late = ToldFilm("connections", clips=6), ToldFilm("while there is none", clips=6)
    await review.tell(film.facts())
    await until_shown(review)
    async with review.client() as client:
        clips = [clip["id"] for clip in await clips_of(client, film)]
        with every_connection(review.settings.database_url.get_secret_value()) as count:
            await review.tell(late.facts())
            refused = await skip(client, clips[0])
            said = await client.get("/readyz")
        freed = time.monotonic()
        await until_skipped(client, clips)
        recovered_s = time.monotonic() - freed
        await until_shown(review)
        states = await skipped(client, film)
        lates = len(await clips_of(client, late))

    assert count > 50
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert said.status_code == 503
    assert "too many clients" in said.text or "remaining connection slots" in said.text
    assert lates == 6
    outcome(
        "every connection of Postgres taken by others",
        expected=[*(f"{clip} review_skipped" for clip in clips), *await facts_told(review)],
        found=[*states, *await facts_kept(review)],
        recovered_s=recovered_s,
    )
    assert await disagreements(review) == []


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE projection.clip IN ACCESS EXCLUSIVE MODE",
        pytest.param("SELECT * FROM projection.checkpoint FOR UPDATE", marks=pytest.mark.long),
    ],
    ids=["a table", "the checkpoint"],
)
async def test_a_lock_that_is_held_too_long_is_waited_for_and_told(
    review: ReviewProcess, outcome: Outcome, statement: str
) -> None:
    film, late = ToldFilm(f"locked {statement}", clips=4), ToldFilm(f"meanwhile {statement}", clips=4)
    await review.tell(film.facts())
    await until_shown(review)
    async with review.client() as client:
        clips = [clip["id"] for clip in await clips_of(client, film)]
        with locked(review.settings.database_url.get_secret_value(), statement) as until_awaited:
            await review.tell(late.facts())
            asking = asyncio.create_task(skip(client, clips[0]))
            await asyncio.to_thread(until_awaited)
            answer = await asyncio.wait_for(asking, 45)
        freed = time.monotonic()
        await until_skipped(client, clips)
        recovered_s = time.monotonic() - freed
        await until_shown(review)
        states = await skipped(client, film)

    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), answer.text
    outcome(
        "a lock in Postgres held until requests give up",
        expected=[*(f"{clip} review_skipped" for clip in clips), *await facts_told(review)],
        found=[*states, *await facts_kept(review)],
        recovered_s=recovered_s,
    )
    assert await disagreements(review) == []


async def test_postgres_killed_while_facts_are_projected_and_verdicts_are_given(
    review: ReviewProcess, outcome: Outcome
) -> None:
    film = ToldFilm("decided on", clips=40)
    await review.tell(film.facts())
    await until_shown(review)
    kills, recovered = 3, []
    async with review.client() as client:
        clips = [clip["id"] for clip in await clips_of(client, film)]
        deciding = asyncio.create_task(until_skipped(client, clips))
        for n in range(kills):
            await review.tell(ToldFilm(f"told meanwhile {n}", clips=100).facts())
            await asyncio.to_thread(review.postgres.kill)
            await asyncio.to_thread(review.postgres.start)
            back = time.monotonic()
            await until_shown(review)
            recovered.append(time.monotonic() - back)
        await deciding
        await until_shown(review)
        states = await skipped(client, film)

    outcome(
        "kill -9 of Postgres under projection and verdicts",
        tried=kills,
        expected=[*(f"{clip} review_skipped" for clip in clips), *await facts_told(review)],
        found=[*states, *await facts_kept(review)],
        recovered_s=sorted(recovered)[kills // 2],
    )
    assert await disagreements(review) == []


async def test_a_projector_killed_between_a_fact_and_its_commit_applies_it_once(
    review: ReviewProcess, outcome: Outcome
) -> None:
    film = ToldFilm("uncommitted", clips=30)
    await until_shown(review)
    with locked(
        review.settings.database_url.get_secret_value(), "LOCK TABLE projection.event IN ACCESS EXCLUSIVE MODE"
    ) as until_awaited:
        await review.tell(film.facts())
        await asyncio.to_thread(until_awaited)
        await asyncio.to_thread(review.kill)
    killed = time.monotonic()

    await asyncio.to_thread(review.start)
    await until_shown(review)
    recovered_s = time.monotonic() - killed

    outcome(
        "kill -9 of review-api between a fact and the projector's commit",
        expected=await facts_told(review),
        found=await facts_kept(review),
        recovered_s=recovered_s,
    )
    assert await disagreements(review) == []


# --- migrations -----------------------------------------------------------------------------------------------------


async def database_at(review: ReviewProcess, name: str, revision: str) -> str:
    """A database of its own at an old revision, with three facts in it; returns its address."""
    url = review.settings.database_url.get_secret_value()
    with connected(url) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    mine = f"{url.rpartition('/')[0]}/{name}"
    engine = make_engine(review.settings.model_copy(update={"database_url": SecretStr(mine)}))
    async with engine.connect() as connection:
        await connection.execute(text("CREATE SCHEMA app"))
        await connection.run_sync(lambda c: command.upgrade(alembic_config(c), revision))
        await connection.commit()
    await engine.dispose()
    with connected(mine) as connection_:
        for sequence in (1, 2, 3):
            connection_.execute(
                "INSERT INTO facts.message (sequence, stored_at, subject, headers, data)"
                " VALUES (%s, '2026-11-22', 'heaters.a', '{}', 'said')",
                (sequence,),
            )
    return mine


def kept(url: str) -> list[str]:
    with connected(url) as connection:
        return [f"fact {row[0]}" for row in connection.execute("SELECT sequence FROM facts.message").fetchall()]


def migrating(review: ReviewProcess, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "heaters_review_api", "migrate"],
        env=review.environment() | {"HEATERS_DATABASE_URL": url},
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
async def wanted(review_servers: ReviewProcess) -> list[str]:
    """What a database comes to that was migrated from the same revision without any fault, and what it had kept."""
    whole = await database_at(review_servers, "whole", "0001")
    assert await migrated(review_servers, whole) == 0
    return [*shape(whole), "fact 1", "fact 2", "fact 3"]


async def migrated(review: ReviewProcess, url: str) -> int:
    return await asyncio.to_thread(migrating(review, url).wait, 60)


async def test_a_migration_that_is_killed_half_way_and_run_again_comes_to_the_same_tables(
    review: ReviewProcess, outcome: Outcome, wanted: list[str]
) -> None:
    half = await database_at(review, "half", "0001")
    dice, kills = random.Random(1), 2
    with locked(half, "LOCK TABLE projection.clip IN ACCESS EXCLUSIVE MODE") as until_awaited:
        process = migrating(review, half)
        await asyncio.to_thread(until_awaited)
        process.kill()
        process.wait(60)
    for _ in range(kills - 1):
        process = migrating(review, half)
        await asyncio.sleep(dice.uniform(0.8, 2.5))
        process.send_signal(signal.SIGKILL)
        process.wait(60)

    killed = time.monotonic()
    codes = [await migrated(review, half)]
    recovered_s = time.monotonic() - killed
    codes.append(await migrated(review, half))

    assert codes == [0, 0]
    outcome(
        "kill -9 of a migration half-way",
        tried=kills,
        expected=wanted,
        found=[*shape(half), *kept(half)],
        recovered_s=recovered_s,
    )


@pytest.mark.long
async def test_a_migration_whose_postgres_is_killed_fails_and_is_run_again(
    review: ReviewProcess, outcome: Outcome, wanted: list[str]
) -> None:
    cut = await database_at(review, "cut_off", "0001")
    with locked(cut, "LOCK TABLE projection.clip IN ACCESS EXCLUSIVE MODE") as until_awaited:
        process = migrating(review, cut)
        await asyncio.to_thread(until_awaited)
        await asyncio.to_thread(review.postgres.kill)
    failed = await asyncio.to_thread(process.wait, 30)
    await asyncio.to_thread(review.postgres.start)
    back = time.monotonic()

    code = await migrated(review, cut)
    recovered_s = time.monotonic() - back

    assert (failed != 0, code) == (True, 0)
    outcome(
        "kill -9 of Postgres under a migration",
        expected=wanted,
        found=[*shape(cut), *kept(cut)],
        recovered_s=recovered_s,
    )
