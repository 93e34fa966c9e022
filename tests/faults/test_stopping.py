"""SIGTERM at every moment of a worker's life: what it has in hand is finished or handed over, and nothing waits for the ack wait."""

import signal
import time

from fault_outcome import Outcome
from heaters_contracts.facts import VideoDownloaded
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.streams import migrate
from worker_processes import Workers, ask, desks_left, expected, found, until_all_is_acknowledged, until_told

LONG_ACK_WAIT_S = 120.0
"""So long that what came back through it would come after the test has given up."""


async def test_an_idle_worker_ends_at_once_and_keeps_no_message_to_itself(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    await migrate(settings.model_copy(update={"ack_wait_s": LONG_ACK_WAIT_S}))
    idle = workers.start(HEATERS_ACK_WAIT_S=str(LONG_ACK_WAIT_S))
    await idle.until_ready()

    idle.process.send_signal(signal.SIGTERM)
    asked = await ask(bus)
    code = await idle.ended()
    ended = time.monotonic()
    workers.start(HEATERS_ACK_WAIT_S=str(LONG_ACK_WAIT_S))
    await until_told(bus, asked.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - ended
    await until_all_is_acknowledged(bus)

    assert code == 0
    outcome(
        "SIGTERM of an idle worker, as a message comes",
        expected=expected(asked),
        found=await found(bus, settings, asked),
        recovered_s=recovered_s,
    )
    assert desks_left(settings) == []


async def test_a_short_job_is_finished_before_its_worker_ends(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    await migrate(settings.model_copy(update={"ack_wait_s": LONG_ACK_WAIT_S}))
    asked = await ask(bus)
    worker = workers.start("asleep", ASLEEP_S="2", HEATERS_GRACE_S="20", HEATERS_ACK_WAIT_S=str(LONG_ACK_WAIT_S))
    await workers.until_at_work()

    worker.process.send_signal(signal.SIGTERM)
    code = await worker.ended()
    await until_all_is_acknowledged(bus)

    assert code == 0
    outcome(
        "SIGTERM in a short job", expected=expected(asked), found=await found(bus, settings, asked), recovered_s=None
    )
    assert desks_left(settings) == []


async def test_a_job_longer_than_the_grace_is_handed_over_at_once_and_its_attempt_is_given_back(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome
) -> None:
    await migrate(settings.model_copy(update={"ack_wait_s": LONG_ACK_WAIT_S}))
    asked = await ask(bus)
    slow = workers.start("asleep", ASLEEP_S="600", HEATERS_GRACE_S="1", HEATERS_ACK_WAIT_S=str(LONG_ACK_WAIT_S))
    await workers.until_at_work()
    other = workers.start(HEATERS_ACK_WAIT_S=str(LONG_ACK_WAIT_S))
    await other.until_ready()

    slow.process.send_signal(signal.SIGTERM)
    asked_to_end = time.monotonic()
    await until_told(bus, asked.video_id, VideoDownloaded, within_s=LONG_ACK_WAIT_S / 2)
    recovered_s = time.monotonic() - asked_to_end
    code = await slow.ended()
    await until_all_is_acknowledged(bus)

    assert code == 0
    outcome(
        "SIGTERM in a job longer than the grace (ack wait 120 s)",
        expected=expected(asked),
        found=await found(bus, settings, asked),
        recovered_s=recovered_s,
    )
    assert desks_left(settings) == []
