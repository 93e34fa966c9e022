"""A worker that dies or sleeps at the worst moment, and messages that nobody can work on: each fact once, each object whole."""

import asyncio
import signal
import time
from uuid import uuid4

import pytest
from fault_outcome import Outcome
from heaters_contracts.fact import subject_of
from heaters_contracts.facts import StageFailed, VideoDownloaded
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from worker_processes import (
    Workers,
    ask,
    desks_left,
    expected,
    failure,
    found,
    told_of,
    until_all_is_acknowledged,
    until_told,
)


@pytest.mark.parametrize("point", ["at work", "after the object", "after the fact", "after the manifest"])
async def test_a_worker_killed_at_a_point_is_followed_by_another_and_the_fact_is_told_once(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, point: str
) -> None:
    asked = await ask(bus)
    first = workers.start(point)
    code = await first.ended()
    died = time.monotonic()

    workers.start(point)
    await until_told(bus, asked.video_id, VideoDownloaded)
    await until_all_is_acknowledged(bus)
    recovered_s = time.monotonic() - died

    assert code == -signal.SIGKILL
    assert workers.mark.read_text() == "died\n"
    outcome(
        f"kill -9 of a worker {point}",
        expected=expected(asked),
        found=await found(bus, settings, asked, attempts=False),
        recovered_s=recovered_s,
    )


async def test_a_job_that_always_kills_its_worker_fails_once_and_the_stage_goes_on(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    poison = await ask(bus)
    for _ in range(5):  # the attempts of a download
        await workers.start("at work, always").ended()
    began = time.monotonic()

    workers.start()
    failed = await until_told(bus, poison.video_id, StageFailed)
    good = await ask(bus)
    await until_told(bus, good.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - began
    await until_all_is_acknowledged(bus)

    assert "did not survive this message 5 times" in failed.fact.reason
    outcome(
        "a job that kills its worker, five times",
        tried=5,
        expected=[*expected(good), f"stage.failed (bug) of {poison.video_id}"],
        found=await found(bus, settings, good, poison),
        recovered_s=recovered_s,
    )


@pytest.mark.parametrize(
    ("kind", "fault", "failure_class", "reason", "attempts"),
    [
        ("crash", "a file that crashes the decoder's process", "bug", "killed by SIGSEGV", 5),
        ("hungry", "a file that takes more memory than a job may have", "quota", "of memory", 1),
        ("wrong", "a permanent error", "bad_input", "there is no film at this address", 1),
    ],
)
async def test_a_file_that_no_job_survives_fails_once_and_its_worker_goes_on(
    bus: Bus,
    settings: Settings,
    workers: Workers,
    outcome: Outcome,
    kind: str,
    fault: str,
    failure_class: str,
    reason: str,
    attempts: int,
) -> None:
    before, poison, after = await ask(bus), await ask(bus, kind), await ask(bus)
    worker = workers.start()

    failed = await until_told(bus, poison.video_id, StageFailed)
    failed_at = time.monotonic()
    for good in (before, after):
        await until_told(bus, good.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - failed_at
    await until_all_is_acknowledged(bus)

    assert reason in failed.fact.reason
    assert failed.fact.attempts == attempts
    assert worker.process.poll() is None
    outcome(
        fault,
        expected=[*expected(before, after), f"stage.failed ({failure_class}) of {poison.video_id}"],
        found=await found(bus, settings, before, poison, after),
        recovered_s=recovered_s,
    )
    assert desks_left(settings) == []


@pytest.mark.parametrize(
    ("version", "body", "fault"),
    [
        ("v1", b"{not json", "a message that is no JSON"),
        ("v1", b"{}", "a message of a wrong schema"),
        ("v9", b'{"future": true}', "a fact of a future version"),
    ],
)
async def test_a_message_that_cannot_be_read_fails_once_and_the_stage_goes_on(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, version: str, body: bytes, fault: str
) -> None:
    before, poison, after = await ask(bus), uuid4(), await ask(bus)
    subject = subject_of("video.requested", 1, "bulk", poison).replace(".v1.", f".{version}.")
    await bus.publish_raw(subject, {}, body)
    workers.start()

    for good in (before, after):
        await until_told(bus, good.video_id, VideoDownloaded)
    await until_all_is_acknowledged(bus)

    outcome(
        fault,
        expected=[*expected(before, after), f"stage.failed (bad_input) of {poison}"],
        found=[
            *await found(bus, settings, before, after),
            *(failure(one) for one in await told_of(bus, poison)),
        ],
    )


async def test_a_zombie_that_finishes_late_changes_nothing(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    asked = await ask(bus)
    zombie = workers.start("asleep", ASLEEP_S="3")
    await workers.until_at_work()
    zombie.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()

    workers.start()
    first = await until_told(bus, asked.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - stopped
    zombie.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(4)  # it wakes up, finishes its work and tells it
    await until_all_is_acknowledged(bus)

    assert zombie.process.poll() is None
    assert first.work is not None
    assert first.work.attempt == 2
    outcome(
        "SIGSTOP past the ack wait, then a late finish",
        expected=expected(asked),
        found=await found(bus, settings, asked, attempts=False),
        recovered_s=recovered_s,
    )


async def test_work_that_holds_the_interpreter_lock_beyond_the_ack_wait_is_done_once(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    workers.start(LOCKED_S="7")
    idle = workers.start(LOCKED_S="7")
    await idle.until_ready()

    asked = await ask(bus, "locked")
    await until_told(bus, asked.video_id, VideoDownloaded)
    await until_all_is_acknowledged(bus)

    outcome(
        "work of more than twice the ack wait, holding the interpreter lock",
        expected=expected(asked),
        found=await found(bus, settings, asked),
    )


async def test_duplicates_within_and_beyond_the_window_of_duplicates_are_done_once(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    asked = [await ask(bus) for _ in range(3)]
    workers.start()
    for one in asked:
        await until_told(bus, one.video_id, VideoDownloaded)

    within = [(await bus.publish(one)).duplicate for one in asked]
    for one in asked:
        (message, *_) = await bus.history(one.video_id)
        # Beyond the window the server takes the same fact again: here, without the header that it looks at.
        beyond = {name: value for name, value in message.headers.items() if name != "Nats-Msg-Id"}
        await bus.publish_raw(message.subject, beyond, message.data)
    await until_all_is_acknowledged(bus)

    assert within == [True, True, True]
    outcome(
        "every request again, within and beyond the window of duplicates",
        tried=6,
        expected=expected(*asked),
        found=await found(bus, settings, *asked),
    )
