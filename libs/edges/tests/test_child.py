"""Work in a child process: answers, errors, limits, and no child that outlives its parent."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import edges_children as work
import psutil
import pytest
from heaters_edges import job as jobs
from heaters_edges.child import ChildCrashed, TookTooLong, TooMuchMemory, each_in_child, in_child, warm_up

SUPPORT = Path(work.__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(["edges_children"])


@pytest.fixture(autouse=True)
async def job() -> jobs.Job:
    """A coroutine, so that the job is taken back: one that a plain function begins would stay that of all later tests."""
    job = jobs.Job("test", deadline_s=30, memory_bytes=1 << 30)
    jobs.begin(job)
    return job


def until(look: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def noted(note: Path) -> int:
    """The process id that a child writes down, once it stands there."""
    assert until(lambda: note.exists() and note.read_text() != "", within_s=60)
    return int(note.read_text())


async def all_of(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_child_dies_with_its_parent_even_in_a_c_call_that_holds_the_interpreter_lock(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, str(SUPPORT / "parent_of_child.py"), str(note)], env={**os.environ, "PYTHONPATH": str(SUPPORT)}
    )
    try:
        child = psutil.Process(noted(note))
        family = psutil.Process(parent.pid).children(recursive=True)
        assert child in family

        parent.kill()
        parent.wait()

        assert until(lambda: not alive(child), within_s=30)
        assert until(lambda: not any(map(alive, family)), within_s=30), "the server process of the children was left"
    finally:
        parent.kill()


async def test_a_child_that_holds_the_interpreter_lock_is_held_to_its_deadline(tmp_path: Path) -> None:
    jobs.begin(job := jobs.Job("test", deadline_s=60, memory_bytes=1 << 30))
    holding = asyncio.create_task(in_child(work.hold_the_lock, str(tmp_path / "pid")))
    pid = await asyncio.to_thread(noted, tmp_path / "pid")
    job.deadline_s = 0.1

    with pytest.raises(TookTooLong, match=r"not done within 0\.1 s"):
        await asyncio.wait_for(holding, 60)

    assert not psutil.pid_exists(pid)


async def test_outside_of_any_job_there_are_no_limits() -> None:
    without = contextvars.Context()

    turns = await asyncio.create_task(in_child(work.burn, 0.01), context=without)

    assert turns > 0


async def test_the_loop_goes_on_while_a_child_works() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.02)
            beats += 1

    heart = asyncio.create_task(beat())
    await in_child(work.burn, 0.5)
    heart.cancel()

    assert beats >= 10


async def test_the_cpu_time_of_a_child_counts_for_its_job(job: jobs.Job) -> None:
    await in_child(work.burn, 0.3)

    assert 0.25 < job.cpu_s < 5


async def test_the_cpu_time_of_children_at_once_adds_up(job: jobs.Job) -> None:
    await asyncio.gather(in_child(work.burn, 0.2), in_child(work.burn, 0.2))

    assert job.cpu_s > 0.4


async def test_the_cpu_time_of_items_counts_once_and_as_they_come(job: jobs.Job) -> None:
    items = each_in_child(work.burn_twice, 0.3)

    await anext(items)
    after_one = job.cpu_s
    await anext(items)
    after_two = job.cpu_s
    assert [item async for item in items] == []

    assert 0.3 < after_one < 0.6 < after_two
    assert after_two <= job.cpu_s < 0.9


async def test_a_result_that_cannot_be_sent_is_told() -> None:
    with pytest.raises(RuntimeError, match="a result that cannot be sent: cannot pickle"):
        await in_child(work.give_a_lock)
    with pytest.raises(RuntimeError, match="a result that cannot be sent: invalid literal"):
        await in_child(work.give_unreadable)


async def test_an_error_that_cannot_be_sent_is_told_by_its_name_and_words() -> None:
    with pytest.raises(RuntimeError, match="Locked: the door is shut"):
        await in_child(work.fail_locked)
    with pytest.raises(RuntimeError, match="Awkward: depth is 7"):
        await in_child(work.fail_awkwardly)


async def test_a_child_that_just_leaves_has_crashed() -> None:
    with pytest.raises(ChildCrashed, match=r"without a word \(exit code 3\)"):
        await in_child(work.leave)


async def test_items_come_as_they_are_made(tmp_path: Path) -> None:
    gate, seen = tmp_path / "gate", []

    async for item in each_in_child(work.steps, str(gate)):
        seen.append(item)
        if item == 1:
            gate.touch()  # the child waits for this before it makes the second

    assert seen == [1, 2, 3]


async def test_an_error_after_some_items_comes_after_them() -> None:
    items = each_in_child(work.two_then_fail)

    assert [await anext(items), await anext(items)] == [1, 2]
    with pytest.raises(ValueError, match="no third"):
        await anext(items)


async def test_an_item_that_cannot_be_read_is_told_at_once() -> None:
    with pytest.raises(RuntimeError, match="a result that cannot be read: invalid literal"):
        await asyncio.wait_for(all_of(each_in_child(work.two_then_unreadable)), 60)


async def test_a_child_that_talks_all_the_time_is_held_to_its_deadline() -> None:
    jobs.begin(jobs.Job("test", deadline_s=0.6, memory_bytes=1 << 30))

    with pytest.raises(TookTooLong):
        await asyncio.wait_for(all_of(each_in_child(work.chatter)), 60)


async def test_a_child_that_talks_all_the_time_is_held_to_its_memory() -> None:
    jobs.begin(jobs.Job("test", deadline_s=30, memory_bytes=200 << 20))

    with pytest.raises(TooMuchMemory, match=r"MiB of memory"):
        async for _ in each_in_child(work.chatter_and_eat):
            pass


async def test_whoever_stops_listening_ends_the_child(job: jobs.Job) -> None:
    items = each_in_child(work.chatter)
    assert await anext(items) == 0
    (pid,) = job.children
    child = psutil.Process(pid)

    await items.aclose()  # type: ignore[attr-defined]  # an async generator has it

    assert not alive(child)
    assert not job.children


async def test_whoever_is_cancelled_ends_the_child(job: jobs.Job, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    waiting = asyncio.create_task(in_child(work.hold_the_lock, str(note)))
    pid = await asyncio.to_thread(noted, note)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert not psutil.pid_exists(pid)


async def test_several_children_at_once_leave_no_zombie_and_no_open_file(job: jobs.Job) -> None:
    await in_child(work.burn, 0.0)
    us = psutil.Process()
    files_before = us.num_fds()

    await asyncio.gather(*(in_child(work.burn, 0.05) for _ in range(4)))
    with pytest.raises(ChildCrashed):
        await in_child(work.leave)

    assert until(lambda: us.num_fds() <= files_before, within_s=30)
    assert until(lambda: not any(map(is_zombie, us.children(recursive=True))), within_s=30)
    assert not job.children


async def test_a_child_leaves_ctrl_c_to_the_service(job: jobs.Job, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    items = each_in_child(work.steps, str(gate))
    assert await anext(items) == 1
    (pid,) = job.children

    os.kill(pid, signal.SIGINT)
    gate.touch()

    assert [item async for item in items] == [2, 3]
