"""What only the pages ask for: certain clips by id, and when each frame of a clip is shown."""

from itertools import groupby, pairwise
from typing import Annotated
from uuid import UUID

from heaters_edges.failure import MissingObject, WrongObject
from heaters_media.errors import BadLedger
from litestar import get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.clips import found_clip
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

_MOST_PICKED = 120


class Picked(Struct, frozen=True, kw_only=True):
    """The clips that were asked for, in that order, without those that are none."""

    items: list[views.Clip]


class Timing(Struct, frozen=True, kw_only=True):
    """When each frame of a clip is shown: runs of [frames, ticks a frame], in units of `time_base` seconds."""

    time_base: tuple[int, int]
    runs: list[tuple[int, int]]


@get("/api/clips/picked", guards=[ANYBODY], tags=["clips"])
async def picked(
    desk: TheDesk,
    id_: Annotated[list[UUID], QueryParameter(name="id", min_items=1, max_items=_MOST_PICKED)],
) -> Picked:
    """Certain clips, whatever their state."""
    found = await desk.queries.clips_by_id(id_)
    return Picked(items=await desk.clip_views([found[one] for one in dict.fromkeys(id_) if one in found]))


@get("/api/clips/{clip_id:uuid}/timing", guards=[ANYBODY], tags=["playback"])
async def timing(desk: TheDesk, clip_id: FromPath[UUID]) -> Timing:
    """How long each frame of a clip is shown, so that a page can show exactly the frame that it names."""
    one = await found_clip(desk, clip_id)
    try:
        ticks, time_base = await desk.ledgers.times(one)
    except (MissingObject, WrongObject, BadLedger, IndexError) as problem:
        raise Problem(409, "The clip's times are not known", str(problem)) from problem
    steps = groupby(b - a for a, b in pairwise(ticks))
    return Timing(time_base=time_base, runs=[(len(list(run)), step) for step, run in steps])


HANDLERS = [picked, timing]
