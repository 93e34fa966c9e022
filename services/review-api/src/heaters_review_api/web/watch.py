"""Watching: failures, progress, changes as they come, and who one is."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream

from heaters_review_api.db.leases import Leases
from heaters_review_api.db.queries import Change
from heaters_review_api.glance import Glance, merged
from heaters_review_api.live import Changes, ProgressBoard, TooSlow
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, Principal, recognised
from heaters_review_api.web.cursors import after_sequence, read_sequence
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.measures import WATCHERS

_HEARTBEAT_S = 15.0
_LOOK_S = 0.5
_ADMISSION = "admission"
"""What refuses requests, as if it were a stage."""
_HELLO = b": watching\nretry: 1000\n\n"
_STILL_HERE = b": still here\n\n"
Shown = views.Progress | views.Present
Topic = Literal["video", "segment", "clip", "decision", "stage"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""What facts are about: the first word of their types."""
Beside = Literal["progress", "presence"]
"""What is no fact."""


@get("/api/me", guards=[ANYBODY], tags=["people"])
async def me(request: Request[Principal, Any, Any]) -> views.Me:
    """Who is signed in, and what they may do."""
    return views.Me(id=request.user.id, name=request.user.name, roles=sorted(request.user.roles))


@get("/api/failures", guards=[ANYBODY], tags=["watch"])
async def failures(
    desk: TheDesk,
    stage: Annotated[
        str | None,
        QueryParameter(
            description="only what this stage gave up; `admission` are requests that were refused",
            pattern="^[a-z_]{1,64}$",
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 500,
    cursor: FromQuery[str | None] = None,
) -> views.Failures:
    """What stages gave up and have not done since, and requests that were refused; the newest first."""
    before, found, total = read_sequence(cursor), [], 0
    if stage != _ADMISSION:
        given_up = await desk.queries.failures(stage=stage, before=before, limit=limit + 1)
        found += [(one.sequence, views.failure_view(one)) for one in given_up]
        total += await desk.queries.failure_count(stage)
    if stage in (None, _ADMISSION):
        refused = await desk.queries.rejections(before=before, limit=limit + 1)
        found += [(one.sequence, views.rejection_view(one)) for one in refused]
        total += await desk.queries.rejection_count()
    found.sort(key=lambda one: one[0], reverse=True)
    page = found[:limit]
    return views.Failures(
        items=[view for _, view in page],
        next=after_sequence(page[-1][0]) if len(found) > limit else None,
        total=total,
    )


@get("/api/progress", guards=[ANYBODY], tags=["watch"])
async def progress(desk: TheDesk) -> views.ProgressList:
    """What stages are working on now."""
    return views.ProgressList(items=[views.progress_view(said) for said in desk.progress.now()])


@get("/api/events", guards=[ANYBODY], tags=["watch"], media_type="text/event-stream")
async def events(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    last_event_id: Annotated[int | None, HeaderParameter(name="Last-Event-ID", ge=0)] = None,
    after: Annotated[
        int | None, QueryParameter(ge=0, description="like Last-Event-ID, for those that cannot set it")
    ] = None,
    video: Annotated[
        list[UUID] | None,
        QueryParameter(description="only changes of these videos; without it, of all", max_items=1000),
    ] = None,
    topic: Annotated[
        list[Topic | Beside] | None,
        QueryParameter(
            description="facts of these kinds, and what is no fact; without it, facts of all kinds and nothing else",
            max_items=20,
        ),
    ] = None,
) -> Stream:
    """Changes of the tables as server-sent events, in order; each id is its place in the stream, so any replica can go on.

    One connection may watch many videos and topics: `?topic=clip&topic=decision&video=...&video=...`. With `topic=progress` and
    `topic=presence` it is sent `event: progress` and `event: presence`, too: what `/api/progress` and `/api/presence` answer, at once and
    whenever it is something else. Those have no id, for they have no place in the stream.

    Who does not take them fast enough is sent `event: dropped` and let go; it may come back with the last id that it has. Whose session or
    token has ended is let go, too, and is answered 401 when it comes back.
    """
    begin = last_event_id if last_event_id is not None else after
    videos, wanted = frozenset(video or ()), frozenset(topic or TOPICS)
    facts = tuple(f"{one}." for one in TOPICS if one in wanted)
    sources = [_changes(desk.changes, begin, videos, facts)] if facts else []
    for name, glance in desk.glances.items():
        if name in wanted:
            sources.append(_glances(name, glance, videos))
    return Stream(
        _while_known(desk, request, sources[0] if len(sources) == 1 else merged(sources)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


def glances(progress: ProgressBoard, leases: Leases, *, closing: asyncio.Event) -> dict[str, Glance[Shown]]:
    """What is no fact, by topic."""

    async def what_is_worked_on() -> list[Shown]:
        return [views.progress_view(said) for said in progress.now()]

    async def who_is_here() -> list[Shown]:
        return [views.present_view(one) for one in await leases.present()]

    return {
        "progress": Glance("progress", what_is_worked_on, every_s=_LOOK_S, closing=closing),
        "presence": Glance("presence", who_is_here, every_s=_LOOK_S, closing=closing),
    }


async def _while_known(
    desk: Desk, request: Request[Principal, Any, Any], source: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """What there is to see, for as long as whoever watches may see it: looked at again with each heartbeat, and when rights change here."""
    looked_at, changes = time.monotonic(), desk.gate.changes
    async with aclosing(source) as pieces:
        async for piece in pieces:
            if time.monotonic() - looked_at >= _HEARTBEAT_S or desk.gate.changes != changes:
                looked_at, changes = time.monotonic(), desk.gate.changes
                if await recognised(request, desk.gate, desk.settings, asks=False) is None:
                    return
            yield piece


async def _changes(
    changes: Changes, after: int | None, videos: frozenset[UUID], types: tuple[str, ...]
) -> AsyncGenerator[bytes, None]:
    WATCHERS.inc()
    try:
        yield _HELLO
        async with aclosing(changes.since(after, pause_s=_HEARTBEAT_S)) as batches:
            async for batch in batches:
                if not batch:
                    yield _STILL_HERE
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


async def _glances(name: str, glance: Glance[Shown], videos: frozenset[UUID]) -> AsyncGenerator[bytes, None]:
    yield _HELLO
    told: list[Shown] | None = None
    async with aclosing(glance.watch(pause_s=_HEARTBEAT_S)) as looks:
        async for seen in looks:
            if seen is None:
                yield _STILL_HERE
                continue
            wanted = [one for one in seen if not videos or one.video_id in videos]
            if wanted != told:
                told = wanted
                yield b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode({"items": wanted}))


@lru_cache(maxsize=4096)
def _event(change: Change) -> bytes:
    """A change as every watcher is sent it; made once for all of them."""
    return b"event: change\nid: %d\ndata: %s\n\n" % (change.sequence, msgspec.json.encode(change))


HANDLERS = [me, failures, progress, events]
