"""Delivery: one message at a time, from the stream to a handler and back. The one place that knows that work fails.

A worker pulls from every inbox (a kind of work in a lane) whenever it is idle and takes the most urgent message. It counts the attempt,
looks for a manifest, calls the handler under heartbeats, publishes what the handler tells, and acknowledges last. What
goes wrong is tried again later, or told as stage.failed with the original bytes.
"""

import asyncio
import base64
import errno
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from faststream.nats import NatsMessage
from heaters_contracts.fact import (
    LANES,
    REGISTRY,
    Fact,
    Lane,
    Told,
    UnknownFact,
    Unreadable,
    WorkDone,
    decode,
    parse_subject,
    tell,
)
from heaters_contracts.facts.stage import FailureClass, StageFailed, StagePaused, StageRequested, StageResumed
from heaters_contracts.ids import NIL, canonical, sha256_of
from heaters_contracts.ingest import Options
from heaters_contracts.objects import failed_message_key, manifest_key
from heaters_contracts.pipeline import ATTEMPTS_BUCKET, Work
from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from opentelemetry.trace import SpanKind

from heaters_edges import job as jobs
from heaters_edges import telemetry
from heaters_edges.bus import Bus, Stored, stored_from
from heaters_edges.ending import end
from heaters_edges.failure import NoSpace, Permanent, TryLater, Unavailable, Waiting, delay_s, reason_of
from heaters_edges.job import Job
from heaters_edges.objects import Objects
from heaters_edges.pauses import Breaker, Pause, Pauses
from heaters_edges.settings import Settings

log = logging.getLogger(__name__)

PULL_S = 5.0
_FULL = {errno.ENOSPC, errno.EDQUOT}
"""No message's fault: whoever comes when there is room again does the work."""
_MORE_URGENT_S = 0.005
"""How long a less urgent message waits for a more urgent one that may be on its way."""
_INLINE_BYTES = 96 * 1024
"""A failed message up to this size lies in its stage.failed; base64 adds a third."""

Handler = Callable[[Told[Any]], Awaitable[Fact] | AsyncIterator[Fact]]


@dataclass(frozen=True, slots=True)
class Duty:
    """A kind of work that a service does: the row of PIPELINE, its handler, and what makes two results differ beside the input."""

    work: Work
    handler: Handler
    profile: str = ""
    """Name and hash of the settings that shape the result; part of the manifest's name."""
    permanent: tuple[type[Exception], ...] = ()
    """Errors of the handler's libraries that trying again does not mend."""


@dataclass(frozen=True, slots=True)
class _Inbox:
    duty: Duty
    lane: Lane
    urgency: int
    subscriber: Any


@dataclass(frozen=True, slots=True)
class _Order:
    """What to work on: the message that was delivered, or the older one that it asks for again."""

    message: Stored
    request: UUID | None = None
    """The stage.requested, where it is one."""
    replay: bool = False
    """Its results are told anew."""
    force: bool = False
    """Its manifest is not looked for."""
    options: Options | None = None
    """To be used instead of the message's own."""
    problem: Permanent | None = None
    """Why it cannot be worked on."""


class _Erased(Exception):
    """The video was erased after the message was told: nothing is told of it any more."""


class _NotThisStages(Permanent):
    """What is asked for again is not in the stream any more, or was never this stage's to work on."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What went wrong, as far as delivery needs to know."""

    problem: BaseException
    failure_class: FailureClass
    for_good: bool


