"""Watching changes: one reader for all watchers, and nobody who waits for the slowest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from heaters_review_api.db.passed import Passed
from heaters_review_api.db.queries import Change
from heaters_review_api.live import Changes, TooSlow
from sqlalchemy import text

FILM = UUID(int=7)


class Shelf:
    """A log of changes in memory, that counts how often it is asked."""

    def __init__(self) -> None:
        self.log: list[Change] = []
        self.asked = 0

    async def changes(self, *, after: int, up_to: int, limit: int) -> list[Change]:
        self.asked += 1
        return [change for change in self.log if after < change.sequence <= up_to][:limit]


class Stage:
    def __init__(self, kept: int) -> None:
        self.shelf, self.passed = Shelf(), Passed()
        self.changes = Changes(self.shelf, self.passed, kept=kept)

    def tell(self, count: int) -> None:
        for _ in range(count):
            sequence = self.passed.sequence + 1
            said: dict[str, Any] = {
                "sequence": sequence,
                "type": "clip.skipped",
                "at": datetime(2026, 1, 1, tzinfo=UTC),
            }
            self.shelf.log.append(Change(**said, video_id=FILM, clip_id=None))
            self.passed.advance(sequence)

    async def watch(self, after: int | None, count: int) -> list[int]:
        seen: list[int] = []
        async with aclosing(self.changes.since(after, pause_s=5)) as batches:
            async for batch in batches:
                seen += [change.sequence for change in batch]
                if len(seen) >= count:
                    break
        return seen


@asynccontextmanager
async def stage(kept: int = 1000) -> AsyncIterator[Stage]:
    one = Stage(kept)
    yield one
    one.changes.closing.set()


async def test_every_watcher_has_every_change_and_the_database_is_asked_once() -> None:
    async with stage() as one:
        watching = [asyncio.create_task(one.watch(None, 3)) for _ in range(50)]
        await asyncio.sleep(0.01)

        one.tell(3)
        seen = await asyncio.wait_for(asyncio.gather(*watching), 30)

        assert seen == [[1, 2, 3]] * 50
        assert one.shelf.asked == 1


async def test_who_comes_back_is_given_what_they_missed_without_a_gap() -> None:
    async with stage() as one:
        one.tell(1200)
        watching = asyncio.create_task(one.watch(100, 1105))
        await asyncio.sleep(0.01)
        one.tell(5)

        seen = await asyncio.wait_for(watching, 30)

        assert seen == list(range(101, 1206))


async def test_who_is_too_slow_is_let_go_and_told_what_they_have() -> None:
    async with stage(kept=10) as one:
        async with aclosing(one.changes.since(None, pause_s=0.01)) as batches:
            assert await anext(batches) == []
            for _ in range(10):
                one.tell(10)
                await asyncio.sleep(0.005)

            with pytest.raises(TooSlow) as dropped:
                await anext(batches)

        assert dropped.value.seen == 0


async def test_nobody_reads_while_nobody_watches() -> None:
    async with stage() as one:
        watching = asyncio.create_task(one.watch(None, 1))
        await asyncio.sleep(0.01)
        one.tell(1)
        await asyncio.wait_for(watching, 30)

        one.tell(50)
        await asyncio.sleep(0.05)

        assert one.shelf.asked == 1


async def test_a_watcher_of_one_video_sees_no_other(desk: Any, story: Any) -> None:
    film, other = story(), story()
    begin = desk.application.passed.sequence
    other.downloaded(other.requested())
    film.requested()
    await desk.publish(other)
    await desk.publish(film)

    lines: list[str] = []
    path = f"/api/events?after={begin}&video={film.video_id}&video={uuid4()}"
    async with desk.client.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            lines.append(line)
            if line.startswith("data: "):
                break

    assert str(film.video_id) in lines[-1]
    assert not any(str(other.video_id) in line for line in lines)


async def test_connections_that_the_database_has_closed_are_replaced(desk: Any) -> None:
    engine = desk.application.engine
    async with engine.connect() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'heaters-review-api%' AND pid <> pg_backend_pid()"
        await connection.execute(text(end))
    await asyncio.sleep(1.2)

    codes = [(await desk.client.get("/api/videos")).status_code for _ in range(12)]

    assert codes == [200] * 12
