"""A hop: from the moment a fact is about to be published to the moment its work has started, beside bare nats-py.

Ours is the real worker of delivery. The peer is what one would write by hand: a durable pull consumer on a stream of the same
configuration, a message fetched at a time, the same bytes. Both lie on one server and one event loop, and take turns in blocks. A
message is published only when its consumer has nothing in hand and waits at the server, so that no queue is measured.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from heaters_contracts.fact import Fact, Lane, Message, Told, decode, encode, tell
from heaters_contracts.facts import VideoDownloaded, VideoRequested
from heaters_contracts.ingest import UrlSource
from heaters_contracts.objects import ObjectRef
from heaters_contracts.pipeline import FACTS_STREAM, work_named
from heaters_edges.bus import Bus
from heaters_edges.delivery import Duty, Worker
from heaters_edges.objects import Objects
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.wanted import stream_configs
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig

from benchmarks._servers import servers
from benchmarks.harness import Claim, note, percentile

MESSAGES, MESSAGES_BULK, WARM_UP, BLOCK = 400, 100, 40, 20
_DOWNLOAD = work_named("download")
_PEER = "PEER"
_FETCH_S = 5.0
_IDLE_WITHIN_S = 10.0
_QUIET_S = 0.002
"""Between seeing that a consumer waits and publishing: the answer to that question must not be measured."""


@dataclass(slots=True)
class _Clock:
    """When messages were about to be published and when their work began, by video; UTC nanoseconds, one machine's clock."""

    sent_ns: dict[UUID, int] = field(default_factory=dict)
    begun_ns: dict[UUID, int] = field(default_factory=dict)

    def waited_ms(self) -> list[float]:
        """Of each message whose work began, without the warm-up, in the order of publishing."""
        return [(self.begun_ns[video] - sent) / 1e6 for video, sent in self.sent_ns.items()][WARM_UP:]


def _requested(lane: Lane) -> Told[Fact]:
    video_id = uuid4()
    fact = VideoRequested(
        source=UrlSource(url="https://example.org/a.mp4"), requester="bench", request_id=str(video_id)
    )
    return tell(fact, video_id=video_id, lane=lane, cause=None, time=datetime.now(UTC))


@asynccontextmanager
async def _worker(bus: Bus, settings: Settings, entered: _Clock) -> AsyncIterator[None]:
    """Delivery's own worker with a handler that does nothing but look at the clock."""

    async def handler(told: Told[VideoRequested]) -> VideoDownloaded:
        entered.begun_ns[told.video_id] = time.time_ns()
        return VideoDownloaded(source=ObjectRef(key="nothing.mp4", bytes=1, sha256="0" * 64), title="nothing")

    objects = Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 30)
    worker = Worker(bus, objects, settings, [Duty(_DOWNLOAD, handler)])
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


@asynccontextmanager
async def _bare_nats(bus: Bus, begun: _Clock) -> AsyncIterator[None]:
    """The peer: fetch one, look at the clock, acknowledge."""
    config = next(each for each in stream_configs(1) if each.name == FACTS_STREAM)
    await bus.jetstream.add_stream(replace(config, name=_PEER, subjects=["peer.>"]))
    consumer = ConsumerConfig(durable_name=_PEER, filter_subject="peer.>", ack_policy=AckPolicy.EXPLICIT, ack_wait=30)
    await bus.jetstream.add_consumer(_PEER, consumer)
    subscription = await bus.jetstream.pull_subscribe_bind(_PEER, _PEER)
    stopping = asyncio.Event()

    async def work() -> None:
        while not stopping.is_set():
            with suppress(NatsTimeout):
                for message in await subscription.fetch(1, timeout=_FETCH_S):
                    begun.begun_ns[UUID(message.subject.rpartition(".")[2])] = time.time_ns()
                    await message.ack()

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        stopping.set()
        await task  # a fetch that is cancelled would leave its pull behind; it ends by itself
        await subscription.unsubscribe()


