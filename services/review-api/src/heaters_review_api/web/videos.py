"""Videos: the list, and everything known of one."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from heaters_review_api.db.queries import stage_times, waiting_s
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.cursors import after_video, read_video
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

_MOST_CLIPS = 20_000


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


HANDLERS = [list_videos, get_video]