class Worker:
    """Does a service's duties, one message at a time."""

    def __init__(self, bus: Bus, objects: Objects, settings: Settings, duties: list[Duty]) -> None:
        self._bus = bus
        self._objects = objects
        self._settings = settings
        self._duties = duties
        self._pauses = Pauses(bus)
        self._breakers = {
            duty.work.name: Breaker(most=settings.burst_failures, cooldown_s=settings.burst_cooldown_s)
            for duty in duties
        }
        self._inboxes: list[_Inbox] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._choosing = True
        self._offers: asyncio.PriorityQueue[tuple[int, int, _Inbox, NatsMessage]] = asyncio.PriorityQueue()
        self._offered = 0
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._main: asyncio.Task[None] | None = None
        self.done = asyncio.Event()
        """Set when the worker has ended by itself: after its one message, if it was asked to do one."""

    async def start(self) -> None:
        """Bind to the consumers and begin.

        Raises:
            BusError: a consumer is missing; `migrate` has not run.
        """
        for urgency, (lane, duty) in enumerate(
            (lane, duty) for lane in LANES if lane in self._settings.lanes for duty in self._duties
        ):
            await self._bus.require_consumer(duty.work.consumer(lane))
            subscriber = self._bus.inbox(durable=duty.work.consumer(lane), subject=duty.work.filters(lane)[0])
            self._inboxes.append(_Inbox(duty, lane, urgency, subscriber))
        self._main = asyncio.create_task(self._work(), name="worker")
        self._tasks = [asyncio.create_task(self._hear_of_erasures(), name="erasures")]
        self._tasks += [asyncio.create_task(self._pull(inbox), name=f"pull {inbox.urgency}") for inbox in self._inboxes]
        log.info("ready for work", extra={"consumers": [i.duty.work.consumer(i.lane) for i in self._inboxes]})

    async def stop(self) -> None:
        """Take no more; let the job in hand finish within the grace period, or hand it back at once."""
        self._stopping.set()
        # First of all our pulls must lose their inboxes, or what is handed back would come back to us.
        for inbox in self._inboxes:
            await inbox.subscriber.stop()
        await end(self._tasks)
        if self._main is not None:
            _, running = await asyncio.wait([self._main], timeout=self._settings.grace_s)
            await end(running)
        while not self._offers.empty():
            *_, message = self._offers.get_nowait()
            await self._hand_back(message)

    async def _hear_of_erasures(self) -> None:
        """Forget what this node has of videos that are erased."""
        async for video_id in self._bus.erasures():
            try:
                await asyncio.to_thread(self._objects.forget_video, video_id)
            except OSError as problem:  # the next one must be heard all the same
                log.warning(
                    "files of an erased video stay in the cache until they are put out",
                    extra={"video": str(video_id), "reason": reason_of(problem)},
                )

    async def _require_not_erased(self, told: Told[Fact]) -> None:
        if await self._bus.erased_after(told.video_id, told.sequence):
            raise _Erased(f"the video {told.video_id} was erased")

    async def _pull(self, inbox: _Inbox) -> None:
        stage = inbox.duty.work.name
        while not self._stopping.is_set():
            await self._idle.wait()
            try:
                if await self._paused(stage):
                    await asyncio.sleep(1)
                    continue
                self._objects.no_space()  # looked at for those who watch
                self._objects.require_space(0)
                message = await inbox.subscriber.get_one(timeout=PULL_S)
            except (NatsError, APIError, OSError, TimeoutError) as problem:
                log.warning("taking no work for now, will retry", extra={"stage": stage, "reason": reason_of(problem)})
                await asyncio.sleep(1)
                continue
            if message is None:
                continue
            if self._choosing and not self._stopping.is_set():
                self._idle.clear()  # no inbox pulls again until this one is done with
                self._offered += 1
                self._offers.put_nowait((inbox.urgency, self._offered, inbox, message))
            else:
                await self._hand_back(message)  # somebody idle gets it at once

    async def _paused(self, stage: str) -> bool:
        pause = await self._pauses.of(stage)
        telemetry.PAUSED.labels(stage).set(pause is not None)
        if pause is None or not pause.is_over(datetime.now(UTC)):
            return pause is not None
        # Its cool-down is over: whoever sees it says so; several say it once.
        who = self._settings.service_instance
        fact = StageResumed(stage=stage, by=who, idempotency_key=f"after-{pause.sequence}")
        ack = await self._bus.publish(_of_stage(fact))
        await self._pauses.set(stage, Pause(paused=False, by=who, sequence=ack.sequence))
        log.info("the stage tries again after its rest", extra={"stage": stage})
        return False

    async def _rest(self, stage: str, rest_s: float, problem: BaseException) -> None:
        """Let a stage rest after a burst of failures, unless a person has let it rest already."""
        pause = await self._pauses.of(stage)
        if pause is not None:
            return
        who, now = self._settings.service_instance, datetime.now(UTC)
        count = len(self._breakers[stage].videos)
        reason = f"{count} video{'s' * (count > 1)} failed in a row, the last one: {reason_of(problem)}"[:2000]
        until = now + timedelta(seconds=rest_s)
        fact = StagePaused(stage=stage, by=who, reason=reason, idempotency_key=f"{who}:{now.isoformat()}", until=until)
        ack = await self._bus.publish(_of_stage(fact))
        await self._pauses.set(stage, Pause(paused=True, by=who, reason=reason, until=until, sequence=ack.sequence))
        telemetry.BURSTS.labels(stage).inc()
        log.error("a burst of failures: the stage rests", extra={"stage": stage, "rest_s": rest_s, "reason": reason})

    async def _hand_back(self, message: NatsMessage) -> None:
        with suppress(NatsError, OSError):
            await message.nack()

    async def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(0.5):
                    urgency, _, inbox, message = await self._offers.get()
            except TimeoutError:
                continue
            if urgency and len(self._inboxes) > 1:
                await asyncio.sleep(_MORE_URGENT_S)
                self._offers.put_nowait((urgency, 0, inbox, message))
                urgency, _, inbox, message = self._offers.get_nowait()  # the most urgent of those that have come
            self._choosing = False
            while not self._offers.empty():
                *_, other = self._offers.get_nowait()
                await self._hand_back(other)
            try:
                await self._take(inbox, message)
            except (NatsError, APIError, OSError, TimeoutError) as problem:
                # The bus itself failed: nothing was acknowledged, so the message comes again.
                log.warning("lost hold of a message, it will come again", extra={"reason": reason_of(problem)})
                await asyncio.sleep(1)
            except Exception:
                # A worker that ends here would look alive and do nothing. The attempt is counted: it comes again, but not for ever.
                log.exception("a message could not be dealt with, it will come again")
                await asyncio.sleep(1)
            if self._settings.one_message:
                break
            self._choosing = True
            self._idle.set()
        self.done.set()

    async def _take(self, inbox: _Inbox, message: NatsMessage) -> None:
        work, raw = inbox.duty.work, message.raw_message
        started = datetime.now(UTC)
        meta = raw.metadata
        order = await self._order(work, stored_from(raw))
        if order is None:
            await message.ack()
            return
        if meta.num_delivered > 1:
            telemetry.REDELIVERIES.labels(work.name).inc()
        key = f"{work.consumer(inbox.lane)}.{meta.sequence.stream}"
        attempt = await self._count_attempt(key, first=meta.num_delivered == 1)
        job = Job(work.name, work.deadline_s, work.memory_bytes)
        heartbeat = asyncio.create_task(self._beat(message))
        fields = {"stage": work.name, "lane": inbox.lane, "subject": raw.subject, "attempt": attempt}
        outcome = "cancelled"
        begun = time.monotonic()
        telemetry.WORKING.labels(work.name).set(1)
        try:
            with telemetry.span(
                work.name, parent=(raw.headers or {}).get("traceparent"), kind=SpanKind.CONSUMER, subject=raw.subject
            ):
                failed = await self._attempt(inbox.duty, order, message, job, attempt, started)
                if failed is None:
                    outcome = "reused" if job.reused else "done"
                    self._breakers[work.name].succeeded()
                    log.info(
                        "done", extra={**fields, "seconds": round(time.monotonic() - begun, 3), "reused": job.reused}
                    )
                elif failed.for_good or attempt >= work.attempts:
                    if await self._rests_instead(work, order, message, failed, key, attempt):
                        outcome = "postponed"
                        return
                    outcome = "failed"
                    await self._tell_failure(inbox, order, message, failed, attempt)
                    log.error("gave up", extra={**fields, "reason": reason_of(failed.problem)}, exc_info=_trace(failed))
                else:
                    outcome = "retried"
                    wait = delay_s(attempt, base_s=self._settings.retry_base_s, problem=failed.problem)
                    log.warning(
                        "failed, will retry",
                        extra={**fields, "reason": reason_of(failed.problem), "retry_in_s": wait},
                        exc_info=_trace(failed),
                    )
                    await message.nack(delay=wait)
        except Unavailable as problem:
            # Not the message's fault: the attempt does not count, and it comes again however long the outage lasts.
            outcome = "retried"
            if isinstance(problem, NoSpace):
                outcome = "no_space"
                self._objects.ran_short(problem)
            wait = delay_s(min(meta.num_delivered, 5), base_s=self._settings.retry_base_s, problem=problem)
            log.warning(
                "an edge is unavailable, will retry", extra={**fields, "reason": reason_of(problem), "retry_in_s": wait}
            )
            await self._give_attempt_back(key, attempt)
            await message.nack(delay=wait)
        except Waiting as problem:
            outcome = "waiting"
            log.info(
                "waiting for what the work needs",
                extra={**fields, "reason": reason_of(problem), "again_in_s": problem.again_in_s},
            )
            await self._give_attempt_back(key, attempt)
            await message.nack(delay=problem.again_in_s)
        except asyncio.CancelledError:
            # SIGTERM and the grace is over: the attempt does not count, and somebody else may begin at once.
            await self._give_attempt_back(key, attempt)
            await self._hand_back(message)
            log.warning("handed back unfinished", extra=fields)
            raise
        finally:
            await end([heartbeat])
            telemetry.WORKING.labels(work.name).set(0)
            telemetry.JOBS.labels(work.name, inbox.lane, outcome).inc()
            telemetry.JOB_SECONDS.labels(work.name, inbox.lane).observe(time.monotonic() - begun, telemetry.exemplar())
            telemetry.JOB_CPU_SECONDS.labels(work.name).inc(job.cpu_s)

    async def _rests_instead(
        self, work: Work, order: _Order, message: NatsMessage, failed: _Failed, key: str, attempt: int
    ) -> bool:
        """Whether a message that is to be given up is kept, for its stage has given up too many in a row."""
        if failed.failure_class == "bad_input":
            return False  # the message's own fault, as the handler knows
        breaker = self._breakers[work.name]
        probing = breaker.is_probing
        _, video_id = _identity_of(order.message.subject, order.message.headers, order.message.data)
        rest_s = breaker.failed(video_id)
        if rest_s is None:
            return False
        await self._rest(work.name, rest_s, failed.problem)
        if probing or attempt > work.attempts:
            return False
        await self._give_attempt_back(key, attempt)
        await message.nack(delay=rest_s)
        return True

    async def _order(self, work: Work, delivered: Stored) -> _Order | None:
        """What a message orders; None if it is another stage's affair."""
        if not delivered.subject.startswith(f"heaters.{StageRequested.TYPE}."):
            return _Order(delivered)
        try:
            asked = decode(delivered.subject, delivered.headers, delivered.data)
        except Unreadable as problem:
            log.error("nobody can read this request to work again", extra={"reason": str(problem)})
            return None
        if not isinstance(asked.fact, StageRequested) or asked.fact.stage != work.name:
            return None
        wanted = await self._bus.message(asked.fact.message_sequence)
        if wanted is None:
            gone = _NotThisStages(f"message {asked.fact.message_sequence} is not in the stream any more")
            return _Order(delivered, asked.id, problem=gone)
        if not wanted.subject.startswith(f"heaters.{work.consumes.TYPE}."):
            other = _NotThisStages(f"message {wanted.sequence} is {wanted.subject}, which {work.name} does not work on")
            return _Order(delivered, asked.id, problem=other)
        return _Order(wanted, asked.id, replay=asked.fact.replay, force=asked.fact.force, options=asked.fact.options)

    async def _attempt(
        self, duty: Duty, order: _Order, message: NatsMessage, job: Job, attempt: int, started: datetime
    ) -> _Failed | None:
        wanted, work = order.message, duty.work
        if attempt > work.attempts:
            # The attempts were used up by a job that took its worker down with it, and so could not say so.
            crashed = RuntimeError(f"the worker did not survive this message {work.attempts} times")
            return _Failed(crashed, "bug", for_good=True)
        try:
            if order.problem is not None:
                raise order.problem
            told = decode(wanted.subject, wanted.headers, wanted.data).stored(wanted.sequence, wanted.stored_at)
            if order.replay and order.request is not None:
                told = replace(told, id=order.request)  # the cause of what is told anew
            if order.options is not None and "options" in type(told.fact).model_fields:
                told = replace(told, fact=told.fact.model_copy(update={"options": order.options}))
            loop = asyncio.get_running_loop()
            job.report = lambda share: _spawn(loop, self._bus.report(work.name, told.video_id, share, pace=job.pace))
            async with asyncio.timeout(work.deadline_s + 60):
                await self._do(duty, told, job, attempt, started, force=order.force)
            await message.ack()
        except asyncio.CancelledError:
            raise
        except _Erased as problem:
            log.info("work is dropped", extra={"stage": work.name, "reason": str(problem)})
            await message.ack()
        except (Unavailable, Waiting):
            raise
        except Exception as problem:
            if isinstance(problem, OSError) and problem.errno in _FULL:
                raise NoSpace(f"the disk is full: {problem}") from problem
            return _judge(problem, duty.permanent)
        return None

    async def _do(
        self, duty: Duty, told: Told[Fact], job: Job, attempt: int, started: datetime, *, force: bool
    ) -> None:
        """Find the results in a manifest, or have the handler make them; tell each at once; write the manifest last."""
        jobs.begin(job)
        await self._require_not_erased(told)
        inputs = {"video": told.video_id, "profile": duty.profile, "fact": told.fact.model_dump(mode="json")}
        manifest = manifest_key(told.video_id, duty.work.name, sha256_of(canonical(inputs)))
        known = None if force else await self._objects.read_json(manifest)
        if known is not None:
            job.reused = True
            for entry in known:
                fact = REGISTRY[entry["type"], entry["version"]].model_validate(entry["fact"])
                await self._tell(fact, told, job, attempt, started)
            return
        results: list[Fact] = []
        made = duty.handler(told)
        if isinstance(made, AsyncIterator):
            async for each in made:
                results.append(each)
                await self._tell(each, told, job, attempt, started)
        else:
            results.append(await made)
            await self._tell(results[0], told, job, attempt, started)
        if results:  # else a setting said so, and another may say something else tomorrow
            await self._objects.write_json(
                manifest,
                [{"type": f.TYPE, "version": f.VERSION, "fact": f.model_dump(mode="json")} for f in results],
            )

    async def _tell(self, fact: Fact, cause: Told[Fact], job: Job, attempt: int, started: datetime) -> None:
        now = datetime.now(UTC)
        work = WorkDone(
            started=started,
            finished=now,
            attempt=attempt,
            cpu_s=round(job.cpu_s, 4),
            read_bytes=job.read_bytes,
            written_bytes=job.written_bytes,
            host=self._settings.service_instance,
            reused=job.reused,
        )
        told = tell(
            fact,
            video_id=cause.video_id,
            lane=cause.lane,
            cause=cause.id,
            time=now,
            work=work,
            traceparent=telemetry.traceparent(),
        )
        await self._require_not_erased(cause)  # it may have been erased while the work was done
        await self._bus.publish(told)

    async def _beat(self, message: NatsMessage) -> None:
        while True:
            await asyncio.sleep(self._settings.ack_wait_s / 3)
            with suppress(NatsError, OSError):
                await message.in_progress()

    async def _count_attempt(self, key: str, *, first: bool) -> int:
        """Write down that an attempt begins, before it does: a job that kills its worker never says that it failed."""
        bucket = await self._bus.bucket(ATTEMPTS_BUCKET)
        if first:
            with suppress(KeyWrongLastSequenceError):
                await bucket.create(key, b"1")
                return 1
        try:
            entry = await bucket.get(key)
            attempt = int(entry.value or b"0") + 1
        except KeyNotFoundError:
            attempt = 1
        await bucket.put(key, str(attempt).encode())
        return attempt

    async def _give_attempt_back(self, key: str, attempt: int) -> None:
        with suppress(NatsError, APIError, OSError, TimeoutError):
            await (await self._bus.bucket(ATTEMPTS_BUCKET)).put(key, str(attempt - 1).encode())

    async def _tell_failure(
        self, inbox: _Inbox, order: _Order, message: NatsMessage, failed: _Failed, attempt: int
    ) -> None:
        given = order.message
        cause, video_id = _identity_of(given.subject, given.headers, given.data)
        kept = None
        if len(given.data) > _INLINE_BYTES:
            digest = hashlib.sha256(given.data).hexdigest()
            kept = await self._objects.put_bytes(given.data, failed_message_key(video_id, digest))
        fact = StageFailed(
            stage=inbox.duty.work.name,
            reason=reason_of(failed.problem),
            failure_class=failed.failure_class,
            problem=getattr(failed.problem, "problem", ""),
            attempts=min(attempt, inbox.duty.work.attempts),
            message_subject=given.subject,
            message_sequence=given.sequence,
            message_headers=given.headers,
            message=None if kept else base64.b64encode(given.data).decode(),
            message_object=kept,
            request=order.request,
            trace_id=telemetry.trace_id(),
        )
        told = tell(
            fact,
            video_id=video_id,
            lane=inbox.lane,
            cause=cause,
            time=datetime.now(UTC),
            traceparent=telemetry.traceparent(),
        )
        await self._bus.publish(told)
        await message.ack()
        telemetry.GIVEN_UP.labels(fact.stage, fact.failure_class).inc()


