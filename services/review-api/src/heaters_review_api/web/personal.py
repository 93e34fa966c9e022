"""What is a person's own: settings of the pages, and reports of clips that did not play for them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from heaters_review_api.web.auth import ANYBODY, Principal
from heaters_review_api.web.clips import found_clip
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

_MOST_SETTINGS_BYTES = 32 * 1024
_MOST_BODY_BYTES = 64 * 1024
_MOST_SHOWN = 50


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How somebody likes the pages: keys, theme, order. The pages alone know what is in it."""

    settings: dict[str, Any]


class PlayerErrorReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A clip that did not play, and what stood against it: its object, decoding it, or the network."""

    clip: UUID
    cause: Literal["object", "decoding", "network"]
    detail: Annotated[str, Meta(max_length=1000)]


class PlayerError(Struct, frozen=True, kw_only=True):
    """A clip that did not play for somebody, when last, and how often."""

    clip_id: UUID
    by: str
    at: datetime
    cause: str
    detail: str
    times: int


class PlayerErrors(Struct, frozen=True, kw_only=True):
    """The newest first."""

    items: list[PlayerError]


@get("/api/me/settings", guards=[ANYBODY], tags=["people"])
async def get_settings(desk: TheDesk, request: Request[Principal, Any, Any]) -> Settings:
    """One's own settings of the pages."""
    return Settings(settings=await desk.personal.settings(request.user.id))


@put("/api/me/settings", guards=[ANYBODY], tags=["people"], request_max_body_size=_MOST_BODY_BYTES)
async def put_settings(desk: TheDesk, request: Request[Principal, Any, Any], data: JSONBody[Settings]) -> Settings:
    """Keep one's own settings of the pages, in place of what was kept."""
    if len(msgspec.json.encode(data.settings)) > _MOST_SETTINGS_BYTES:
        raise _too_long()
    await desk.personal.keep_settings(request.user.id, data.settings)
    return data


@patch("/api/me/settings", guards=[ANYBODY], tags=["people"], request_max_body_size=_MOST_BODY_BYTES)
async def change_settings(desk: TheDesk, request: Request[Principal, Any, Any], data: JSONBody[Settings]) -> Settings:
    """Keep the settings that are named, and leave all others as they are: for several pages of one person. Answers with all of them."""
    kept = await desk.personal.change_settings(request.user.id, data.settings, most_bytes=_MOST_SETTINGS_BYTES)
    if kept is None:
        raise _too_long()
    return Settings(settings=kept)


def _too_long() -> Problem:
    return Problem(413, "These settings are too long", f"At most {_MOST_SETTINGS_BYTES} bytes are kept.")


@post("/api/player-errors", guards=[ANYBODY], status_code=204, tags=["playback"])
async def report(desk: TheDesk, request: Request[Principal, Any, Any], data: JSONBody[PlayerErrorReport]) -> None:
    """Say that a clip did not play, so that it stands on its video's page."""
    one = await found_clip(desk, data.clip)
    await desk.personal.note_player_error(
        clip_id=data.clip, video_id=one.clip.video_id, by=request.user.id, cause=data.cause, detail=data.detail
    )


@get("/api/videos/{video_id:uuid}/player-errors", guards=[ANYBODY], tags=["videos"])
async def player_errors(desk: TheDesk, video_id: FromPath[UUID]) -> PlayerErrors:
    """What of a video did not play, for whom, and why."""
    found = await desk.personal.player_errors(video_id, limit=_MOST_SHOWN)
    return PlayerErrors(
        items=[
            PlayerError(clip_id=e.clip_id, by=e.by, at=e.at, cause=e.cause, detail=e.detail, times=e.times)
            for e in found
        ]
    )


HANDLERS = [get_settings, put_settings, change_settings, report, player_errors]
