"""Watching: failures, progress, changes as they come, and who one is."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from heaters_review_api.db.queries import Change
from heaters_review_api.live import Changes
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, Principal
from heaters_review_api.web.desk import TheDesk

_HEARTBEAT_S = 15.0


@get("/api/me", guards=[ANYBODY], tags=["people"])
async def me(request: Request[Principal, Any, Any]) -> views.Me:
    """Who is signed in, and what they may do."""
    return views.Me(id=request.user.id, name=request.user.name, roles=sorted(request.user.roles))


@get("/api/failures", guards=[ANYBODY], tags=["watch"])
async def failures(desk: TheDesk) -> views.Failures:
    """What stages gave up and have not done since, and requests that were refused; the newest first."""
    found = [views.failure_view(failure) for failure in await desk.queries.failures()]
    found += [views.rejection_view(event) for event in await desk.queries.rejections()]
    return views.Failures(items=sorted(found, key=lambda failure: failure.at, reverse=True))


@get("/api/progress", guards=[ANYBODY], tags=["watch"])
async def progress(desk: TheDesk) -> views.ProgressList:
    """What stages are working on now."""
    return views.ProgressList(
        items=[
            views.Progress(video_id=said.video_id, stage=said.stage, fraction=said.fraction, detail=said.detail)
            for said in desk.progress.now()
        ]
    )


@get("/api/events", guards=[ANYBODY], tags=["watch"])
async def events(
    desk: TheDesk,
    last_event_id: Annotated[int | None, HeaderParameter(name="Last-Event-ID", ge=0)] = None,
    after: Annotated[
        int | None, QueryParameter(ge=0, description="like Last-Event-ID, for those that cannot set it")
    ] = None,
) -> ServerSentEvent:
    """Changes of the tables as server-sent events, in order; each id is its place in the stream, so any replica can go on."""
    begin = last_event_id if last_event_id is not None else after
    return ServerSentEvent(
        _changes(desk.changes, begin), headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    )


async def _changes(changes: Changes, after: int | None) -> AsyncGenerator[ServerSentEventMessage, None]:
    yield ServerSentEventMessage(comment="watching", retry=1000, data=None)
    async for batch in changes.since(after, pause_s=_HEARTBEAT_S):
        if not batch:
            yield ServerSentEventMessage(comment="still here", data=None)
        for change in batch:
            yield ServerSentEventMessage(event="change", id=str(change.sequence), data=_json(change))


def _json(change: Change) -> str:
    return msgspec.json.encode(change).decode()


HANDLERS = [me, failures, progress, events]
