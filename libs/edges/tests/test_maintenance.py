"""Chores: done at the start and when their time comes, told with how they ended, and none stops the others."""

import asyncio
from contextlib import suppress

import pytest
from heaters_edges.maintenance import Chore, Maintenance, NoSuchChore
from heaters_edges.telemetry import REGISTRY


async def run_for(maintenance: Maintenance, done: asyncio.Event) -> None:
    task = asyncio.create_task(maintenance.run())
    await asyncio.wait_for(done.wait(), 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_chores_run_at_the_start_and_again_and_one_that_fails_stops_no_other() -> None:
    times: dict[str, int] = {"bad": 0, "good": 0, "rare": 0}
    done = asyncio.Event()

    def chore(name: str, every_s: float) -> Chore:
        async def run() -> str:
            times[name] += 1
            if name == "bad":
                raise ValueError("the broom is broken")
            if times["good"] == 3:
                done.set()
            return f"swept {times[name]} times"

        return Chore(name, "sweeps", run, every_s)

    maintenance = Maintenance([chore("bad", 0.01), chore("good", 0.01), chore("rare", 3600)])
    await run_for(maintenance, done)

    assert times["good"] >= 3
    assert times["bad"] >= 3
    assert times["rare"] == 1
    last = {chore.name: ran for chore, ran in maintenance.report()}
    assert (last["bad"].ok, last["bad"].result) == (False, "the broom is broken")  # type: ignore[union-attr]  # it ran
    assert (last["rare"].ok, last["rare"].result) == (True, "swept 1 times")  # type: ignore[union-attr]  # it ran
    assert REGISTRY.get_sample_value("heaters_maintenance_ok", {"chore": "bad"}) == 0
    assert REGISTRY.get_sample_value("heaters_maintenance_ok", {"chore": "rare"}) == 1


async def test_a_chore_that_is_not_there_is_told_with_those_that_are() -> None:
    async def run() -> str:
        return "done"

    with pytest.raises(NoSuchChore, match="no chore 'dust'; there are sweep"):
        await Maintenance([Chore("sweep", "sweeps", run)]).now("dust")
