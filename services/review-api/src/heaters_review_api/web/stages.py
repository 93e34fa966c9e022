"""Stages and their failures: look, try again, wait no more, pause, resume."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody

from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, OPERATORS, Principal
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

Key = Annotated[str, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=200)]
_SHOWN_BYTES = 64 * 1024


@get("/api/failures/{failure_id:uuid}", guards=[ANYBODY], tags=["stages"])
async def get_failure(desk: TheDesk, failure_id: FromPath[UUID]) -> views.FailureInFull:
    """One failure, with the message that failed."""
    failure = await desk.queries.failure(failure_id)
    if failure is None:
        raise Problem(404, "No such failure", f"There is no failure {failure_id}.")
    message = await desk.queries.message(failure.message_sequence)
    headers, data = message if message else ({}, b"")
    try:
        payload: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        payload = data[:_SHOWN_BYTES].decode("utf-8", "replace")
    return views.FailureInFull(
        failure=views.failure_view(failure),
        open=failure.open,
        settled=failure.settled,
        message_subject=failure.message_subject,
        message_sequence=failure.message_sequence,
        message_headers=headers,
        message=payload,
        trace_id=(headers.get("traceparent") or "--").split("-")[1] or None,
    )


@post("/api/failures/{failure_id:uuid}/retry", guards=[OPERATORS], status_code=202, tags=["stages"])
async def retry(
    desk: TheDesk, request: Request[Principal, Any, Any], failure_id: FromPath[UUID], idempotency_key: Key
) -> views.Said:
    """Give what failed to its stage again, as often as it is worth it."""
    sequence = await desk.stages.retry(failure_id, by=request.user.id, idempotency_key=idempotency_key)
    return views.Said(sequence=sequence)


@post("/api/failures/{failure_id:uuid}/discard", guards=[OPERATORS], status_code=200, tags=["stages"])
async def discard(
    desk: TheDesk, request: Request[Principal, Any, Any], failure_id: FromPath[UUID], idempotency_key: Key
) -> views.Said:
    """Take a failure off the list; what failed stays undone."""
    sequence = await desk.stages.discard(failure_id, by=request.user.id, idempotency_key=idempotency_key)
    return views.Said(sequence=sequence)


@post("/api/videos/{video_id:uuid}/replay", guards=[OPERATORS], status_code=202, tags=["stages"])
async def replay(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    video_id: FromPath[UUID],
    data: JSONBody[views.ReplayWish],
    idempotency_key: Key,
) -> views.Replayed:
    """Have a stage work on a video again, and with it all that follows; what is known is only told anew unless `force` is set."""
    done = await desk.stages.replay(
        video_id,
        data.from_,
        force=data.force,
        by=request.user.id,
        idempotency_key=idempotency_key,
        detector=data.detector,
    )
    return views.Replayed(stage=done.stage, messages=done.messages, sequence=done.sequence)


@get("/api/stages", guards=[ANYBODY], tags=["stages"])
async def list_stages(desk: TheDesk) -> views.Stages:
    """Every stage, in the pipeline's order, and whether it rests."""
    return views.Stages(
        items=[
            views.Stage(stage=s.stage, service=s.service, paused=s.paused, by=s.by, reason=s.reason, until=s.until)
            for s in await desk.stages.all()
        ]
    )


@post("/api/stages/{stage:str}/pause", guards=[OPERATORS], status_code=200, tags=["stages"])
async def pause(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    stage: FromPath[str],
    data: JSONBody[views.PauseWish],
    idempotency_key: Key,
) -> views.Said:
    """Let a stage take no more work; what it has in hand it finishes."""
    sequence = await desk.stages.pause(stage, reason=data.reason, by=request.user.id, idempotency_key=idempotency_key)
    return views.Said(sequence=sequence)


@post("/api/stages/{stage:str}/resume", guards=[OPERATORS], status_code=200, tags=["stages"])
async def resume(
    desk: TheDesk, request: Request[Principal, Any, Any], stage: FromPath[str], idempotency_key: Key
) -> views.Said:
    """Let a stage work again."""
    sequence = await desk.stages.resume(stage, by=request.user.id, idempotency_key=idempotency_key)
    return views.Said(sequence=sequence)


HANDLERS = [get_failure, retry, discard, replay, list_stages, pause, resume]
