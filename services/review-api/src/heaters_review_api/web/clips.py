"""Clips: lists, the queue, verdicts, playback and downloads."""

import math
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, head, post
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Redirect, Stream

from heaters_review_api import lasting
from heaters_review_api.core.states import ClipState
from heaters_review_api.db.queries import CLIP_ORDERS, MEASURES, Between, ClipOfVideo, Wanted
from heaters_review_api.playback import Playable
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, REVIEWERS, Principal
from heaters_review_api.web.conditions import IfMatch, etag, version_in
from heaters_review_api.web.cursors import after_clip, after_id, read_clip, read_id
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.problems import Problem
from heaters_review_api.web.ranges import NotSatisfiable, part_of

Limit = Annotated[int, QueryParameter(ge=1, le=500)]
Key = Annotated[str, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=200)]


async def found_clip(desk: Desk, clip_id: UUID) -> ClipOfVideo:
    """A clip, or the problem that there is none."""
    found = await desk.queries.clip(clip_id)
    if found is None:
        raise Problem(404, "No such clip", f"There is no clip {clip_id}.")
    return found


Share = Annotated[float | None, QueryParameter(ge=0, le=1)]
Frames = Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)]
Tag = Annotated[str | None, QueryParameter(min_length=1, max_length=64)]
State = Annotated[ClipState | None, QueryParameter(name="state")]
Clips = Annotated[list[UUID] | None, QueryParameter(name="clip", max_items=500, description="only these clips")]


Bounds = Annotated[list[str] | None, QueryParameter(name="measure", max_items=2 * len(MEASURES))]


def bounds(said: list[str] | None) -> dict[str, Between]:
    """Read bounds of measures, each `name:from:to`; either may be empty, and both are included."""
    wanted: dict[str, Between] = {}
    for one in said or []:
        try:
            name, least, most = one.split(":")
            if name not in MEASURES:
                raise ValueError(name)
            both = (float(least) if least else None, float(most) if most else None)
            if not all(math.isfinite(bound) for bound in both if bound is not None):
                raise ValueError(one)
        except ValueError:
            raise Problem(
                400,
                "No such bounds",
                f"{one[:80]!r} is not name:from:to with numbers, one of which may be empty; names are {', '.join(MEASURES)}.",
            ) from None
        wanted[name] = both
    return wanted


Seconds = Annotated[str | None, QueryParameter(description="a decimal number, such as 2 or 0.5")]


@get("/api/clips", guards=[ANYBODY], tags=["clips"])
async def list_clips(
    desk: TheDesk,
    video: FromQuery[UUID | None] = None,
    clip_state: State = None,
    tag: Tag = None,
    group: FromQuery[UUID | None] = None,
    certainty_from: Share = None,
    certainty_to: Share = None,
    frames_from: Frames = None,
    frames_to: Frames = None,
    seconds_from: Seconds = None,
    seconds_to: Seconds = None,
    measure: Bounds = None,
    limit: Limit = 50,
    cursor: FromQuery[str | None] = None,
) -> views.Clips:
    """Clips by video and start; superseded ones only with state=superseded. Bounds are included.

    Seconds are exact, by the times of the frames; a page by seconds may be shorter than `limit` and still go on.

    A measure's bounds are `measure=name:from:to`, either of which may be empty, such as `measure=motion:2:` or
    `measure=black_share::0.1`; several may be given.
    """
    wanted = Wanted(
        video, clip_state, tag, group, certainty_from, certainty_to, frames_from, frames_to, bounds(measure)
    )
    after = read_clip(cursor)
    if seconds_from is not None or seconds_to is not None:
        lasts = lasting.Bounds(_seconds(seconds_from), _seconds(seconds_to))
        page, last = await desk.lasting.clips(wanted, lasts, limit=limit, after=after)
        return views.Clips(items=await desk.clip_views(page), next=after_clip(last) if last else None)
    found = await desk.queries.clips(limit=limit + 1, wanted=wanted, after=after)
    page = found[:limit]
    return views.Clips(items=await desk.clip_views(page), next=after_clip(page[-1]) if len(found) > limit else None)


