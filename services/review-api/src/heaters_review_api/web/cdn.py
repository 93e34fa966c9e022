"""Clips for whoever has an address that we signed: a caching proxy asks in the name of browsers, and has no session."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, head
from litestar.params import FromPath
from litestar.response import Stream

from heaters_review_api.signing import NotSigned, path_of
from heaters_review_api.web.auth import OPEN
from heaters_review_api.web.clips import found_clip, playable_answer
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.problems import Problem


async def _clip(desk: Desk, request: Request[Any, Any, Any], clip_id: UUID) -> Response[bytes] | Stream:
    said = {name: request.query_params.get(name, "") for name in ("until", "sound", "signature")}
    try:
        if desk.signer is None:
            raise NotSigned("This desk gives out no such addresses.")
        left_s = desk.signer.left_s(request.url.path, **said)
    except NotSigned as problem:
        raise Problem(HTTPStatus.UNAUTHORIZED, "Not signed", str(problem)) from None
    playable = await desk.playback.find((await found_clip(desk, clip_id)).clip, audio=said["sound"] == "1")
    if path_of(clip_id, playable.name) != request.url.path:
        raise Problem(HTTPStatus.NOT_FOUND, "No such clip any more", "The clip has changed: open the page again.")
    answer = await playable_answer(desk, request, playable)
    answer.headers["Cache-Control"] = f"public, max-age={left_s}"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # the proxy has another host than the page
    return answer


@get("/cdn/clips/{clip_id:uuid}/{name:str}", opt={OPEN: True}, media_type="video/mp4", include_in_schema=False)
async def clip(
    desk: TheDesk, request: Request[Any, Any, Any], clip_id: FromPath[UUID], name: FromPath[str]
) -> Response[bytes] | Stream:
    """A clip, for whoever has its address."""
    return await _clip(desk, request, clip_id)


@head("/cdn/clips/{clip_id:uuid}/{name:str}", opt={OPEN: True}, media_type="video/mp4", include_in_schema=False)
async def clip_head(
    desk: TheDesk, request: Request[Any, Any, Any], clip_id: FromPath[UUID], name: FromPath[str]
) -> Response[None]:
    """The headers of `clip`."""
    whole = await _clip(desk, request, clip_id)
    empty: Response[Any] = Response(b"", status_code=whole.status_code, headers=whole.headers, media_type="video/mp4")
    return empty


HANDLERS = [clip, clip_head]