def _identity_of(subject: str, headers: dict[str, str], data: bytes) -> tuple[Any, Any]:
    """The id of a message that may be unreadable, and the video that it speaks of: as far as its envelope says."""
    with suppress(Unreadable):
        told = decode(subject, headers, data)
        return told.id, told.video_id
    with suppress(UnknownFact):
        return None, parse_subject(subject).video_id
    return None, NIL


def _of_stage(fact: StagePaused | StageResumed) -> Told[Fact]:
    return tell(fact, video_id=NIL, lane="interactive", cause=None, time=datetime.now(UTC))


def _judge(problem: Exception, permanent: tuple[type[Exception], ...]) -> _Failed:
    if isinstance(problem, (Unreadable, Permanent, *permanent)):
        return _Failed(problem, getattr(problem, "failure_class", "bad_input"), for_good=True)
    if isinstance(problem, TryLater | OSError | NatsError | APIError):  # OSError: time-outs and connections, too
        return _Failed(problem, "transient", for_good=False)
    return _Failed(problem, getattr(problem, "failure_class", "bug"), for_good=False)


def _trace(failed: _Failed) -> BaseException | None:
    """A traceback is for bugs; a bad input explains itself."""
    return failed.problem if failed.failure_class == "bug" else None


def _spawn(loop: asyncio.AbstractEventLoop, what: Any) -> None:
    task = loop.create_task(what)
    _reports.add(task)
    task.add_done_callback(_reports.discard)


_reports: set[asyncio.Task[Any]] = set()