def _seconds(said: str | None) -> Fraction | None:
    try:
        return None if said is None else lasting.read_seconds(said)
    except ValueError as problem:
        raise Problem(400, "No such time", str(problem)) from None


@get("/api/clips/ids", guards=[ANYBODY], tags=["clips"])
async def list_ids(
    desk: TheDesk,
    video: FromQuery[UUID | None] = None,
    clip_state: State = None,
    tag: Tag = None,
    group: FromQuery[UUID | None] = None,
    certainty_from: Share = None,
    certainty_to: Share = None,
    frames_from: Frames = None,
    frames_to: Frames = None,
    measure: Bounds = None,
    clips: Clips = None,
    exported_by: Annotated[
        datetime | None, QueryParameter(description="only clips that are files, and were at this time")
    ] = None,
    order: Annotated[str, QueryParameter(schema_extra={"enum": list(CLIP_ORDERS)})] = "video",
    limit: Annotated[int, QueryParameter(ge=1, le=100_000)] = 10_000,
    cursor: FromQuery[str | None] = None,
) -> views.ClipIds:
    """Nothing but ids, in order, for lists that are too long to be fetched whole. Clips that were not measured come last."""
    if order not in CLIP_ORDERS:
        raise Problem(400, "No such order", f"{order[:80]!r} is none; there are {', '.join(CLIP_ORDERS)}.")
    if exported_by is not None and exported_by.tzinfo is None:
        raise Problem(400, "No such time", "exported_by needs its offset from UTC, such as a Z at its end.")
    wanted = Wanted(
        video, clip_state, tag, group, certainty_from, certainty_to, frames_from, frames_to, bounds(measure),
        None if clips is None else tuple(clips), exported_by,
    )  # fmt: skip
    rows = await desk.queries.clip_ids(wanted, order, limit=limit + 1, after=read_id(order, cursor))
    page = rows[:limit]
    return views.ClipIds(ids=[row[-1] for row in page], next=after_id(order, page[-1]) if len(rows) > limit else None)


@get("/api/clips/{clip_id:uuid}", guards=[ANYBODY], tags=["clips"])
async def get_clip(desk: TheDesk, clip_id: FromPath[UUID]) -> Response[views.Clip]:
    """One clip; the entity tag is its video's version."""
    one = await found_clip(desk, clip_id)
    return Response(await desk.clip_view(one), headers={"ETag": etag(one.version)})


@get("/api/queue", guards=[REVIEWERS], tags=["review"])
async def get_queue(
    desk: TheDesk,
    limit: Limit = 20,
    video: Annotated[UUID | None, QueryParameter(description="only what waits of this video")] = None,
) -> views.Queue:
    """The next clips that wait for a verdict, by video and start."""
    clips = await desk.queries.clips(limit=limit, state=ClipState.PENDING_REVIEW, video_id=video)
    return views.Queue(items=await desk.clip_views(clips), left=await desk.queries.pending(video))


@post("/api/clips/{clip_id:uuid}/verdict", guards=[REVIEWERS], status_code=200, tags=["review"])
async def give_verdict(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    clip_id: FromPath[UUID],
    data: JSONBody[views.VerdictWish],
    idempotency_key: Key,
    if_match: IfMatch = None,
) -> views.VerdictGiven:
    """Approve, skip or archive a clip. The answer comes once the decision is in the tables."""
    decided = await desk.decisions.decide(
        clip_id,
        data.verdict,
        by=request.user.id,
        idempotency_key=idempotency_key,
        seen=data.seen,
        version=data.version,
        only_on=version_in(if_match),
    )
    return await desk.verdict_view(decided)


