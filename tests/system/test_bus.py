"""One contract for the bus that tests use in memory and the one on a real NATS; then what only the real one can lose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import UUID, uuid4

import nats
import pytest
from heaters_contracts.fact import Fact, Lane, Told, decode, encode, tell
from heaters_contracts.facts import VideoRejected
from heaters_edges.bus import Ack, Bus, BusError, Stale, Stored
from heaters_edges.fakes import MemoryBus
from heaters_edges.settings import Settings
from heaters_edges.streams import migrate
from heaters_local.servers import NatsServer, free_port


@runtime_checkable
class AnyBus(Protocol):
    """What the contract is about."""

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack: ...
    def follow(self, after: int, *, most: int = 500) -> AsyncIterator[list[Stored]]: ...
    async def last_sequence(self) -> int: ...
    async def history(self, video_id: UUID) -> list[Stored]: ...


@pytest.fixture
async def real(settings: Settings) -> AsyncIterator[Bus]:
    await migrate(settings)
    bus = Bus(settings, source="test")
    await bus.connect()
    yield bus
    await bus.close()


@pytest.fixture(params=["memory", "nats"])
def bus(request: pytest.FixtureRequest) -> AnyBus:
    if request.param == "memory":
        return MemoryBus()
    real: Bus = request.getfixturevalue("real")
    return real


def fact(video_id: UUID, reason: str = "too long", *, lane: Lane = "bulk") -> Told[Fact]:
    """Facts of one video differ in their reason only; the id follows from it."""
    body = VideoRejected(requester="test", request_id=str(video_id), reason=reason)
    return tell(body, video_id=video_id, lane=lane, cause=None, time=datetime.now(UTC))


def reasons(messages: list[Stored]) -> list[str]:
    return [decode(m.subject, m.headers, m.data).fact.reason for m in messages]  # type: ignore[attr-defined]  # rejections


async def take(bus: AnyBus, after: int, count: int, *, most: int = 500) -> list[Stored]:
    """The first `count` messages after a sequence, or a few more."""
    taken: list[Stored] = []
    async with asyncio.timeout(60), aclosing(bus.follow(after, most=most)) as following:  # type: ignore[type-var]  # a generator
        async for batch in following:
            assert 1 <= len(batch) <= most
            taken += batch
            if len(taken) >= count:
                break
    return taken


# --- publishing ------------------------------------------------------------------------------------------------------


async def test_a_fact_that_is_published_has_the_next_sequence(bus: AnyBus) -> None:
    before = await bus.last_sequence()

    first = await bus.publish(fact(uuid4()))
    second = await bus.publish(fact(uuid4()))

    assert (first, second) == (Ack(before + 1, duplicate=False), Ack(before + 2, duplicate=False))
    assert await bus.last_sequence() == before + 2


async def test_the_same_fact_is_stored_once_and_has_its_first_sequence(bus: AnyBus) -> None:
    told = fact(uuid4())
    first = await bus.publish(told)
    await bus.publish(fact(uuid4()))

    again = await bus.publish(told)

    assert again == Ack(first.sequence, duplicate=True)
    assert len(await bus.history(told.video_id)) == 1


async def test_what_was_stored_is_what_was_said_word_for_word(bus: AnyBus) -> None:
    told = fact(uuid4(), "Größe ≠ 0", lane="interactive")

    ack = await bus.publish(told)

    (stored,) = await bus.history(told.video_id)
    said = encode(told, source="test")
    assert (stored.sequence, stored.subject, stored.data) == (ack.sequence, said.subject, said.data)
    assert said.headers.items() <= stored.headers.items()
    assert stored.stored_at.utcoffset() == timedelta(0)
    assert abs(stored.stored_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert decode(stored.subject, stored.headers, stored.data).fact == told.fact


# --- expectations ----------------------------------------------------------------------------------------------------


async def test_the_first_fact_of_a_video_expects_nothing_before_it(bus: AnyBus) -> None:
    video = uuid4()
    await bus.publish(fact(uuid4()))  # another video's facts do not matter

    ack = await bus.publish(fact(video, "first"), expect=0)

    assert not ack.duplicate
    with pytest.raises(Stale, match=str(video)):
        await bus.publish(fact(video, "another first"), expect=0)


async def test_a_decision_holds_on_the_version_that_it_was_made_on(bus: AnyBus) -> None:
    video = uuid4()
    first = await bus.publish(fact(video, "first"), expect=0)
    await bus.publish(fact(uuid4()))

    second = await bus.publish(fact(video, "second", lane="interactive"), expect=first.sequence)

    assert second.sequence == first.sequence + 2
    assert reasons(await bus.history(video)) == ["first", "second"]


@pytest.mark.parametrize("lane", ["bulk", "interactive"])
async def test_a_decision_is_stale_when_anything_happened_to_the_video_since(bus: AnyBus, lane: Lane) -> None:
    video = uuid4()
    seen = await bus.publish(fact(video, "seen"))
    await bus.publish(fact(video, "meanwhile", lane=lane))

    with pytest.raises(Stale, match="has moved on"):
        await bus.publish(fact(video, "decided"), expect=seen.sequence)

    assert reasons(await bus.history(video)) == ["seen", "meanwhile"]


async def test_a_version_that_never_was_is_stale(bus: AnyBus) -> None:
    video = uuid4()
    seen = await bus.publish(fact(video, "seen"))

    for wrong in (seen.sequence - 1, seen.sequence + 1):
        with pytest.raises(Stale):
            await bus.publish(fact(video, "decided"), expect=wrong)


async def test_the_expectation_is_checked_before_duplicates(bus: AnyBus) -> None:
    """So whoever is refused looks for its own fact first: it may be there already."""
    video = uuid4()
    seen = await bus.publish(fact(video, "seen"))
    decided = fact(video, "decided")
    await bus.publish(decided, expect=seen.sequence)

    with pytest.raises(Stale):
        await bus.publish(decided, expect=seen.sequence)

    assert reasons(await bus.history(video)) == ["seen", "decided"]


async def test_of_many_decisions_at_once_on_one_version_one_holds(bus: AnyBus) -> None:
    video = uuid4()
    seen = await bus.publish(fact(video, "seen"))

    results = await asyncio.gather(
        *(bus.publish(fact(video, f"decided {n}"), expect=seen.sequence) for n in range(8)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["Ack", *["Stale"] * 7]
    assert len(await bus.history(video)) == 2


# --- history and following ---------------------------------------------------------------------------------------------


async def test_the_history_of_a_video_is_its_own_and_in_order(bus: AnyBus) -> None:
    video, other = uuid4(), uuid4()
    for number in range(5):
        await bus.publish(fact(video, f"{number}", lane="interactive" if number % 2 else "bulk"))
        await bus.publish(fact(other, f"other {number}"))

    history = await bus.history(video)

    assert reasons(history) == ["0", "1", "2", "3", "4"]
    assert [m.sequence for m in history] == sorted(m.sequence for m in history)
    assert await bus.history(uuid4()) == []


async def test_following_gives_everything_after_a_sequence_in_order_and_nothing_twice(bus: AnyBus) -> None:
    video = uuid4()
    acks = [await bus.publish(fact(video, f"{number}")) for number in range(20)]

    everything = await take(bus, acks[0].sequence - 1, 20)
    from_the_middle = await take(bus, acks[11].sequence, 8)

    assert reasons(everything) == [str(number) for number in range(20)]
    assert [m.sequence for m in everything] == [ack.sequence for ack in acks]
    assert reasons(from_the_middle) == ["12", "13", "14", "15", "16", "17", "18", "19"]


async def test_following_gives_batches_of_at_most_what_is_asked_for(bus: AnyBus) -> None:
    video = uuid4()
    begin = await bus.last_sequence()
    for number in range(10):
        await bus.publish(fact(video, f"{number}"))

    messages = await take(bus, begin, 10, most=3)

    assert reasons(messages) == [str(number) for number in range(10)]


async def test_following_goes_on_with_what_comes_later(bus: AnyBus) -> None:
    video = uuid4()
    begin = await bus.last_sequence()
    following = asyncio.create_task(take(bus, begin, 3))
    await asyncio.sleep(0.1)

    for number in range(3):
        await bus.publish(fact(video, f"{number}"))
        await asyncio.sleep(0.05)

    assert reasons(await following) == ["0", "1", "2"]


async def test_several_follow_without_taking_from_each_other(bus: AnyBus) -> None:
    video = uuid4()
    begin = await bus.last_sequence()
    followers = [asyncio.create_task(take(bus, begin, 5)) for _ in range(3)]

    for number in range(5):
        await bus.publish(fact(video, f"{number}"))

    for messages in await asyncio.gather(*followers):
        assert reasons(messages) == ["0", "1", "2", "3", "4"]


# --- only the real one ---------------------------------------------------------------------------------------------------


async def test_a_refusal_that_is_no_stale_version_names_the_stream_and_the_subject(real: Bus) -> None:
    with pytest.raises(BusError, match=r"heaters\.video\.rejected"):
        await real.publish_raw("heaters.video.rejected.v1.bulk.a", {}, b"x" * 300_000)
    with pytest.raises(BusError, match="NOWHERE"):
        await real.publish_raw("heaters.video.rejected.v1.bulk.a", {}, b"{}", stream="NOWHERE")


async def test_a_consumer_that_is_not_there_is_told_with_the_step_that_makes_it(real: Bus) -> None:
    await real.require_consumer("download-bulk")
    with pytest.raises(BusError, match="the stream HEATERS has no consumer polish-bulk: run `migrate` first"):
        await real.require_consumer("polish-bulk")


async def test_progress_is_the_last_word_of_each_stage_on_each_video(real: Bus) -> None:
    video = uuid4()
    for fraction in (0.1, 0.5, 7.0):
        await real.report("plan", video, fraction, detail=f"{fraction}")
    await real.report("scenes", video, -1.0)
    await real.client.flush()

    seen = {}
    async with asyncio.timeout(60), aclosing(real.progress()) as progress:  # type: ignore[type-var]  # a generator
        async for word in progress:
            if word.video_id == video:
                seen[word.stage] = (word.fraction, word.detail)
            if seen.keys() == {"plan", "scenes"}:
                break

    assert seen == {"plan": (1.0, "7.0"), "scenes": (0.0, "")}


async def test_requests_of_others_come_until_they_are_acknowledged(real: Bus, settings: Settings) -> None:
    requester = f"team-{uuid4()}"
    client = await nats.connect(settings.nats_url)
    await client.jetstream().publish(f"ingest.{requester}", b'{"source": 1}', headers={"traceparent": "00-a"})
    await client.close()

    seen = []
    async with asyncio.timeout(60), aclosing(real.requests()) as requests:  # type: ignore[type-var]  # a generator
        async for message in requests:
            if message.requester != requester:
                await message.ack()
                continue
            seen.append((message.data, message.headers.get("traceparent")))
            if len(seen) == 2:
                await message.ack()
                break
            await message.nak(delay_s=0.05)

    assert seen == [(b'{"source": 1}', "00-a")] * 2


async def test_following_survives_the_death_of_the_server_with_nothing_lost_and_nothing_doubled(
    settings: Settings, tmp_path: Path
) -> None:
    server = NatsServer(tmp_path / "nats", free_port())
    with server:
        own = settings.model_copy(update={"nats_url": server.url})
        await migrate(own)
        bus = Bus(own, source="test")
        await bus.connect()
        video = uuid4()
        reached = asyncio.Event()
        seen: list[Stored] = []

        async def follow() -> None:
            async with aclosing(bus.follow(0, most=7)) as following:  # type: ignore[type-var]  # a generator
                async for batch in following:
                    seen.extend(batch)
                    reached.set()
                    if "59" in reasons(batch):
                        return

        following = asyncio.create_task(follow())
        for number in range(30):
            await bus.publish(fact(video, f"{number}"))
        await asyncio.wait_for(reached.wait(), 60)

        await asyncio.to_thread(server.kill)
        with pytest.raises(BusError, match="was not confirmed by the stream HEATERS"):
            await bus.publish(fact(video, "unconfirmed"))
        away = not bus.connected
        await asyncio.to_thread(server.start)
        second = Bus(own, source="test")
        await second.connect()
        for number in range(30, 60):
            await second.publish(fact(video, f"{number}"))
        await asyncio.wait_for(following, 60)
        await second.close()
        await bus.close()

    assert away
    # What was not confirmed may have been stored all the same: the client sends it when it is connected again.
    assert [reason for reason in reasons(seen) if reason != "unconfirmed"] == [str(number) for number in range(60)]
    assert [m.sequence for m in seen] == list(range(1, len(seen) + 1))


async def test_a_server_without_the_stream_is_told_in_words(settings: Settings, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", free_port()) as server:
        bus = Bus(settings.model_copy(update={"nats_url": server.url}), source="test")
        await bus.connect()
        with pytest.raises(BusError, match=r"nothing is known of the facts. stream: .*stream not found"):
            await bus.last_sequence()
        await bus.close()


async def test_progress_comes_back_by_itself_after_a_restart_of_the_server(tmp_path: Path, settings: Settings) -> None:
    video = uuid4()
    with NatsServer(tmp_path / "nats", free_port()) as server:
        own = settings.model_copy(update={"nats_url": server.url})
        await migrate(own)
        bus = Bus(own, source="test")
        await bus.connect()
        async with asyncio.timeout(60), aclosing(bus.progress()) as progress:  # type: ignore[type-var]  # a generator
            await bus.report("plan", video, 0.25)
            before = await anext(progress)
            server.kill()
            server.start()  # and with it all that was in memory is gone
            following = asyncio.create_task(anext(progress))  # type: ignore[arg-type]  # a generator
            while not following.done():
                await bus.report("plan", video, 0.5)
                await asyncio.sleep(0.2)
            after = following.result()
        await bus.close()

    assert (before.fraction, after.fraction) == (0.25, 0.5)
