"""The bus: facts on NATS JetStream, through FastStream. Connects, publishes, follows; `delivery` does the work.

Streams and consumers are made by `streams.migrate` and never altered here.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from faststream.nats.prometheus import NatsPrometheusMiddleware
from faststream.security import SASLPlaintext
from heaters_contracts.fact import Fact, Told, encode, video_filter
from heaters_contracts.facts import VideoErased
from heaters_contracts.pipeline import (
    FACTS_STREAM,
    INGEST_STREAM,
    PROGRESS_STREAM,
    progress_subject,
)
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RawStreamMsg
from nats.js.errors import APIError, NotFoundError
from nats.js.kv import KeyValue

from heaters_edges.failure import Unavailable
from heaters_edges.job import Pace
from heaters_edges.settings import Settings
from heaters_edges.telemetry import REGISTRY
from heaters_edges.wanted import ADMISSION_CONSUMER, LISTENERS, progress_config

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT_S = 5.0
_OF_THE_ANSWER = {"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending"}
"""Headers that the server adds when it gives a message directly; they were never said."""
STORED_AT = "Heaters-Stored-At"
"""Header of a message that was given back after a loss: when the stream stored it at first."""
_WRONG_LAST_SEQUENCE = 10071
_SILENCE_S = 5.0
_ERASURES_S = 60.0


@dataclass(frozen=True, slots=True)
class Ack:
    """The stream has it, at this sequence; `duplicate` says that it had it before."""

    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the stream keeps it."""

    sequence: int
    stored_at: datetime
    subject: str
    headers: dict[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is with a video: a share from 0 to 1. No fact; the last one counts."""

    stage: str
    video_id: UUID
    fraction: float
    detail: str
    at: datetime
    pace: Pace | None = None


class Stale(Exception):
    """Something has happened to the video since the version that a decision was made on."""


class BusError(Unavailable):
    """NATS did not take a message, or something that `migrate` makes is not there."""


class NoAnswer(Unavailable):
    """Nobody answered a question in time, or nobody is there who could."""


class Publisher(Protocol):
    """Who can tell a fact: the bus, and its twin for tests."""

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact; `expect` is the video's version that it builds on."""


def stored_from(message: Msg) -> Stored:
    """A message of a stream, as plain values."""
    meta = message.metadata
    return _stored(meta.sequence.stream, meta.timestamp, message.subject, message.headers, message.data)


def stored_raw(found: RawStreamMsg) -> Stored:
    """A message that was asked for by its place, as plain values."""
    if found.time is None:
        raise BusError(f"message {found.seq} came without its time")
    return _stored(found.seq or 0, found.time, found.subject or "", found.headers, found.data or b"")


def _stored(sequence: int, at: datetime, subject: str, said: dict[str, str] | None, data: bytes) -> Stored:
    headers = {name: value for name, value in (said or {}).items() if name not in _OF_THE_ANSWER}
    given_back = headers.pop(STORED_AT, None)
    if given_back is not None:
        with suppress(ValueError):
            at = datetime.fromisoformat(given_back)
    return Stored(sequence, _utc(at), subject, headers, data)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


class IngestMessage:
    """A request that somebody published on `ingest.<requester>`."""

    def __init__(self, message: NatsMessage) -> None:
        self._message = message
        self.requester = message.raw_message.subject.removeprefix("ingest.")
        self.data = message.raw_message.data
        self.headers = dict(message.raw_message.headers or {})

    async def ack(self) -> None:
        """It has been answered: admitted or rejected."""
        await self._message.ack()

    async def nak(self, *, delay_s: float) -> None:
        """Give it again later."""
        await self._message.nack(delay=delay_s)


class FactMessage:
    """A fact that a durable consumer was given."""

    def __init__(self, message: NatsMessage) -> None:
        self._message = message
        self.stored = stored_from(message.raw_message)

    async def ack(self) -> None:
        """It is done with."""
        await self._message.ack()

    async def nak(self, *, delay_s: float) -> None:
        """Give it again later."""
        await self._message.nack(delay=delay_s)

    async def working(self) -> None:
        """It takes longer."""
        await self._message.in_progress()


class Bus:
    """A connection to NATS, and what Heaters does with it."""

    def __init__(self, settings: Settings, *, source: str) -> None:
        self._settings = settings
        self.source = source
        security = None
        if settings.nats_user and settings.nats_password:
            security = SASLPlaintext(settings.nats_user, settings.nats_password.get_secret_value())
        self.broker = NatsBroker(
            settings.nats_url.split(","),
            name=f"heaters-{source}-{settings.service_instance}",
            connect_timeout=5,
            inbox_prefix=f"_INBOX_{source}",  # of its own: no service can hear what another is sent
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=20,
            pending_size=16 * 1024**2,
            allow_reconnect=True,
            error_cb=self._on_error,
            logger=None,
            graceful_timeout=1.0,
            middlewares=(
                NatsTelemetryMiddleware(),
                NatsPrometheusMiddleware(registry=REGISTRY, app_name="heaters", metrics_prefix="heaters_bus"),
            ),
            security=security,
        )
        self._buckets: dict[str, KeyValue] = {}
        self.denied: str | None = None

    async def _on_error(self, problem: Exception) -> None:
        # A denied publish or subscription reaches the caller only as a timeout; its reason comes here.
        if "permissions violation" in str(problem).lower():
            self.denied = str(problem)
        log.warning("nats reported an error", extra={"reason": str(problem) or type(problem).__name__})

    async def connect(self) -> None:
        """Connect; retries until the server answers or the task is cancelled."""
        while True:
            try:
                await self.broker.connect()
                return
            except (NatsError, OSError, TimeoutError) as problem:
                log.warning("nats does not answer yet", extra={"reason": str(problem)})
                await asyncio.sleep(1)

    async def release(self) -> None:
        """End all subscriptions. What was fetched and not acknowledged is given to somebody else."""
        for subscriber in self.broker.subscribers:
            await subscriber.stop()
        with suppress(NatsError, OSError, TimeoutError):
            await self.client.flush(timeout=1)

    async def close(self) -> None:
        """End all subscriptions and the connection, without the drain that waits up to 30 s for a pull to fall silent."""
        await self.release()
        await self.client.close()

    @property
    def client(self) -> Client:
        """The NATS connection below."""
        connection = self.broker._connection
        if connection is None:
            raise BusError("the bus is not connected")
        return connection

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream on that connection."""
        return self.client.jetstream(timeout=PUBLISH_TIMEOUT_S)

    @property
    def connected(self) -> bool:
        """Whether the connection stands right now, and nothing was denied to us."""
        connection = self.broker._connection
        return connection is not None and connection.is_connected and self.denied is None

    async def bucket(self, name: str) -> KeyValue:
        """A key-value bucket, bound once."""
        if name not in self._buckets:
            self._buckets[name] = await self.broker.key_value(name, declare=False)
        return self._buckets[name]

    async def publish(self, told: Told[Fact], *, expect: int | None = None) -> Ack:
        """Store a fact in the stream and wait until it is there.

        Args:
            told: the fact.
            expect: the stream sequence of the last fact of its video (0: none), if the fact is true only on that.

        Raises:
            Stale: something was told of the video since.
            BusError: the server did not confirm it.
        """
        message = encode(told, source=self.source)
        if expect is not None:
            message.headers["Nats-Expected-Last-Subject-Sequence"] = str(expect)
            message.headers["Nats-Expected-Last-Subject-Sequence-Subject"] = video_filter(told.video_id)
        return await self.publish_raw(message.subject, message.headers, message.data)

    async def publish_raw(
        self, subject: str, headers: dict[str, str], data: bytes, *, stream: str = FACTS_STREAM
    ) -> Ack:
        """Store a message as it is: what `publish` does below, and what gives back a failed message."""
        try:
            ack: Any = await self.broker.publish(
                data, subject, headers=headers, stream=stream, timeout=PUBLISH_TIMEOUT_S
            )
        except APIError as problem:
            if problem.err_code == _WRONG_LAST_SEQUENCE:
                raise Stale(f"the video of {subject} has moved on: {problem.description}") from problem
            raise BusError(f"the stream {stream} refused {subject}: {problem.description}") from problem
        except (NatsError, TimeoutError, OSError) as problem:
            why = self.denied or str(problem) or type(problem).__name__
            raise BusError(f"{subject} was not confirmed by the stream {stream}: {why}") from problem
        return Ack(ack.seq, bool(ack.duplicate))

    def inbox(self, *, durable: str, subject: str, stream: str = FACTS_STREAM) -> Any:
        """A FastStream pull subscriber without a handler, one message at a time, bound to an existing durable consumer."""
        return self.broker.subscriber(
            subject,
            stream=JStream(stream, declare=False),
            durable=durable,
            pull_sub=PullSub(batch_size=1),
            inbox_prefix=f"_INBOX_{self.source}.".encode(),
        )

    async def require_consumer(self, durable: str, *, stream: str = FACTS_STREAM) -> None:
        """Raise BusError unless the consumer is there: a subscriber would silently make a wrong one."""
        try:
            await self.jetstream.consumer_info(stream, durable)
        except NotFoundError as problem:
            raise BusError(f"the stream {stream} has no consumer {durable}: run `migrate` first") from problem

    async def backlog(self, durable: str) -> tuple[int, int]:
        """Messages of the facts stream that wait for a consumer, and those that it has handed out.

        Raises:
            BusError: NATS does not say.
        """
        try:
            info = await self.jetstream.consumer_info(FACTS_STREAM, durable)
        except (NatsError, APIError, OSError, TimeoutError) as problem:
            raise BusError(f"nothing is known of {durable}: {problem}") from problem
        return int(info.num_pending or 0), int(info.num_ack_pending or 0)

    async def last_sequence(self) -> int:
        """The sequence of the newest message of the facts stream; 0 if it is empty.

        Raises:
            BusError: NATS does not say.
        """
        try:
            info = await self.jetstream.stream_info(FACTS_STREAM)
        except (NatsError, OSError) as problem:
            raise BusError(f"nothing is known of the facts' stream: {problem}") from problem
        return int(info.state.last_seq)

    async def follow(self, after: int, *, most: int = 500) -> AsyncIterator[list[Stored]]:
        """Every message of the facts stream after a sequence, in stream order, for ever.

        Yields batches of 1 to `most` messages, as they come. A lost connection is mended by asking again from where it broke.
        """
        position = after
        while True:
            subscription = None
            try:
                subscription = await self._subscribe_from(position + 1)
                silent = 0
                while True:
                    try:
                        first = await subscription.next_msg(timeout=1)
                    except (NatsTimeout, TimeoutError):
                        # A consumer may die with its server, or fall silent after a reconnect; nothing is said then, so look.
                        if await self._next_after(position) is not None:
                            silent += 1
                            if silent >= 2:
                                raise BusError(
                                    f"the consumer is silent, though the stream goes on after {position}"
                                ) from None
                        continue
                    silent = 0
                    batch = [stored_from(first)]
                    while len(batch) < most and subscription.pending_msgs:
                        batch.append(stored_from(await subscription.next_msg(timeout=1)))
                    if any(message.sequence <= position for message in batch):
                        batch = [message for message in batch if message.sequence > position]
                    if batch:
                        position = batch[-1].sequence
                        yield batch
            except (NatsError, APIError, OSError, TimeoutError) as problem:
                log.warning("following the stream broke off", extra={"after": position, "reason": str(problem)})
                await asyncio.sleep(0.5)
            finally:
                if subscription is not None:
                    with suppress(NatsError, APIError, OSError, TimeoutError):
                        await subscription.unsubscribe()

    async def _subscribe_from(self, sequence: int) -> Subscription:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=max(1, sequence),
            ack_policy=AckPolicy.NONE,
            inactive_threshold=60,
        )
        return await self.jetstream.subscribe(
            "heaters.>", stream=FACTS_STREAM, ordered_consumer=True, config=config, pending_msgs_limit=65536
        )

    async def _next_after(self, sequence: int) -> int | None:
        """The sequence of the next message that the facts stream has; None if there is none."""
        try:
            found = await self.jetstream.get_msg(
                FACTS_STREAM, seq=sequence + 1, subject="heaters.>", next=True, direct=True
            )
        except NotFoundError:
            return None
        return found.seq

    async def message(self, sequence: int) -> Stored | None:
        """One message of the facts stream; None if it is not there, or not any more."""
        try:
            found = await self.jetstream.get_msg(FACTS_STREAM, seq=sequence, direct=True)
        except NotFoundError:
            return None
        return stored_raw(found)

    async def history(self, video_id: UUID) -> list[Stored]:
        """Everything that was ever told of one video, in order."""
        told: list[Stored] = []
        js, sequence = self.jetstream, 1
        while True:
            # One get a message: consumers made for a look would stay behind on the server for a while.
            try:
                found = await js.get_msg(
                    FACTS_STREAM, seq=sequence, subject=video_filter(video_id), next=True, direct=True
                )
            except NotFoundError:
                return told
            told.append(stored_raw(found))
            sequence = told[-1].sequence + 1

    async def erased_after(self, video_id: UUID, sequence: int) -> bool:
        """Whether a video was erased after a message of it was told."""
        return await self._next(f"heaters.{VideoErased.TYPE}.*.*.{video_id}", sequence) is not None

    async def erasures(self) -> AsyncIterator[UUID]:
        """Every video that was ever erased, then every other one within a minute; for ever. Makes no consumer: workers may not."""
        after = 0
        while True:
            try:
                while (found := await self._next(f"heaters.{VideoErased.TYPE}.*.*.*", after)) is not None:
                    after = found.sequence
                    with suppress(ValueError):
                        yield UUID(found.subject.rpartition(".")[2])
            except (NatsError, APIError, OSError, TimeoutError, BusError) as problem:
                log.info("looking for erasures failed, will try again", extra={"reason": str(problem)})
            await asyncio.sleep(_ERASURES_S)

    async def _next(self, subject: str, after: int) -> Stored | None:
        """The first message of some subjects after a sequence."""
        try:
            return stored_raw(
                await self.jetstream.get_msg(FACTS_STREAM, seq=after + 1, subject=subject, next=True, direct=True)
            )
        except NotFoundError:
            return None

    async def requests(self) -> AsyncIterator[IngestMessage]:
        """Requests of other teams, each until it is acknowledged; for ever."""
        await self.require_consumer(ADMISSION_CONSUMER, stream=INGEST_STREAM)
        inbox = self.inbox(durable=ADMISSION_CONSUMER, subject="ingest.>", stream=INGEST_STREAM)
        while True:
            try:
                message = await inbox.get_one(timeout=5)
            except (NatsError, APIError, OSError) as problem:
                log.warning("fetching requests failed", extra={"reason": str(problem)})
                await asyncio.sleep(1)
                continue
            if message is not None:
                yield IngestMessage(message)

    async def heard(self, consumer: str) -> AsyncIterator["FactMessage"]:
        """The facts that a durable consumer hears, one at a time, each until it is acknowledged; for ever."""
        await self.require_consumer(consumer)
        inbox = self.inbox(durable=consumer, subject=LISTENERS[consumer][0])
        while True:
            try:
                message = await inbox.get_one(timeout=5)
            except (NatsError, APIError, OSError) as problem:
                log.warning("fetching facts failed", extra={"consumer": consumer, "reason": str(problem)})
                await asyncio.sleep(1)
                continue
            if message is not None:
                yield FactMessage(message)

    async def report(
        self, stage: str, video_id: UUID, fraction: float, *, detail: str = "", pace: Pace | None = None
    ) -> None:
        """Say how far a stage is with a video. Nobody is told if nobody listens; a lost one does not matter."""
        body = {
            "fraction": round(min(1.0, max(0.0, fraction)), 4),
            "detail": detail,
            "at": datetime.now(UTC).isoformat(),
            "pace": None if pace is None else asdict(pace),
        }
        with suppress(NatsError, OSError):
            await self.client.publish(progress_subject(stage, video_id), json.dumps(body).encode())

    async def ask(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """Ask whoever answers on a subject; nothing is kept of question and answer.

        Raises:
            NoAnswer: nobody listens there, or nobody answers in time.
        """
        try:
            return (await self.client.request(subject, data, timeout=timeout_s)).data
        except NoRespondersError:
            raise NoAnswer(f"nobody listens on {subject}") from None
        except (NatsTimeout, TimeoutError):
            raise NoAnswer(self.denied or f"no answer within {timeout_s:g} s") from None
        except (NatsError, OSError) as problem:
            raise NoAnswer(str(problem) or type(problem).__name__) from problem

    async def answer(self, subject: str, queue: str, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer questions on a subject from now on, one at a time, each question answered by one of a queue group.

        Args:
            subject: where they are asked.
            queue: the group's name.
            answer: makes an answer of a question; what goes wrong is its to say, in the answer's own form.
        """

        async def on(message: Msg) -> None:
            try:
                data = await answer(message.data)
                await message.respond(data)
            except (NatsError, OSError) as problem:
                log.warning("an answer was lost", extra={"subject": subject, "reason": str(problem)})

        await self.client.subscribe(subject, queue=queue, cb=on)

    async def progress(self) -> AsyncIterator[Progress]:
        """Each stage's last word on each video, then every new one; for ever."""
        told_why: str | None = None
        while True:
            subscription = None
            try:
                subscription = await self._subscribe_to_progress()
                told_why = None
                while True:
                    try:
                        message = await subscription.next_msg(timeout=_SILENCE_S)
                    except (NatsTimeout, TimeoutError):
                        await subscription.consumer_info()  # it ends with its server, and nobody says so
                        continue
                    if (said := _progress(message)) is not None:
                        yield said
            except (NatsError, APIError, OSError, TimeoutError) as problem:
                if told_why != (why := str(problem) or type(problem).__name__):
                    told_why = why
                    log.warning("following progress broke off, will try again", extra={"reason": why})
            finally:
                if subscription is not None:
                    with suppress(NatsError, APIError, OSError, TimeoutError):
                        await subscription.unsubscribe()
            await asyncio.sleep(1)

    async def _subscribe_to_progress(self) -> JetStreamContext.PushSubscription:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, ack_policy=AckPolicy.NONE, inactive_threshold=60
        )
        for again in (True, False):
            try:
                return await self.jetstream.subscribe("progress.heaters.>", stream=PROGRESS_STREAM, config=config)
            except NotFoundError:
                if not again:
                    raise
                await self.jetstream.add_stream(progress_config(1))
                log.warning("the stream of progress was gone, as after a restart of NATS, and is made again")
        raise BusError("the stream of progress is not there")


def _progress(message: Msg) -> Progress | None:
    try:
        _, _, stage, video = message.subject.split(".")
        said = json.loads(message.data)
        at = datetime.fromisoformat(said["at"])
        pace = Pace(**said["pace"]) if said.get("pace") else None
        return Progress(stage, UUID(video), float(said["fraction"]), str(said["detail"]), at, pace)
    except (ValueError, KeyError, TypeError) as problem:
        log.warning("a word on progress is not readable", extra={"subject": message.subject, "reason": str(problem)})
        return None