async def _until_idle(bus: Bus, stream: str, consumer: str) -> None:
    """Wait until nothing of a consumer is in hand and somebody's pull waits for the next message."""
    deadline_s = time.monotonic() + _IDLE_WITHIN_S
    while True:
        info = await bus.jetstream.consumer_info(stream, consumer)
        if not info.num_ack_pending and not info.num_pending and info.num_waiting:
            await asyncio.sleep(_QUIET_S)
            return
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{consumer} was not idle within {_IDLE_WITHIN_S:g} s: {info}")
        await asyncio.sleep(_QUIET_S)


async def _started(bus: Bus) -> dict[UUID, int]:
    """`work.started` of every result in the stream, by video, UTC nanoseconds."""
    last, begun = await bus.last_sequence(), dict[UUID, int]()
    async for batch in bus.follow(0):
        for message in batch:
            told = decode(message.subject, message.headers, message.data)
            if told.work is not None:
                begun[told.video_id] = round(told.work.started.timestamp() * 1e6) * 1000
        if batch[-1].sequence >= last:
            break
    return begun


async def _measure(settings: Settings, lane: Lane, messages: int) -> tuple[_Clock, _Clock, _Clock]:
    """Publish to both, a block each in turn.

    Returns:
        Ours up to `work.started`, ours up to the handler's first line, and the peer.
    """
    bus = Bus(settings, source="bench")
    await bus.connect()
    entered, peer = _Clock(), _Clock()

    async def to_worker(told: Told[Fact], _: Message) -> None:
        entered.sent_ns[told.video_id] = time.time_ns()
        await bus.publish(told)

    async def to_peer(told: Told[Fact], message: Message) -> None:
        subject = f"peer.{message.subject}"
        peer.sent_ns[told.video_id] = time.time_ns()
        await bus.jetstream.publish(subject, message.data, headers=message.headers)

    turns: tuple[tuple[str, str, Callable[[Told[Fact], Message], Awaitable[None]]], ...] = (
        (FACTS_STREAM, _DOWNLOAD.consumer(lane), to_worker),
        (_PEER, _PEER, to_peer),
    )
    async with _worker(bus, settings, entered), _bare_nats(bus, peer):
        for _ in range((WARM_UP + messages) // BLOCK):
            for stream, consumer, publish in turns:
                for _ in range(BLOCK):
                    told = _requested(lane)
                    message = encode(told, source="bench")
                    await _until_idle(bus, stream, consumer)
                    await publish(told, message)
        for stream, consumer, _publish in turns:
            await _until_idle(bus, stream, consumer)
    started = _Clock(entered.sent_ns, await _started(bus))
    await bus.close()
    return started, entered, peer


def _spread(values_ms: list[float]) -> str:
    return f"p50 {percentile(values_ms, 50):.2f} ms, p99 {percentile(values_ms, 99):.2f} ms"


def claims() -> Iterator[Claim]:
    """`hop_p50` and `hop_p99`, of the interactive lane in a process that serves both, as on one machine."""
    with servers() as (_, settings):
        started, entered, peer = asyncio.run(_measure(settings, "interactive", MESSAGES))
        bulk, _, _ = asyncio.run(_measure(settings, "bulk", MESSAGES_BULK))
    ours_ms, peer_ms, handler_ms, bulk_ms = (clock.waited_ms() for clock in (started, peer, entered, bulk))
    note(f"{len(ours_ms)} messages each; to work.started {_spread(ours_ms)}; bare nats-py {_spread(peer_ms)}")
    note(f"to the handler's first line (attempt counted, manifest looked up) {_spread(handler_ms)}")
    note(f"bulk lane, which lets the interactive one go first: to work.started {_spread(bulk_ms)}")
    yield Claim("hop_p50", percentile(ours_ms, 50), percentile(peer_ms, 50), "ms", "lower", 3.0)
    yield Claim("hop_p99", percentile(ours_ms, 99), percentile(peer_ms, 99), "ms", "lower", 5.0)
