"""Webhooks: requesters are told the milestones of their videos at the address that they named.

The facts come from a durable consumer, so nothing is lost while nobody of us runs; a table remembers what was taken, for as long as there
are facts: a stream that is given back is heard from its beginning. Each call is signed as standardwebhooks.com says: `v1,` and the base64
HMAC-SHA256 of `<id>.<timestamp>.<body>`. The id is the same each time.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid5

import httpx
from heaters_contracts.addresses import AddressPolicy
from heaters_contracts.fact import Fact, Told, Unreadable, decode, to_json
from heaters_contracts.facts import SegmentScenesDetected
from heaters_contracts.ids import NAMESPACE
from heaters_edges.bus import FactMessage
from heaters_edges.failure import Unavailable
from heaters_edges.outward import CheckedTransport, Forbidden, NoHostName, UnknownHost
from heaters_edges.telemetry import REGISTRY
from heaters_edges.wanted import WEBHOOK_CONSUMER
from prometheus_client import Counter
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.core import tables as core
from heaters_review_api.core.requesters import Terms, terms_of
from heaters_review_api.core.states import VideoState
from heaters_review_api.db.passed import Lagging, Passed
from heaters_review_api.db.queries import Queries
from heaters_review_api.db.webhooks import Webhooks

log = logging.getLogger(__name__)

SENT = Counter("heaters_webhooks", "Webhooks, by outcome", ["outcome"], registry=REGISTRY)
_TIMEOUT_S = 10.0
_CLAIM_S = 60.0
_AGAIN_S = 5.0
_LONGEST_PAUSE_S = 3600.0
_AT_ONCE = 8


class Heard(Protocol):
    """Where facts come from."""

    def heard(self, consumer: str) -> AsyncIterator[FactMessage]:
        """Each until it is acknowledged; for ever."""


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook, ready to be sent."""

    id: UUID
    url: str
    body: bytes
    secret: SecretStr

    def headers(self, at_s: int) -> dict[str, str]:
        """Its headers when it is sent at a time, in seconds since 1970."""
        signed = f"{self.id}.{at_s}.".encode() + self.body
        digest = hmac.new(self.secret.get_secret_value().encode(), signed, hashlib.sha256).digest()
        return {
            "content-type": "application/json",
            "user-agent": "heaters-webhook",
            "webhook-id": str(self.id),
            "webhook-timestamp": str(at_s),
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }


def call_of(told: Told[Fact], video: core.Video, terms: Mapping[str, Terms]) -> Call | None:
    """What a requester is to be told of a fact, or None where it is no milestone, or they do not want to be told.

    The cuts of a segment are a milestone when the video opens for review with them, which is told once a video. A fact's webhook has the
    same id whatever has become of the video since: the facts are all heard again where their stream was given back.
    """
    url = video.options.callback if video.options else None
    secret = terms_of(video.requester, terms).webhook_secret
    if url is None or secret is None:
        return None
    id_ = told.id
    if isinstance(told.fact, SegmentScenesDetected):
        if video.state not in (VideoState.IN_REVIEW, VideoState.DONE):
            return None
        id_ = uuid5(NAMESPACE, f"webhook:in_review:{video.id}")
    body = {
        "id": str(id_),
        "at": told.time.isoformat(),
        "video_id": str(video.id),
        "requester": video.requester,
        "request_id": video.request_id,
        "reference": video.options.reference if video.options else "",
        "state": video.state.value,
        "fact": to_json(told),
    }
    return Call(id_, url, json.dumps(body, separators=(",", ":")).encode(), secret)


class Teller:
    """Sends webhooks.

    Args:
        queries: knows the videos.
        passed: knows how far the tables are.
        table: remembers what was taken.
        terms: of requesters, with their secrets.
        policy: which addresses may be called.
        patience_s: how long a webhook that nobody takes is tried again.
    """

    def __init__(
        self,
        queries: Queries,
        passed: Passed,
        table: Webhooks,
        *,
        terms: Mapping[str, Terms],
        policy: AddressPolicy,
        patience_s: float,
    ) -> None:
        self._queries = queries
        self._passed = passed
        self._table = table
        self._terms = terms
        self._patience_s = patience_s
        # Of its own: those who do not answer must not take the threads by which clips are read for people.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook")
        self._client = httpx.Client(
            transport=CheckedTransport(policy), timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False
        )

    async def run(self, bus: Heard) -> None:
        """Tell every milestone, for ever."""
        room = asyncio.Semaphore(_AT_ONCE)
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    async for message in bus.heard(WEBHOOK_CONSUMER):
                        await room.acquire()
                        group.create_task(self._handle(message)).add_done_callback(lambda _: room.release())
            except* (Unavailable, SQLAlchemyError, Lagging, OSError) as problems:
                log.warning("webhooks wait", extra={"reason": str(problems.exceptions[0])})
            await asyncio.sleep(_AGAIN_S)

    async def _handle(self, message: FactMessage) -> None:
        stored = message.stored
        try:
            told = decode(stored.subject, stored.headers, stored.data).stored(stored.sequence, stored.stored_at)
        except Unreadable:
            await message.ack()  # no reader outside would understand it either
            return
        try:
            await self._passed.wait_for(stored.sequence, timeout_s=15)
            video = await self._queries.video(told.video_id)
            call = call_of(told, video, self._terms) if video is not None else None
            wait_s = await self._send(call, told.video_id) if call is not None else None
        except (Unavailable, SQLAlchemyError, Lagging) as problem:
            log.warning("a webhook waits", extra={"reason": str(problem)})
            wait_s = _AGAIN_S
        if wait_s is None:
            await message.ack()
        else:
            await message.nak(delay_s=wait_s)

    async def _send(self, call: Call, video_id: UUID) -> float | None:
        """Make one attempt. Returns seconds until the next one, or None where there is none."""
        sending = await self._table.attempt(call.id, video_id, claim_s=_CLAIM_S)
        if sending.ended:
            return None
        if not sending.ours:
            return _AGAIN_S  # another fact led to the very same milestone, and is being told
        fields = {"webhook": str(call.id), "video_id": str(video_id), "attempt": sending.attempts}
        taken, for_good, answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._post, call)
        age_s = (datetime.now(UTC) - sending.first_tried_at).total_seconds()
        if taken or for_good or age_s > self._patience_s:
            await self._table.end(call.id, answer)
            SENT.labels("taken" if taken else "given_up").inc()
            log.log(logging.INFO if taken else logging.ERROR, "a webhook ended", extra={**fields, "answer": answer})
            return None
        await self._table.release(call.id)
        SENT.labels("retried").inc()
        log.warning("a webhook was not taken, will retry", extra={**fields, "answer": answer})
        return min(_AGAIN_S * 2.0 ** min(sending.attempts - 1, 16), _LONGEST_PAUSE_S)

    def _post(self, call: Call) -> tuple[bool, bool, str]:
        """Whether it was taken, whether it never will be, and what was answered."""
        try:
            # What is said beside the status is not read: it may have no end.
            with self._client.stream(
                "POST", call.url, content=call.body, headers=call.headers(int(time.time()))
            ) as answer:
                return answer.is_success, answer.status_code == httpx.codes.GONE, f"{answer.status_code}"
        except (Forbidden, UnknownHost, NoHostName, httpx.InvalidURL, httpx.UnsupportedProtocol) as problem:
            return False, not isinstance(problem, UnknownHost), str(problem)
        except httpx.HTTPError as problem:
            return False, False, f"{type(problem).__name__}: {problem}"

    def close(self) -> None:
        """Let connections and threads go."""
        self._client.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
