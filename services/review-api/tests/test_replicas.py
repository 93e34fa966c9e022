"""Several replicas of review-api on one database: one projects, and what it loses another takes up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from heaters_edges.ending import end
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.locks import PROJECTION, LockLost, held
from heaters_review_api.db.passed import Passed, listen
from psycopg.rows import TupleRow

Admin = psycopg.AsyncConnection[TupleRow]


@pytest.fixture
async def admin(migrated: Any) -> AsyncIterator[Admin]:
    address = migrated.database_url.get_secret_value().replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        yield connection


async def projecting(admin: Admin) -> int | None:
    """Which of the database's processes holds the projector's lock."""
    query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = %s"
    found = await (await admin.execute(query, (PROJECTION,))).fetchone()
    return int(found[0]) if found else None


async def until_projected_by_another(admin: Admin, before: int | None) -> int:
    for _ in range(600):
        now = await projecting(admin)
        if now is not None and now != before:
            return now
        await asyncio.sleep(0.1)
    raise TimeoutError("nobody projects")


async def decide(replica: Any, clip: Any, verdict: str, key: str) -> Any:
    """Decide as a client does: again under the same key, as long as the answer is that it is not available just now."""
    for _ in range(300):
        answer = await replica.client.post(
            f"/api/clips/{clip}/verdict", json={"verdict": verdict}, headers={"Idempotency-Key": key}
        )
        if answer.status_code != 503:
            break
        await asyncio.sleep(0.2)
    return answer.status_code, answer.json()["clip"]["state"]


async def test_another_projector_follows_one_whose_lock_is_lost(
    desk: Any, migrated: Any, start: Any, story: Any, admin: Admin
) -> None:
    film = story().ready([30, 120, 250])
    async with start(migrated) as other:
        await desk.publish(film)
        before = await until_projected_by_another(admin, None)

        await admin.execute("SELECT pg_terminate_backend(%s)", (before,))
        after = await until_projected_by_another(admin, before)
        answers = [
            await decide(desk, film.clip_id(0, 30), "skip", "one"),
            await decide(other, film.clip_id(30, 120), "archive", "two"),
        ]

    assert after != before
    assert answers == [(200, "review_skipped"), (200, "review_archived")]


async def test_a_database_that_throws_everybody_out_is_gone_back_to(
    desk: Any, migrated: Any, start: Any, story: Any, admin: Admin
) -> None:
    film = story().ready([30, 120, 250])
    async with start(migrated) as other:
        await desk.publish(film)

        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await until_projected_by_another(admin, None)
        answers = [
            await decide(desk, film.clip_id(0, 30), "skip", "one"),
            await decide(other, film.clip_id(30, 120), "archive", "two"),
        ]
        seen = [(await one.client.get(f"/api/clips/{film.clip_id(30, 120)}")).json()["state"] for one in (desk, other)]

    assert answers == [(200, "review_skipped"), (200, "review_archived")]
    assert seen == ["review_archived", "review_archived"]


async def test_a_notice_that_says_nothing_ends_nobodys_listening(
    desk: Any, migrated: Any, start: Any, story: Any, admin: Admin
) -> None:
    film = story().ready([30])
    async with start(migrated) as other:
        await admin.execute("NOTIFY heaters_projection, 'nonsense'")
        await desk.publish(film)
        last = desk.application.passed.sequence
        await other.application.passed.wait_for(last, timeout_s=60)

        assert other.application.passed.sequence >= last


async def test_who_projects_is_not_told_less_than_it_has_written(migrated: Any) -> None:
    """The listener asks where the tables are, and before it hears the answer a batch may have been written."""

    class Told(Passed):
        told = asyncio.Event()

        def hear(self, sequence: int) -> None:
            super().hear(sequence)
            self.told.set()

    engine, passed, written = make_engine(migrated), Told(), 2**40
    passed.leading = True
    passed.advance(written)

    listening = asyncio.create_task(listen(engine, passed))
    await asyncio.wait_for(passed.told.wait(), 30)
    await end([listening])
    await engine.dispose()

    assert passed.sequence == written


async def test_whoever_holds_a_lock_is_stopped_once_its_connection_ends(migrated: Any, admin: Admin) -> None:
    engine, lock = make_engine(migrated), 4711

    async def hold() -> None:
        async with held(engine, lock, wait=False):
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = %s", (lock,))
            await asyncio.sleep(30)

    with pytest.raises(LockLost, match="the connection that holds a lock has ended"):
        await hold()
    free_again = False
    # The server lets go of it once the connection's process has ended, a moment later.
    async with asyncio.timeout(60):
        while not free_again:
            async with held(engine, lock, wait=False) as free_again:
                pass
    await engine.dispose()
