"""Watching: failures, progress, changes as they come, and who one is."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from heaters_review_api.db.queries import Change
from heaters_review_api.live import Changes, TooSlow
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, Principal
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.measures import WATCHERS

_HEARTBEAT_S = 15.0
Topic = Literal["video", "segment", "clip", "decision", "stage"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""What facts are about: the first word of their types."""


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
            views.Progress(
                video_id=said.video_id,
                stage=said.stage,
                fraction=said.fraction,
                detail=said.detail,
                done=said.pace.done if said.pace else None,
                total=said.pace.total if said.pace else None,
                per_s=said.pace.per_s if said.pace else None,
                left_s=said.pace.left_s if said.pace else None,
            )
            for said in desk.progress.now()
        ]
    )


@get("/api/events", guards=[ANYBODY], tags=["watch"], media_type="text/event-stream")
async def events(
    desk: TheDesk,
    last_event_id: Annotated[int | None, HeaderParameter(name="Last-Event-ID", ge=0)] = None,
    after: Annotated[
        int | None, QueryParameter(ge=0, description="like Last-Event-ID, for those that cannot set it")
    ] = None,
    video: Annotated[
        list[UUID] | None,
        QueryParameter(description="only changes of these videos; without it, of all", max_items=1000),
    ] = None,
    topic: Annotated[
        list[Topic] | None,
        QueryParameter(description="only facts of these kinds; without it, of all", max_items=len(TOPICS)),
    ] = None,
) -> Stream:
    """Changes of the tables as server-sent events, in order; each id is its place in the stream, so any replica can go on.

    One connection may watch many videos and topics: `?topic=clip&topic=decision&video=...&video=...`.

    Who does not take them fast enough is sent `event: dropped` and let go; it may come back with the last id that it has.
    """
    begin = last_event_id if last_event_id is not None else after
    return Stream(
        _changes(desk.changes, begin, frozenset(video or ()), tuple(f"{one}." for one in topic or TOPICS)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


async def _changes(
    changes: Changes, after: int | None, videos: frozenset[UUID], types: tuple[str, ...]
) -> AsyncGenerator[bytes, None]:
    WATCHERS.inc()
    try:
        yield b": watching\nretry: 1000\n\n"
        async with aclosing(changes.since(after, pause_s=_HEARTBEAT_S)) as batches:
            async for batch in batches:
                if not batch:
                    yield b": still here\n\n"
                    continue
                wanted = [
                    change
                    for change in batch
                    if (not videos or change.video_id in videos) and change.type.startswith(types)
                ]
                if wanted:
                    yield b"".join(map(_event, wanted))
    except TooSlow as problem:
        yield f"event: dropped\ndata: {problem.seen}\n\n".encode()
    finally:
        WATCHERS.dec()


@lru_cache(maxsize=4096)
def _event(change: Change) -> bytes:
    """A change as every watcher is sent it; made once for all of them."""
    return b"event: change\nid: %d\ndata: %s\n\n" % (change.sequence, msgspec.json.encode(change))


HANDLERS = [me, failures, progress, events]
