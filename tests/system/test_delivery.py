"""The laws of delivery, on a real NATS and a real S3 server."""

import asyncio
import errno
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import nats
import pytest
from children import Poison, add, count_to_ten, crash, eat_memory, nap, refuse
from heaters_contracts.fact import Fact, Told, Unreadable, decode, subject_of, tell
from heaters_contracts.facts import (
    StageFailed,
    StagePaused,
    StageRequested,
    VideoDownloaded,
    VideoErased,
    VideoRequested,
)
from heaters_contracts.ids import NIL
from heaters_contracts.ingest import Options, UrlSource
from heaters_contracts.objects import ObjectRef
from heaters_contracts.pipeline import FACTS_STREAM, PAUSED_BUCKET, Work, work_named
from heaters_edges import job as jobs
from heaters_edges.bus import Bus
from heaters_edges.child import in_child, warm_up
from heaters_edges.delivery import Duty, Worker
from heaters_edges.failure import NoSpace, Permanent, TryLater
from heaters_edges.objects import Objects
from heaters_edges.pauses import Pause, Pauses
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.streams import migrate
from heaters_edges.telemetry import REGISTRY
from heaters_edges.upkeep import purge_video

DOWNLOAD = work_named("download")


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    await migrate(settings)
    S3Store(settings).create_bucket()
    js = (await nats.connect(settings.nats_url)).jetstream()
    await js.purge_stream(FACTS_STREAM)
    await js._nc.close()
    bus = Bus(settings, source="test")
    await bus.connect()
    yield bus
    await bus.close()


@pytest.fixture
def objects(settings: Settings) -> Objects:
    return Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 30)


def requested(
    video_id: UUID | None = None, *, lane: str = "bulk", url: str = "https://example.org/a.mp4"
) -> Told[Fact]:
    video_id = video_id or uuid4()
    fact = VideoRequested(source=UrlSource(url=url), requester="test", request_id=str(video_id))
    return tell(fact, video_id=video_id, lane=lane, cause=None, time=datetime.now(UTC))  # type: ignore[arg-type]  # a lane


def downloaded(told: Told[VideoRequested]) -> VideoDownloaded:
    return VideoDownloaded(
        source=ObjectRef(key=f"videos/{told.video_id}/source.mp4", bytes=1, sha256="0" * 64), title="a"
    )


@asynccontextmanager
async def worker(
    bus: Bus, objects: Objects, settings: Settings, handler, *, work: Work = DOWNLOAD
) -> AsyncIterator[Worker]:  # type: ignore[no-untyped-def]  # handlers of all shapes
    worker = Worker(bus, objects, settings, [Duty(work, handler)])
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def facts_of(bus: Bus, video_id: UUID) -> list[Told[Fact]]:
    told = []
    for message in await bus.history(video_id):
        with suppress(Unreadable):
            told.append(decode(message.subject, message.headers, message.data))
    return told


async def eventually(bus: Bus, video_id: UUID, type_: str, *, within_s: float = 60) -> Told[Fact]:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for told in await facts_of(bus, video_id):
            if type_ == told.fact.TYPE:
                return told
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {type_} of {video_id}: {[t.fact.TYPE for t in await facts_of(bus, video_id)]}")


def again(told: Told[Fact], sequence: int, key: str) -> Told[Fact]:
    fact = StageRequested(stage="download", message_sequence=sequence, by="ops", idempotency_key=key)
    return tell(fact, video_id=told.video_id, lane=told.lane, cause=None, time=datetime.now(UTC))


async def count(bus: Bus, video_id: UUID, type_: str) -> int:
    return sum(type_ == told.fact.TYPE for told in await facts_of(bus, video_id))