async def _play(desk: Desk, request: Request[Any, Any, Any], clip_id: UUID, audio: bool) -> Response[Any] | Stream:
    playable = await desk.playback.find((await found_clip(desk, clip_id)).clip, audio=audio)
    if desk.signer is not None:
        address, same_s = desk.signer.address(clip_id, playable.name, audio=audio)
        told = {"Location": address, "Cache-Control": f"private, max-age={same_s}"}
        return Response(b"", status_code=307, headers=told, media_type="video/mp4")
    return await playable_answer(desk, request, playable)


async def playable_answer(desk: Desk, request: Request[Any, Any, Any], playable: Playable) -> Response[bytes] | Stream:
    """A clip's bytes, or the part of them that is asked for."""
    headers = {
        "ETag": playable.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    if _matches(request.headers.get("if-none-match"), playable.etag):
        return Response(b"", status_code=304, headers=headers, media_type="video/mp4")
    opened = await desk.playback.open(playable)
    wanted = request.headers.get("range")
    if request.headers.get("if-range", playable.etag) != playable.etag:
        wanted = None
    try:
        part = part_of(wanted, opened.size_bytes)
    except NotSatisfiable:
        headers["Content-Range"] = f"bytes */{opened.size_bytes}"
        return Response(b"", status_code=416, headers=headers, media_type="video/mp4")
    start, end, status = 0, opened.size_bytes, 200
    if part is not None:
        headers["Content-Range"] = part.content_range
        start, end, status = part.start, part.end, 206
    headers["Content-Length"] = str(end - start)
    data = b"" if request.method == "HEAD" else opened.part(start, end)
    if isinstance(data, bytes):
        return Response(data, status_code=status, headers=headers, media_type="video/mp4")
    return Stream(data, status_code=status, headers=headers, media_type="video/mp4")


def _matches(header: str | None, etag: str) -> bool:
    said = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return etag in said or "*" in said


@get("/api/clips/{clip_id:uuid}/play.mp4", guards=[ANYBODY], media_type="video/mp4", tags=["playback"])
async def play(
    desk: TheDesk, request: Request[Any, Any, Any], clip_id: FromPath[UUID], audio: FromQuery[bool] = False
) -> Response[bytes] | Stream:
    """Exactly the clip's frames as MP4, copied; with Range, ETag and audio=1 for the sound.

    Where clips are given out by a caching proxy, the answer is the address there (307).
    """
    return await _play(desk, request, clip_id, audio)


@head("/api/clips/{clip_id:uuid}/play.mp4", guards=[ANYBODY], media_type="video/mp4", tags=["playback"])
async def play_head(
    desk: TheDesk, request: Request[Any, Any, Any], clip_id: FromPath[UUID], audio: FromQuery[bool] = False
) -> Response[None]:
    """The headers of `play`."""
    whole = await _play(desk, request, clip_id, audio)
    empty: Response[Any] = Response(b"", status_code=whole.status_code, headers=whole.headers, media_type="video/mp4")
    return empty


@get("/api/clips/{clip_id:uuid}/download", guards=[ANYBODY], status_code=302, tags=["clips"])
async def download(desk: TheDesk, clip_id: FromPath[UUID]) -> Redirect:
    """On to the exported file, at an address that is good for a few minutes."""
    one = await found_clip(desk, clip_id)
    if one.clip.export_object is None:
        raise Problem(
            409, "This clip is no file yet", f"It is {one.clip.state.value}; a clip is a file once it is exported."
        )
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in one.title or "clip").strip("_")
    name = f"{stem[:80] or 'clip'}-{one.clip.start_frame}-{one.clip.end_frame}.mp4"
    address = desk.objects.store.url(one.clip.export_object.key, expires_s=desk.settings.download_expires_s, name=name)
    return Redirect(address, status_code=302, headers={"Cache-Control": "no-store"})


HANDLERS = [list_clips, list_ids, get_clip, get_queue, give_verdict, play, play_head, download]
