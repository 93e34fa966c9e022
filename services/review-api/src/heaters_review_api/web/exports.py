"""Exported clips for other teams, a part at a time, in each format; see `heaters_review_api.exports`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from heaters_review_api.db.queries import Wanted
from heaters_review_api.exports.body import Body
from heaters_review_api.exports.formats import FORMATS, Wish
from heaters_review_api.exports.parquet import NoParquet
from heaters_review_api.exports.rows import Row
from heaters_review_api.exports.timelines import Media, NoTimes
from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.clips import Bounds, Clips, Frames, Share, Tag, bounds
from heaters_review_api.web.cursors import PartCursor, read_part, write_part
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem
from heaters_review_api.web.ranges import NotSatisfiable, part_of

_TIMELINES = ("edl", "fcpxml", "otio")
_CLIPS_MOST = 1000

Limit = Annotated[int, QueryParameter(ge=1, le=_CLIPS_MOST, description="clips in a part; some formats end it earlier")]
BytesMost = Annotated[
    int, QueryParameter(ge=1, le=2**40, description="a shard ends before its clips are longer than this together")
]
What = Annotated[
    Media,
    QueryParameter(
        description="what a timeline's events name: the videos clips were cut from, or the clips' own files"
    ),
]
Cursor = Annotated[
    str | None, QueryParameter(description="X-Heaters-Next of the part before, or X-Heaters-This of one that broke off")
]


@get([f"/api/exports/clips.{name}" for name in FORMATS], guards=[ANYBODY], tags=["exports"])
async def export(
    desk: TheDesk,
    request: Request[Any, Any, Any],
    video: FromQuery[UUID | None] = None,
    tag: Tag = None,
    group: FromQuery[UUID | None] = None,
    clips: Clips = None,
    certainty_from: Share = None,
    certainty_to: Share = None,
    frames_from: Frames = None,
    frames_to: Frames = None,
    measure: Bounds = None,
    media: What = "source",
    limit: Limit = _CLIPS_MOST,
    bytes_most: BytesMost = 1024**3,
    cursor: Cursor = None,
) -> Response[Any]:
    """Clips that are files: tar (WebDataset), parquet, csv, jsonl, edl, fcpxml or otio, each with where it comes from.

    A selection that is too long for one file comes in parts: X-Heaters-Next is the cursor of the next, and the last has none. All parts are of
    the selection as it was when the first was asked for, X-Heaters-As-Of, less what left it since: `/api/clips/ids` with that time as
    `exported_by`, asked at the begin and at the end, tells what. X-Heaters-This is the cursor of this very part: one that broke off goes on
    with it, Range and If-Range.
    """
    place = read_part(cursor) or PartCursor(0, datetime.now(UTC), None)
    wanted = Wanted(
        video_id=video,
        tag=tag,
        group_id=group,
        certainty_from=certainty_from,
        certainty_to=certainty_to,
        frames_from=frames_from,
        frames_to=frames_to,
        measures=bounds(measure),
        clip_ids=None if clips is None else tuple(clips),
        exported_by=place.as_of,
    )
    rows, more = await desk.exports.rows(wanted, place.after, limit=limit)
    body = await _body(request.url.path.rpartition(".")[2], rows, Wish(media, bytes_most))
    headers = {
        "ETag": body.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="clips-{place.number:05d}{body.suffix}"',
        "X-Heaters-This": write_part(place),
        "X-Heaters-As-Of": place.as_of.isoformat(),
        "X-Heaters-Clips": str(body.clips),
    }
    if body.clips < len(rows) or more:
        last = rows[body.clips - 1].clip
        after = (last.video_sequence, last.start_frame, last.id)
        headers["X-Heaters-Next"] = write_part(PartCursor(place.number + 1, place.as_of, after))
    return _answer(desk, request, body, headers)


async def _body(name: str, rows: Sequence[Row], wish: Wish) -> Body:
    if name in _TIMELINES and not rows:
        raise Problem(404, "No such clips", "No clip that is a file fits, and a timeline has one at least.")
    try:
        return await asyncio.to_thread(FORMATS[name], rows, wish)
    except NoTimes as problem:
        raise Problem(409, "No times", str(problem)) from None
    except NoParquet as problem:
        raise Problem(501, "No Parquet here", str(problem)) from None


def _answer(desk: TheDesk, request: Request[Any, Any, Any], body: Body, headers: dict[str, str]) -> Response[Any]:
    wanted = request.headers.get("range")
    if request.headers.get("if-range", body.etag) != body.etag:
        wanted = None
    start, end, status = 0, body.length_bytes, 200
    if body.length_bytes:
        try:
            part = part_of(wanted, body.length_bytes)
        except NotSatisfiable:
            headers["Content-Range"] = f"bytes */{body.length_bytes}"
            return Response(b"", status_code=416, headers=headers, media_type=body.media_type)
        if part is not None:
            start, end, status = part.start, part.end, 206
            headers["Content-Range"] = part.content_range
    headers["Content-Length"] = str(end - start)
    stream = body.read(desk.objects.store, start, end)
    return Stream(stream, status_code=status, headers=headers, media_type=body.media_type)


HANDLERS = [export]