async def until(look: Callable[[], Awaitable[int]], wanted: int, *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while (seen := await look()) != wanted:
        assert time.monotonic() < deadline, f"still {seen}, not {wanted}"
        await asyncio.sleep(0.02)


async def unacknowledged(bus: Bus, consumer: str) -> int:
    info = await bus.jetstream.consumer_info(FACTS_STREAM, consumer)
    return (info.num_ack_pending or 0) + (info.num_pending or 0)


async def test_a_result_is_told_with_its_cause_lane_and_work(bus: Bus, objects: Objects, settings: Settings) -> None:
    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        return downloaded(told)

    asked = requested(lane="interactive")
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        answer = await eventually(bus, asked.video_id, "video.downloaded")

    assert (answer.cause, answer.lane) == (asked.id, "interactive")
    assert answer.work is not None
    assert answer.work.attempt == 1
    assert answer.work.started <= answer.work.finished


async def test_a_redelivered_cause_does_no_work_twice(bus: Bus, objects: Objects, settings: Settings) -> None:
    calls = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        calls.append(told.video_id)
        return downloaded(told)

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        await eventually(bus, asked.video_id, "video.downloaded")
        message = next(m for m in await bus.history(asked.video_id))
        # Beyond the duplicate window the server takes the same fact again: here, without the header that it looks at.
        again = {k: v for k, v in message.headers.items() if k != "Nats-Msg-Id"}
        await bus.publish_raw(message.subject, again, message.data)
        await until(lambda: unacknowledged(bus, "download-bulk"), 0)

    assert calls == [asked.video_id]
    assert [t.fact.TYPE for t in await facts_of(bus, asked.video_id)].count("video.downloaded") == 1


async def test_a_transient_error_is_retried_and_then_succeeds(bus: Bus, objects: Objects, settings: Settings) -> None:
    calls = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        calls.append(1)
        if len(calls) < 3:
            raise TryLater("the site is busy")
        return downloaded(told)

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        answer = await eventually(bus, asked.video_id, "video.downloaded")

    assert answer.work is not None
    assert answer.work.attempt == 3


async def test_a_disk_with_too_little_room_costs_no_attempt_and_shows(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    shown: list[str | None] = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        shown.append(objects.no_space())
        if len(shown) < 7:
            raise NoSpace("10 MiB are needed")
        return downloaded(told)

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        answer = await eventually(bus, asked.video_id, "video.downloaded")

    assert answer.work is not None
    assert answer.work.attempt == 1
    assert shown == [None, *["10 MiB are needed"] * 6]
    outcome = {"stage": "download", "lane": "bulk", "outcome": "no_space"}
    assert REGISTRY.get_sample_value("heaters_jobs_total", outcome) == 6


async def test_attempts_used_up_end_as_stage_failed_with_the_original_message(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        raise TryLater("the site is busy")

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        told = await eventually(bus, asked.video_id, "stage.failed")

    assert isinstance(told.fact, StageFailed)
    assert (told.fact.stage, told.fact.attempts, told.fact.failure_class) == ("download", 5, "transient")
    assert told.fact.reason == "the site is busy"
    assert told.cause == asked.id
    assert told.fact.message_subject == f"heaters.video.requested.v1.bulk.{asked.video_id}"


@pytest.mark.parametrize(
    ("version", "body", "reason"),
    [
        ("v1", b"{not json", "not valid"),
        ("v1", b"{}", "field required"),
        ("v7", None, "video.requested.v7 is not known here; this release knows version 1"),
    ],
)
async def test_a_message_that_cannot_be_read_fails_once_and_the_service_goes_on(
    bus: Bus, objects: Objects, settings: Settings, version: str, body: bytes | None, reason: str
) -> None:
    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        return downloaded(told)

    bad, good = requested(), requested()
    subject = subject_of("video.requested", 1, "bulk", bad.video_id).replace(".v1.", f".{version}.")
    await bus.publish_raw(subject, {}, body if body is not None else json.dumps({"hello": "future"}).encode())
    await bus.publish(good)
    async with worker(bus, objects, settings, handler):
        failed = await eventually(bus, bad.video_id, "stage.failed")
        await eventually(bus, good.video_id, "video.downloaded")

    assert isinstance(failed.fact, StageFailed)
    assert failed.fact.failure_class == "bad_input"
    assert reason in failed.fact.reason
    assert [t.fact.TYPE for t in [failed]] == ["stage.failed"]


async def test_a_permanent_error_is_told_at_once(bus: Bus, objects: Objects, settings: Settings) -> None:
    calls = []
    given_up = {"stage": "download", "failure_class": "bad_input"}
    before = REGISTRY.get_sample_value("heaters_given_up_total", given_up) or 0

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        calls.append(1)
        raise Poison("no such page")

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        told = await eventually(bus, asked.video_id, "stage.failed")

    assert REGISTRY.get_sample_value("heaters_given_up_total", given_up) == before + 1
    assert isinstance(told.fact, StageFailed)
    assert (told.fact.reason, told.fact.failure_class, told.fact.attempts) == ("no such page", "bad_input", 1)
    assert len(calls) == 1


class Odd(Poison):
    problem = 5
    """No word, which is what a failure's fact has room for."""


async def test_a_failure_that_cannot_even_be_told_does_not_end_the_worker(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    bad, good = requested(), requested()

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        if told.video_id == bad.video_id:
            raise Odd("half a smile: \ud83d")
        return downloaded(told)

    await bus.publish(bad)
    await bus.publish(good)
    async with worker(bus, objects, settings, handler):
        await eventually(bus, good.video_id, "video.downloaded")

    assert await count(bus, bad.video_id, "stage.failed") == 0


async def test_what_failed_is_done_when_it_is_asked_for_again(bus: Bus, objects: Objects, settings: Settings) -> None:
    mended = False

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        if not mended:
            raise Poison("the page is gone")
        return downloaded(told)

    asked = requested()
    sequence = (await bus.publish(asked)).sequence
    async with worker(bus, objects, settings, handler):
        first = await eventually(bus, asked.video_id, "stage.failed")
        await bus.publish(again(asked, sequence, "once"))
        await until(lambda: count(bus, asked.video_id, "stage.failed"), 2)
        mended = True
        await bus.publish(again(asked, sequence, "twice"))
        answer = await eventually(bus, asked.video_id, "video.downloaded")

    assert first.cause == asked.id
    assert answer.cause == asked.id  # the message stays the cause: what waits for it need not know that it failed
    assert await count(bus, asked.video_id, "stage.failed") == 2


async def test_a_replay_tells_the_results_anew_and_works_again_only_when_forced(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    calls = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        calls.append(1)
        return downloaded(told)

    asked = requested()
    sequence = (await bus.publish(asked)).sequence
    replays = []
    async with worker(bus, objects, settings, handler):
        await eventually(bus, asked.video_id, "video.downloaded")
        worked = []
        for n, force in enumerate((False, True), 2):
            fact = StageRequested(
                stage="download", message_sequence=sequence, by="ops", idempotency_key=str(n), replay=True, force=force
            )
            replays.append(tell(fact, video_id=asked.video_id, lane="bulk", cause=asked.id, time=datetime.now(UTC)))
            await bus.publish(replays[-1])
            await until(lambda: count(bus, asked.video_id, "video.downloaded"), n)
            worked.append(len(calls))
        await until(lambda: unacknowledged(bus, "download-bulk"), 0)

    told = [t for t in await facts_of(bus, asked.video_id) if t.fact.TYPE == "video.downloaded"]
    assert [t.cause for t in told] == [asked.id, replays[0].id, replays[1].id]
    assert [t.work.reused for t in told if t.work] == [False, True, False]
    assert worked == [1, 2]


async def test_what_told_nothing_is_asked_again_by_a_replay(bus: Bus, objects: Objects, settings: Settings) -> None:
    switched_on = False

    async def handler(told: Told[VideoRequested]) -> AsyncIterator[VideoDownloaded]:
        if switched_on:
            yield downloaded(told)

    asked = requested()
    sequence = (await bus.publish(asked)).sequence
    async with worker(bus, objects, settings, handler):
        await until(lambda: unacknowledged(bus, "download-bulk"), 0)
        switched_on = True
        fact = StageRequested(stage="download", message_sequence=sequence, by="ops", idempotency_key="k", replay=True)
        await bus.publish(tell(fact, video_id=asked.video_id, lane="bulk", cause=asked.id, time=datetime.now(UTC)))
        await eventually(bus, asked.video_id, "video.downloaded")

    assert await count(bus, asked.video_id, "stage.failed") == 0


async def test_a_request_may_bring_options_of_its_own(bus: Bus, objects: Objects, settings: Settings) -> None:
    seen = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        seen.append(told.fact.options.detector)
        return downloaded(told)

    asked = requested()
    sequence = (await bus.publish(asked)).sequence
    async with worker(bus, objects, settings, handler):
        await eventually(bus, asked.video_id, "video.downloaded")
        fact = StageRequested(
            stage="download",
            message_sequence=sequence,
            by="ops",
            idempotency_key="k",
            replay=True,
            options=Options(detector="cascade"),
        )
        await bus.publish(tell(fact, video_id=asked.video_id, lane="bulk", cause=asked.id, time=datetime.now(UTC)))
        await until(lambda: count(bus, asked.video_id, "video.downloaded"), 2)
        await until(lambda: unacknowledged(bus, "download-bulk"), 0)

    assert seen == ["", "cascade"]


async def test_a_request_for_another_stage_or_a_lost_message_does_no_work(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    calls = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        calls.append(1)
        return downloaded(told)

    video = requested()
    other = StageRequested(stage="plan", message_sequence=1, by="ops", idempotency_key="1")
    lost = StageRequested(stage="download", message_sequence=10**9, by="ops", idempotency_key="2")
    for fact in (other, lost):
        await bus.publish(tell(fact, video_id=video.video_id, lane="bulk", cause=None, time=datetime.now(UTC)))
    async with worker(bus, objects, settings, handler):
        told = await eventually(bus, video.video_id, "stage.failed")
        await until(lambda: unacknowledged(bus, "download-bulk"), 0)

    assert calls == []
    assert isinstance(told.fact, StageFailed)
    assert "not in the stream any more" in told.fact.reason


async def test_the_interactive_lane_goes_first(bus: Bus, objects: Objects, settings: Settings) -> None:
    order = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        order.append(told.lane)
        begun.set()
        await go_on.wait()
        return downloaded(told)

    bulk = [requested() for _ in range(8)]
    urgent = requested(lane="interactive")
    for told in bulk:
        await bus.publish(told)
    async with worker(bus, objects, settings, handler):
        await begun.wait()
        await bus.publish(urgent)
        go_on.set()
        for told in (*bulk, urgent):
            await eventually(bus, told.video_id, "video.downloaded")

    # After the one in hand, and those few that were taken while it was on its way: a busy machine may be late to hear of it.
    assert order.index("interactive") <= 4


async def test_work_that_outlasts_the_grace_is_handed_back_at_once(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    begun = asyncio.Event()

    async def slow(told: Told[VideoRequested]) -> VideoDownloaded:
        begun.set()
        await asyncio.sleep(60)
        return downloaded(told)

    async def quick(told: Told[VideoRequested]) -> VideoDownloaded:
        return downloaded(told)

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, slow):
        await begun.wait()
    second = Bus(settings, source="test")
    await second.connect()
    async with worker(second, objects, settings, quick):
        answer = await eventually(second, asked.video_id, "video.downloaded", within_s=25)  # sooner than the ack wait
    await second.close()

    assert answer.work is not None
    assert answer.work.attempt == 1  # what was handed back did not count


async def test_a_job_that_always_kills_its_worker_is_given_up(bus: Bus, objects: Objects, settings: Settings) -> None:
    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        raise AssertionError("it must not be tried a sixth time")

    asked = requested()
    ack = await bus.publish(asked)
    attempts = await bus.bucket("heaters_attempts")
    await attempts.put(f"download-bulk.{ack.sequence}", b"5")  # five workers began, and none said how it ended
    info = await bus.jetstream.consumer_info(FACTS_STREAM, "download-bulk")
    assert info.name == "download-bulk"
    async with worker(bus, objects, settings, handler):
        told = await eventually(bus, asked.video_id, "stage.failed")

    assert isinstance(told.fact, StageFailed)
    assert "did not survive this message 5 times" in told.fact.reason


async def test_a_paused_stage_takes_nothing_until_it_is_resumed(bus: Bus, objects: Objects, settings: Settings) -> None:
    calls = []

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        calls.append(1)
        return downloaded(told)

    paused = await bus.bucket(PAUSED_BUCKET)
    await paused.put("download", b"test")
    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        await asyncio.sleep(0.5)
        taken_while_paused = len(calls)
        await paused.delete("download")
        await eventually(bus, asked.video_id, "video.downloaded")

    assert taken_while_paused == 0


async def test_a_burst_of_failures_lets_the_stage_rest_and_then_goes_on_with_nothing_lost(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    settings = settings.model_copy(update={"burst_failures": 2, "burst_cooldown_s": 4.0})
    broken = True

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        if broken:
            raise RuntimeError("the disk is on fire")
        return downloaded(told)

    work = replace(DOWNLOAD, attempts=1)
    videos = [requested() for _ in range(5)]
    for told in videos:
        await bus.publish(told)
    pauses = Pauses(bus)
    async with worker(bus, objects, settings, handler, work=work):
        rest = await eventually(bus, NIL, "stage.paused")

        async def set_down() -> int:
            return int(await pauses.of("download") is not None)

        await until(set_down, 1)  # the fact is told first, and then set down
        resting = await pauses.of("download")
        failed = [told.video_id for told in videos if await count(bus, told.video_id, "stage.failed")]
        broken = False
        await eventually(bus, NIL, "stage.resumed")
        for told in videos:
            if told.video_id not in failed:
                await eventually(bus, told.video_id, "video.downloaded")

    assert isinstance(rest.fact, StagePaused)
    assert rest.fact.reason == "2 videos failed in a row, the last one: the disk is on fire"
    assert rest.fact.until is not None
    assert resting is not None
    assert resting.reason == rest.fact.reason
    assert len(failed) == 1  # the second made it a burst, and was kept; the backlog was not touched
    assert await pauses.of("download") is None


async def test_a_stage_that_is_still_broken_after_its_rest_gives_one_message_up_and_rests_again(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    settings = settings.model_copy(update={"burst_failures": 1, "burst_cooldown_s": 0.3})

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        raise RuntimeError("the disk is on fire")

    videos = [requested() for _ in range(3)]
    for told in videos:
        await bus.publish(told)

    async def told_in_order() -> list[str]:
        told = [one for video in (NIL, *(one.video_id for one in videos)) for one in await bus.history(video)]
        types = [
            one.subject.removeprefix("heaters.").partition(".v")[0]
            for one in sorted(told, key=lambda one: one.sequence)
        ]
        return [type_ for type_ in types if type_ in {"stage.paused", "stage.failed"}]

    async def has_given_one_up() -> int:
        return int("stage.failed" in await told_in_order())

    async with worker(bus, objects, settings, handler, work=replace(DOWNLOAD, attempts=1)):
        await until(has_given_one_up, 1)
        told = await told_in_order()
    await Pauses(bus).set("download", Pause(paused=False, sequence=await bus.last_sequence() + 1))

    # The first is kept, for it made the burst; of what fails after a rest one is given up, and the stage rests before the next.
    rest, rest_again, given_up, *more = told[:4]
    assert (rest, rest_again, given_up) == ("stage.paused", "stage.paused", "stage.failed")
    assert more in ([], ["stage.paused"])


async def test_a_full_disk_costs_no_attempt(bus: Bus, objects: Objects, settings: Settings) -> None:
    full = 3

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        nonlocal full
        if full:
            full -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return downloaded(told)

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler, work=replace(DOWNLOAD, attempts=1)):
        answer = await eventually(bus, asked.video_id, "video.downloaded")

    assert answer.work is not None
    assert answer.work.attempt == 1
    assert await count(bus, asked.video_id, "stage.failed") == 0


async def test_bad_input_is_no_burst(bus: Bus, objects: Objects, settings: Settings) -> None:
    settings = settings.model_copy(update={"burst_failures": 1})

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        raise Poison("no such page")

    videos = [requested() for _ in range(3)]
    for told in videos:
        await bus.publish(told)
    async with worker(bus, objects, settings, handler):
        for told in videos:
            await eventually(bus, told.video_id, "stage.failed")

    assert await count(bus, NIL, "stage.paused") == 0


async def test_of_two_words_on_a_stage_the_later_counts_in_whatever_order_they_come(bus: Bus) -> None:
    pauses = Pauses(bus)
    start = await bus.last_sequence() + 10

    taken = [
        await pauses.set("embed", Pause(paused=True, reason="newer", sequence=start + 2)),
        await pauses.set("embed", Pause(paused=False, sequence=start + 1)),
    ]
    resting = await pauses.of("embed")
    await pauses.set("embed", Pause(paused=False, sequence=start + 3))

    assert taken == [True, False]
    assert resting is not None
    assert resting.reason == "newer"
    assert await pauses.of("embed") is None


# --- children -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(["children"])


async def test_a_child_returns_raises_and_reports() -> None:
    shares: list[float] = []
    jobs.begin(jobs.Job("test", 30, 1 << 30, report=shares.append))

    assert await in_child(add, 2, 3) == 5
    with pytest.raises(Poison, match="not this one"):
        await in_child(refuse)
    assert await in_child(count_to_ten) == 10
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert jobs.current().cpu_s > 0


async def test_a_child_is_held_to_its_deadline_memory_and_life() -> None:
    jobs.begin(jobs.Job("test", 0.5, 1 << 30))
    with pytest.raises(RuntimeError, match="not done within"):
        await in_child(nap, 60)
    jobs.begin(jobs.Job("test", 30, 128 << 20))
    with pytest.raises(Permanent, match="of memory"):
        await in_child(eat_memory)
    with pytest.raises(RuntimeError, match="SIGSEGV"):
        await in_child(crash)
    assert not jobs.current().children


async def test_of_a_video_that_was_erased_while_it_was_worked_on_nothing_more_is_told(
    bus: Bus, objects: Objects, settings: Settings
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        begun.set()
        await go_on.wait()
        return downloaded(told)

    asked = requested()
    await bus.publish(asked)
    async with worker(bus, objects, settings, handler):
        await begun.wait()
        erased = VideoErased(by="ops", idempotency_key="e")
        gone = tell(erased, video_id=asked.video_id, lane="bulk", cause=None, time=datetime.now(UTC))
        await purge_video(bus, asked.video_id, before=(await bus.publish(gone)).sequence)
        go_on.set()
        await until(lambda: unacknowledged(bus, "download-bulk"), 0)

    assert [t.fact.TYPE for t in await facts_of(bus, asked.video_id)] == ["video.erased"]
