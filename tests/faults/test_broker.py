"""NATS killed under load: what it has acknowledged is there once, and what it has lost with its disk comes back from the database."""

import asyncio
import shutil
import subprocess
import time

from fault_outcome import Outcome
from heaters_contracts.fact import Fact, Told
from heaters_edges.bus import Bus
from heaters_edges.failure import Unavailable
from kept_rows import disagreements, facts_kept, facts_told, rows, until_shown
from review_process import ReviewProcess
from told_films import ToldFilm

KILLS = 2


async def tell_until_taken(bus: Bus, told: Told[Fact]) -> None:
    """As every service does: again, under the same id, until the stream says that it has it."""
    while True:
        try:
            await bus.publish(told)
        except Unavailable:
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_broker_killed_under_load_keeps_what_it_has_acknowledged_once(
    review: ReviewProcess, outcome: Outcome
) -> None:
    films = [ToldFilm(f"load {n}", clips=40) for n in range(60)]
    recovered: list[float] = []

    async def kill_now_and_then() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(review.nats.kill)
            await asyncio.to_thread(review.nats.start)
            back = time.monotonic()
            async with review.bus() as bus:
                await tell_until_taken(bus, next(iter(ToldFilm(f"after {back}", clips=2).facts())))
            recovered.append(time.monotonic() - back)

    killing = asyncio.create_task(kill_now_and_then())
    async with review.bus() as bus:
        acknowledged: list[str] = []
        for film in films:
            for told in film.facts():
                await tell_until_taken(bus, told)
                acknowledged.append(str(told.id))
        await killing
        there = [message.headers["Nats-Msg-Id"] for film in films for message in await bus.history(film.id)]
    await until_shown(review)

    outcome(
        "kill -9 of NATS under load, its data kept",
        tried=KILLS,
        expected=[*acknowledged, *await facts_told(review)],
        found=[*there, *await facts_kept(review)],
        recovered_s=sorted(recovered)[KILLS // 2],
    )
    assert await disagreements(review) == []


async def test_a_broker_that_has_lost_its_data_is_given_it_back_by_the_database(
    review: ReviewProcess, outcome: Outcome
) -> None:
    await review.tell(ToldFilm("to be given back", clips=20).facts())
    await until_shown(review)
    told, tables = await facts_told(review), await rows(review)
    film = ToldFilm("told afterwards", clips=2)
    await asyncio.to_thread(review.nats.kill)
    shutil.rmtree(review.nats.data_dir / "jetstream")
    await asyncio.to_thread(review.nats.start)
    lost = time.monotonic()
    await asyncio.to_thread(review.stop)

    done = await asyncio.to_thread(
        subprocess.run,
        [*review.command(), "restore", "--stream"],
        env=review.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    await asyncio.to_thread(review.start)
    recovered_s = time.monotonic() - lost
    same = await rows(review)
    await review.tell(film.facts())
    await until_shown(review)
    after = await facts_told(review)

    assert f"{len(told)} facts given back" in done.stdout
    assert len(after) == len(told) + len(list(film.facts()))
    assert same == tables
    outcome(
        "NATS with its data gone, given back from the facts table",
        expected=[*told, *after],
        found=[*after[: len(told)], *await facts_kept(review)],
        recovered_s=recovered_s,
    )
    assert await disagreements(review) == []
