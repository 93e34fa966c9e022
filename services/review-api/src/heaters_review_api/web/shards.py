"""Exported clips for other teams, a page at a time: as a WebDataset shard, and as a table."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from heaters_review_api.core import tables as core
from heaters_review_api.db.queries import Wanted
from heaters_review_api.shards import shard, table
from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.cursors import after_clip, read_clip
from heaters_review_api.web.desk import Desk, TheDesk

Tag = Annotated[str | None, QueryParameter(min_length=1, max_length=64)]
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="clips that are looked at for one page")]
_NEXT = "X-Heaters-Next"


async def _page(
    desk: Desk, video: UUID | None, tag: str | None, limit: int, cursor: str | None
) -> tuple[list[core.Clip], dict[UUID, core.Video], dict[str, str]]:
    """Clips of a page that are exported, their videos, and the header with the cursor that goes on."""
    found = await desk.queries.clips(limit=limit + 1, wanted=Wanted(video_id=video, tag=tag), after=read_clip(cursor))
    page = found[:limit]
    clips = [one.clip for one in page if one.clip.export_object is not None]
    videos = {}
    for video_id in {clip.video_id for clip in clips}:
        if (known := await desk.queries.video(video_id)) is not None:
            videos[video_id] = known
    return clips, videos, {_NEXT: after_clip(page[-1])} if len(found) > limit else {}


@get("/api/exports/clips.tar", guards=[ANYBODY], tags=["clips"], media_type="application/x-tar")
async def clips_tar(
    desk: TheDesk,
    video: FromQuery[UUID | None] = None,
    tag: Tag = None,
    limit: Limit = 100,
    cursor: FromQuery[str | None] = None,
) -> Stream:
    """A WebDataset shard of exported clips: `<clip>.json` and `<clip>.mp4` of each.

    The header X-Heaters-Next holds the cursor of the next shard, where there is one; a shard that broke off is asked for again.
    """
    clips, videos, headers = await _page(desk, video, tag, limit, cursor)
    return Stream(shard(desk.objects.store, clips, videos), media_type="application/x-tar", headers=headers)


@get("/api/exports/clips.csv", guards=[ANYBODY], tags=["clips"], media_type="text/csv")
async def clips_csv(
    desk: TheDesk,
    video: FromQuery[UUID | None] = None,
    tag: Tag = None,
    limit: Limit = 500,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """The same clips as a table, with where each comes from; X-Heaters-Next as for the shards."""
    clips, videos, headers = await _page(desk, video, tag, limit, cursor)
    return Response(table(clips, videos), media_type="text/csv; charset=utf-8", headers=headers)


HANDLERS = [clips_tar, clips_csv]
