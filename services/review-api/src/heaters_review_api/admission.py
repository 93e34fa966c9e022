"""Admission: a request, by HTTP or from the ingest stream, becomes a video or a rejection with its reason. Asking twice is asking once."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Unreadable, explain, tell
from heaters_contracts.facts import VideoErased, VideoRejected, VideoRequested
from heaters_contracts.ingest import IngestRequest, Options, UploadSource
from heaters_contracts.model import Model
from heaters_edges import telemetry
from heaters_edges.bus import IngestMessage, Stale
from heaters_edges.failure import Unavailable
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Counter
from pydantic import StringConstraints, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.core.requesters import Terms, objection, terms_of
from heaters_review_api.db.passed import Lagging, Passed
from heaters_review_api.db.queries import Queries
from heaters_review_api.decisions import Publisher

log = logging.getLogger(__name__)

ADMITTED = Counter("heaters_admission_requests", "Requests for videos, by answer", ["status"], registry=REGISTRY)
_TRIES = 5
_AGAIN_S = 2.0
_REQUESTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The answer to a request."""

    video_id: UUID
    status: Literal["requested", "duplicate", "rejected"]
    reason: str | None = None


class Requests(Protocol):
    """Where other teams' requests come from."""

    def requests(self) -> AsyncIterator[IngestMessage]:
        """Each until it is acknowledged; for ever."""


def read_request(data: bytes) -> IngestRequest:
    """Read the body of a request.

    Raises:
        Unreadable: it is not one; the reason names the first fields that are wrong.
    """
    try:
        return IngestRequest.model_validate_json(data)
    except ValidationError as problem:
        raise Unreadable(f"the request is not valid: {explain(problem)}") from problem


class _Named(Model):
    """As much as may be said of a body, whatever else is wrong with it."""

    request_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Wishing(Model):
    options: dict[str, Any]


class Admission:
    """Admits requests."""

    def __init__(
        self,
        bus: Publisher,
        queries: Queries,
        passed: Passed,
        *,
        timeout_s: float,
        terms: Mapping[str, Terms] | None = None,
    ) -> None:
        self._terms = terms or {}
        self._bus = bus
        self._queries = queries
        self._passed = passed
        self._timeout_s = timeout_s

    async def admit(self, requester: str, request: IngestRequest, *, lists: int = 0) -> Admitted:
        """Admit a request, or reject it with a reason; either is told as a fact, once.

        Args:
            requester: who asks.
            request: for what.
            lists: in how many playlists or channels, one inside the other, it was found.

        Raises:
            Lagging: it is told, and the projection does not come to it in time.
        """
        request_id = request.identity()
        video_id = ids.video_id(requester, request_id)
        for _ in range(_TRIES):
            video = await self._queries.video(video_id)
            if video is not None and video.requested_at is not None:
                ADMITTED.labels("duplicate").inc()
                return Admitted(video_id, "duplicate")
            if (reason := await self._objection(requester, request)) is not None:
                return await self._reject(video_id, requester, request_id, reason, request.options)
            told = tell(
                VideoRequested(
                    source=request.source,
                    requester=requester,
                    request_id=request_id,
                    options=request.options,
                    lists=lists,
                ),
                video_id=video_id,
                lane=request.lane,
                cause=await self._erased(video_id) if video else None,
                time=datetime.now(UTC),
                traceparent=telemetry.traceparent(),
            )
            try:
                ack = await self._bus.publish(told, expect=video.version if video else 0)
            except Stale:
                await self._passed.wait_for(await self._bus.last_sequence(), timeout_s=self._timeout_s)
                continue
            await self._passed.wait_for(ack.sequence, timeout_s=self._timeout_s)
            status: Literal["requested", "duplicate"] = "duplicate" if ack.duplicate else "requested"
            ADMITTED.labels(status).inc()
            return Admitted(video_id, status)
        raise Lagging(f"the video {video_id} changed {_TRIES} times while it was being requested")

    async def _erased(self, video_id: UUID) -> UUID | None:
        """The fact that erased this video, after which it is another request that asks for it; None where it was not."""
        gone = [event.fact_id for event in await self._queries.events(video_id) if event.type == VideoErased.TYPE]
        return gone[-1] if gone else None

    async def would(self, requester: str, request: IngestRequest) -> Admitted:
        """What would become of a request, if it were asked now; nothing is told, and nothing changes."""
        video_id = ids.video_id(requester, request.identity())
        video = await self._queries.video(video_id)
        if video is not None and video.requested_at is not None:
            return Admitted(video_id, "duplicate")
        reason = await self._objection(requester, request)
        return Admitted(video_id, "requested" if reason is None else "rejected", reason)

    async def _objection(self, requester: str, request: IngestRequest) -> str | None:
        terms = terms_of(requester, self._terms)
        today, unfinished = await self._queries.asked_by(requester)
        if (reason := objection(request, terms, today=today, unfinished=unfinished)) is not None:
            return reason
        if isinstance(request.source, UploadSource) and not await self._queries.uploaded(request.source.key):
            return f"nothing was uploaded as {request.source.key}"
        return None

    async def reject_unreadable(self, requester: str, data: bytes, reason: str) -> Admitted:
        """Tell that a body is no request. Its video's id follows from the body itself, so the same body is rejected once."""
        digest = ids.sha256_of(data.decode("utf-8", "replace"))
        video_id, request_id = ids.video_id(requester, digest), _request_id(data) or digest
        return await self._reject(video_id, requester, request_id, reason, _told_where(data))

    async def _reject(self, video_id: UUID, requester: str, request_id: str, reason: str, options: Options) -> Admitted:
        fact = VideoRejected(requester=requester, request_id=request_id, reason=reason, options=options)
        told = tell(fact, video_id=video_id, lane="bulk", cause=None, time=datetime.now(UTC))
        ack = await self._bus.publish(told)
        await self._passed.wait_for(ack.sequence, timeout_s=self._timeout_s)
        ADMITTED.labels("rejected").inc()
        log.info("a request was rejected", extra={"requester": requester, "video_id": video_id, "reason": reason})
        return Admitted(video_id, "rejected", reason)

    async def consume(self, bus: Requests) -> None:
        """Answer the requests of the ingest stream, for ever. One that cannot be answered now stays in the stream."""
        while True:
            try:
                async for message in bus.requests():
                    await self._answer(message)
            except (Unavailable, SQLAlchemyError, Lagging, OSError) as problem:
                log.warning("a request was not answered yet", extra={"reason": str(problem)})
            await asyncio.sleep(_AGAIN_S)

    async def _answer(self, message: IngestMessage) -> None:
        try:
            if not _REQUESTER.fullmatch(message.requester):
                raise Unreadable(f"{message.requester!r} is no requester's name: letters, digits, - and _, at most 64")
            request = read_request(message.data)
        except Unreadable as problem:
            await self.reject_unreadable(message.requester, message.data, problem.reason)
        else:
            await self.admit(message.requester, request)
        await message.ack()


def _request_id(data: bytes) -> str | None:
    """The request id of a body that is no request, as far as it says one."""
    try:
        return _Named.model_validate_json(data).request_id
    except ValidationError:
        return None


def _told_where(data: bytes) -> Options:
    """Where the refusal of a body that is no request is to be told, as far as it says that well."""
    try:
        wished = _Wishing.model_validate_json(data).options
        return Options.model_validate({name: wished[name] for name in ("callback", "reference") if name in wished})
    except ValidationError:
        return Options()
