"""Videos: the list, and everything known of one."""

import re
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect

from heaters_review_api.db.queries import stage_times, waiting_s
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.cursors import after_video, read_video
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

_MOST_CLIPS = 20_000
_ANY_FRAME = 2**31 - 1
_PICTURE = re.compile(r"([0-9]{1,9})\.jpg")


@get("/api/videos", guards=[ANYBODY], tags=["videos"])
async def list_videos(
    desk: TheDesk,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
    cursor: FromQuery[str | None] = None,
) -> views.Videos:
    """Requested videos, the newest first."""
    found = await desk.queries.videos(limit=limit + 1, before=read_video(cursor))
    page = found[:limit]
    more = len(found) > limit
    return views.Videos(
        items=[views.Video(**views.video_values(one.video, one.clips)) for one in page],
        next=after_video(page[-1].video.requested_sequence or 0) if more else None,
    )


@get("/api/videos/{video_id:uuid}", guards=[ANYBODY], tags=["videos"])
async def get_video(desk: TheDesk, video_id: FromPath[UUID]) -> views.VideoDetail:
    """Everything known about one video, in one call."""
    video = await desk.queries.video(video_id)
    if video is None:
        raise Problem(404, "No such video", f"There is no video {video_id}.")
    counts = await desk.queries.clip_counts([video_id])
    clips = await desk.queries.clips(limit=_MOST_CLIPS, video_id=video_id)
    events = await desk.queries.events(video_id)
    return views.VideoDetail(
        **views.video_values(video, counts.get(video_id, {})),
        version=video.version,
        cuts=[views.cut_view(cut) for cut in await desk.queries.cuts(video_id)],
        clips_list=await desk.clip_views(clips),
        stages={
            stage: views.StageTime(seconds=time.seconds, jobs=time.jobs) for stage, time in stage_times(events).items()
        },
        waiting_s=waiting_s(events),
        failures_list=[views.failure_view(f) for f in await desk.queries.failures(video_id=video_id)],
        events=[views.event_view(event) for event in events],
    )


@get("/api/videos/{video_id:uuid}/storyboard", guards=[ANYBODY], tags=["videos"])
async def storyboard(desk: TheDesk, video_id: FromPath[UUID]) -> views.Storyboard:
    """Where the small pictures of the video are: a sheet for each segment that has one; a sheet's comment says what is where."""
    if await desk.queries.video(video_id) is None:
        raise Problem(404, "No such video", f"There is no video {video_id}.")
    return views.Storyboard(
        items=[
            views.StoryboardPart(
                start=segment.first_frame,
                end=segment.end_frame,
                address=f"/api/videos/{video_id}/storyboard/{segment.index}",
            )
            for segment in await desk.queries.segments(video_id, 0, _ANY_FRAME)
            if segment.storyboard
        ]
    )


@get("/api/videos/{video_id:uuid}/storyboard/{index:int}", guards=[ANYBODY], status_code=302, tags=["videos"])
async def storyboard_sheet(desk: TheDesk, video_id: FromPath[UUID], index: FromPath[int]) -> Redirect:
    """On to the sheet in the store, at an address that is good for a few minutes."""
    segments = await desk.queries.segments(video_id, 0, _ANY_FRAME)
    sheet = next((segment.storyboard for segment in segments if segment.index == index), None)
    if sheet is None:
        raise Problem(404, "No such sheet", f"Segment {index} of video {video_id} has no storyboard, or not yet.")
    address = desk.objects.store.url(
        sheet.key, expires_s=desk.settings.download_expires_s, name=f"storyboard-{index}.jpg"
    )
    return Redirect(address, status_code=302, headers={"Cache-Control": "no-store"})


@get("/api/videos/{video_id:uuid}/frames/{name:str}", guards=[ANYBODY], media_type="image/jpeg", tags=["playback"])
async def frame_picture(
    desk: TheDesk, request: Request[Any, Any, Any], video_id: FromPath[UUID], name: FromPath[str]
) -> Response[bytes]:
    """One frame of the video, by its index: `frames/137.jpg`."""
    said = _PICTURE.fullmatch(name)
    if said is None:
        raise Problem(404, "No such frame", f"{name[:40]!r} is no frame: ask for <index>.jpg.")
    data, etag = await desk.frames.picture(video_id, int(said[1]))
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable"}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers, media_type="image/jpeg")
    return Response(data, headers=headers, media_type="image/jpeg")


HANDLERS = [list_videos, get_video, storyboard, storyboard_sheet, frame_picture]
