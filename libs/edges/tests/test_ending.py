"""Tasks end when they are to, although a cancellation can be lost."""

import asyncio

from heaters_edges.ending import end


async def test_a_task_that_has_lost_a_cancellation_ends_all_the_same() -> None:
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask_for_ever() -> None:
        await asyncio.wait_for(answer, 60)
        await asyncio.sleep(3600)

    asking = asyncio.create_task(ask_for_ever())
    await asyncio.sleep(0)
    answer.set_result(1)  # in the same turn of the loop as the cancellation

    await asyncio.wait_for(end([asking], again_s=0.05), 30)

    assert asking.cancelled()


async def test_whoever_puts_its_things_away_is_cancelled_once() -> None:
    away: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            away.append("put away")

    async def fail() -> None:
        raise ValueError("nobody hears this")

    tasks = [asyncio.create_task(work()), asyncio.create_task(fail())]
    await asyncio.sleep(0)

    await end(tasks)

    assert away == ["put away"]
    assert all(task.done() for task in tasks)


async def test_nothing_is_ended_at_once() -> None:
    await end([])
