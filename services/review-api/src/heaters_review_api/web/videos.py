"""Videos: the list, and everything known of one."""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from heaters_contracts.facts import DecisionRedone, DecisionUndone
from heaters_contracts.ids import NIL
from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from heaters_review_api.core.objects import objects_of
from heaters_review_api.core.tables import Event, Video
from heaters_review_api.core.times import stage_times, waiting_s
from heaters_review_api.db.queries import ClipOfVideo
from heaters_review_api.scores import THRESHOLD
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.conditions import etag
from heaters_review_api.web.cursors import after_clip, after_sequence, read_sequence
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.problems import Problem

_REVERSALS = (DecisionUndone.TYPE, DecisionRedone.TYPE)
_MOST_CLIPS = 20_000
_ANY_FRAME = 2**31 - 1
_MOST_PEAKS = 20_000
_FOR_EVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
_PICTURE = re.compile(r"([0-9]{1,9})\.jpg")


async def _found(desk: Desk, video_id: UUID) -> Video:
    video = await desk.queries.video(video_id)
    if video is None:
        raise _no_video(video_id)
    return video


def _no_video(video_id: UUID) -> Problem:
    return Problem(404, "No such video", f"There is no video {video_id}.")


@get("/api/videos", guards=[ANYBODY], tags=["videos"])
async def list_videos(
    desk: TheDesk,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
    cursor: FromQuery[str | None] = None,
) -> views.Videos:
    """Requested videos, the newest first."""
    found = await desk.queries.videos(limit=limit + 1, before=read_sequence(cursor))
    page = found[:limit]
    more = len(found) > limit
    return views.Videos(
        items=[views.Video(**views.video_values(one.video, one.clips)) for one in page],
        next=after_sequence(page[-1].video.requested_sequence or 0) if more else None,
    )


@get("/api/videos/{video_id:uuid}", guards=[ANYBODY], tags=["videos"])
async def get_video(
    desk: TheDesk,
    video_id: FromPath[UUID],
    clips: Annotated[int, QueryParameter(ge=1, le=_MOST_CLIPS, description="at most so many clips and facts")] = 2000,
) -> Response[views.VideoDetail]:
    """Everything known about one video, in one call; of a very long one the first clips and facts, and where they go on."""
    page = await desk.queries.page(video_id, clips=clips)
    if page is None:
        raise _no_video(video_id)
    video, shown = page.video, [ClipOfVideo.of(clip, page.video) for clip in page.clips[:clips]]
    more = len(page.clips) > clips
    if more:
        counts = (await desk.queries.clip_counts([video_id])).get(video_id, {})
    else:
        counts = Counter(clip.state for clip in page.clips)
    objects = objects_of(video, page.segments, [one.clip for one in shown], page.discarded)
    view = views.VideoDetail(
        **views.video_values(video, counts),
        version=video.version,
        cuts=[views.cut_view(cut) for cut in page.cuts],
        cut_distance_frames=desk.settings.cut_distance_frames,
        clips_list=await desk.clip_views(shown),
        clips_next=after_clip(shown[-1]) if more else None,
        stages={
            stage: views.StageTime(seconds=time.seconds, jobs=time.jobs)
            for stage, time in stage_times(page.events).items()
        },
        waiting_s=waiting_s(page.events),
        failures_list=[views.failure_view(f) for f in page.failures],
        events=await _told(desk, video_id, page.events[:clips]),
        events_next=page.events[clips - 1].sequence if len(page.events) > clips else None,
        objects=objects,
        bytes=sum(one.bytes for one in objects),
    )
    return Response(view, headers={"ETag": etag(video.version)})


@get("/api/videos/{video_id:uuid}/facts", guards=[ANYBODY], tags=["videos"])
async def list_facts(
    desk: TheDesk,
    video_id: FromPath[UUID],
    after: Annotated[int, QueryParameter(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=5000)] = 500,
) -> views.Facts:
    """What was told of a video after a sequence, with time and attempt, in the order of the stream."""
    await _found(desk, video_id)
    found = await desk.queries.events_after(video_id, after=after, limit=limit + 1)
    page = found[:limit]
    return views.Facts(items=await _told(desk, video_id, page), next=page[-1].sequence if len(found) > limit else None)


async def _told(desk: Desk, video_id: UUID, events: Sequence[Event]) -> list[views.Event]:
    """A history's events; of an undo or a redo, what it was about is asked for, for its own fact names no more than an id."""
    reversals = {event.fact_id: event.cause for event in events if event.type in _REVERSALS and event.cause}
    turned = await desk.queries.turned(video_id, list(set(reversals.values())))
    return [views.event_view(event, turned.get(reversals.get(event.fact_id, NIL))) for event in events]


