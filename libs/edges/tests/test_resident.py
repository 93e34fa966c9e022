import asyncio
import os
import time
from contextlib import suppress

import psutil
import pytest
from edges_children import fail, forget_itself, grow, hold, kept, pid_after_s
from heaters_edges import job as jobs
from heaters_edges.child import ChildCrashed, TookTooLong, TooMuchMemory
from heaters_edges.job import Job
from heaters_edges.resident import Resident

MiB = 1024 * 1024


@pytest.fixture
async def resident():
    one = Resident(memory_bytes=512 * MiB)
    yield one
    await one.end()


async def ended(pid: int) -> None:
    """Wait until a process is no more, or nothing but an entry that its parent has not looked at."""

    def look() -> None:
        deadline_s = time.monotonic() + 60
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline_s, f"process {pid} did not end"
                time.sleep(0.02)

    await asyncio.to_thread(look)


async def test_what_a_function_keeps_is_there_in_the_next_call(resident):
    first = await resident.call(kept, "a")
    second = await resident.call(kept, "b")

    assert first == ["a"]
    assert second == ["a", "b"]


async def test_callers_wait_for_their_turn(resident):
    pids = await asyncio.gather(*(resident.call(pid_after_s, 0.05) for _ in range(4)))

    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()


async def test_a_problem_is_raised_and_the_child_stays(resident):
    before = await resident.call(pid_after_s, 0)

    with pytest.raises(ValueError, match="no good"):
        await resident.call(fail, "no good")

    assert await resident.call(pid_after_s, 0) == before


async def test_a_call_beyond_its_deadline_ends_the_child_and_the_next_begins_anew(resident):
    before = await resident.call(pid_after_s, 0)
    jobs.begin(Job("embed", deadline_s=0.3, memory_bytes=512 * MiB))

    with pytest.raises(TookTooLong):
        await resident.call(pid_after_s, 30)

    jobs.begin(Job("embed", deadline_s=60, memory_bytes=512 * MiB))
    assert await resident.call(pid_after_s, 0) != before


async def test_a_call_whose_time_went_by_while_it_waited_ends_nothing(resident):
    before = await resident.call(pid_after_s, 0)
    long = asyncio.create_task(resident.call(pid_after_s, 1))
    await asyncio.sleep(0)  # it has its turn
    jobs.begin(Job("ask", deadline_s=0.05, memory_bytes=512 * MiB))

    with pytest.raises(TookTooLong):
        await resident.call(pid_after_s, 0)

    jobs.begin(Job("embed", deadline_s=60, memory_bytes=512 * MiB))
    assert await long == await resident.call(pid_after_s, 0) == before


async def test_a_call_that_takes_too_much_memory_fails_for_good(resident):
    with pytest.raises(TooMuchMemory):
        await resident.call(grow, 4096 * MiB)


async def test_what_earlier_calls_left_in_the_child_is_not_the_fault_of_the_next(resident, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    first = await resident.call(hold, 300 * MiB, str(gate))
    gate.unlink()

    calling = asyncio.create_task(resident.call(hold, 300 * MiB, str(gate)))
    await ended(first)
    gate.touch()

    assert await calling != first


async def test_a_crash_is_told_and_the_next_call_begins_anew(resident):
    with pytest.raises(ChildCrashed, match="SIGKILL"):
        await resident.call(forget_itself)

    assert await resident.call(kept, "again") == ["again"]


async def test_a_child_that_rests_too_long_ends_and_nobody_notices():
    resident = Resident(memory_bytes=512 * MiB, rest_s=0.2)
    before = await resident.call(pid_after_s, 0)
    await ended(before)

    after = await resident.call(pid_after_s, 0)

    assert after != before
    await resident.end()


async def test_a_cancelled_call_ends_the_child(resident):
    before = await resident.call(pid_after_s, 0)
    waiting = asyncio.create_task(resident.call(pid_after_s, 30))
    await asyncio.sleep(0.2)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert await resident.call(pid_after_s, 0) != before