@get("/api/videos/{video_id:uuid}/storyboard", guards=[ANYBODY], tags=["videos"])
async def storyboard(desk: TheDesk, video_id: FromPath[UUID]) -> views.Storyboard:
    """The small pictures of the video: a sheet for each segment that has one, and what lies where on it."""
    return views.Storyboard(
        items=[
            views.StoryboardPart(
                start=sheet.segment.first_frame,
                end=sheet.segment.end_frame,
                address=f"/api/videos/{video_id}/storyboard/{sheet.segment.index}?of={sheet.picture.sha256[:16]}",
                frames=list(sheet.index.frames),
                columns=sheet.index.columns,
                tile_width_px=sheet.index.tile_width_px,
                tile_height_px=sheet.index.tile_height_px,
            )
            for sheet in await desk.timeline.sheets(await _found(desk, video_id))
        ]
    )


@get("/api/videos/{video_id:uuid}/storyboard/{index:int}", guards=[ANYBODY], media_type="image/jpeg", tags=["videos"])
async def storyboard_sheet(
    desk: TheDesk, request: Request[Any, Any, Any], video_id: FromPath[UUID], index: FromPath[int]
) -> Response[bytes]:
    """A sheet as JPEG. The listed address names its content, so that it may be kept for ever."""
    data, etag = await desk.timeline.picture(await _found(desk, video_id), index)
    named = request.query_params.get("of", "")
    fresh = _FOR_EVER if len(named) == 16 and etag.strip('"').startswith(named) else _ASK_AGAIN
    headers = {"ETag": etag, "Cache-Control": fresh}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers, media_type="image/jpeg")
    return Response(data, headers=headers, media_type="image/jpeg")


@get("/api/videos/{video_id:uuid}/waveform", guards=[ANYBODY], tags=["videos"])
async def waveform(
    desk: TheDesk,
    request: Request[Any, Any, Any],
    video_id: FromPath[UUID],
    start: Annotated[int, QueryParameter(ge=0)] = 0,
    end: Annotated[int | None, QueryParameter(ge=1, le=_ANY_FRAME)] = None,
    most: Annotated[int, QueryParameter(ge=1, le=_MOST_PEAKS)] = 2000,
) -> Response[views.Waveform | bytes]:
    """How loud the video is, or its frames [start, end): in as few frames a peak as `most` peaks allow."""
    loudness = await desk.timeline.loudness(await _found(desk, video_id), start=start, end=end, most=most)
    headers = {"ETag": loudness.etag, "Cache-Control": _ASK_AGAIN}
    if request.headers.get("if-none-match") == loudness.etag:
        return Response(b"", status_code=304, headers=headers, media_type="application/json")
    view = views.Waveform(
        start=loudness.start,
        end=loudness.end,
        frames_per_peak=loudness.frames_per_peak,
        peaks=list(loudness.peaks),
        complete=loudness.complete,
    )
    return Response(view, headers=headers)


@get("/api/videos/{video_id:uuid}/scores", guards=[ANYBODY], tags=["videos"])
async def scores(
    desk: TheDesk,
    request: Request[Any, Any, Any],
    video_id: FromPath[UUID],
    start: Annotated[int, QueryParameter(ge=0)] = 0,
    end: Annotated[int | None, QueryParameter(ge=1, le=_ANY_FRAME)] = None,
) -> Response[views.Scores | bytes]:
    """How near each frame of the video, or of its frames [start, end), is to a cut, as the detector saw it."""
    curve = await desk.scores.curve(await _found(desk, video_id), start=start, end=end)
    headers = {"ETag": curve.etag, "Cache-Control": _ASK_AGAIN}
    if request.headers.get("if-none-match") == curve.etag:
        return Response(b"", status_code=304, headers=headers, media_type="application/json")
    view = views.Scores(
        start=curve.start,
        end=curve.end,
        threshold=THRESHOLD,
        values=b64encode(curve.values).decode(),
        parts=[views.ScoredPart(start=p.start, end=p.end, detector=p.detector) for p in curve.parts],
        complete=sum(p.end - p.start for p in curve.parts) == curve.end - curve.start,
    )
    return Response(view, headers=headers)


@get("/api/videos/{video_id:uuid}/frames/{name:str}", guards=[ANYBODY], media_type="image/jpeg", tags=["playback"])
async def frame_picture(
    desk: TheDesk, request: Request[Any, Any, Any], video_id: FromPath[UUID], name: FromPath[str]
) -> Response[bytes]:
    """One frame of the video, by its index: `frames/137.jpg`."""
    said = _PICTURE.fullmatch(name)
    if said is None:
        raise Problem(404, "No such frame", f"{name[:40]!r} is no frame: ask for <index>.jpg.")
    data, etag = await desk.frames.picture(video_id, int(said[1]))
    headers = {"ETag": etag, "Cache-Control": _FOR_EVER}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers, media_type="image/jpeg")
    return Response(data, headers=headers, media_type="image/jpeg")


HANDLERS = [list_videos, get_video, list_facts, storyboard, storyboard_sheet, waveform, scores, frame_picture]
