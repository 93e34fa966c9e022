"""The page, its parts, and the API's documentation; all from this package, nothing from elsewhere."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery

from heaters_review_api.web.auth import ANYBODY, OPEN, session_cookie, session_of
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem
from heaters_review_api.web.signin import sign_in_page

_STATIC = files("heaters_review_api.ui").joinpath("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def _load() -> dict[str, tuple[bytes, str, str]]:
    """Every part of the page: name -> bytes, media type, ETag. Read once; there are few and they are small."""
    parts = {}
    for part in _STATIC.iterdir():
        suffix = f".{part.name.rpartition('.')[2]}"
        if part.is_file() and suffix in _TYPES:
            data = part.read_bytes()
            parts[part.name] = (data, _TYPES[suffix], f'"{hashlib.sha256(data).hexdigest()[:24]}"')
    return parts


PARTS: Mapping[str, tuple[bytes, str, str]] = _load()


@get("/", opt={OPEN: True}, include_in_schema=False)
async def page(desk: TheDesk, request: Request[Any, Any, Any], token: FromQuery[str | None] = None) -> Response[bytes]:
    """The review page; in local mode ?token= signs the browser in; without being signed in it asks who one is."""
    cookies = []
    if token is not None:
        local = desk.gate.local
        if local is None or local.by_token(token) is None:
            return sign_in_page(desk, 401, "This token is not known here.")
        cookies = [session_cookie(request, desk.settings, local.cookie)]
    elif await desk.gate.by_cookie(session_of(request, desk.settings)) is None:
        return sign_in_page(desk, 401)
    data, type_, _ = PARTS["index.html"]
    return Response(data, media_type=type_, cookies=cookies, headers={"Cache-Control": "no-store"})


@get("/static/{name:str}", guards=[ANYBODY], include_in_schema=False)
async def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A part of the page; asked for anew each time, and answered with 304 where it is the same."""
    if name not in PARTS:
        raise Problem(HTTPStatus.NOT_FOUND, "No such part", f"The page has no part {name}.")
    data, type_, etag = PARTS[name]
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, media_type=type_, headers=headers)
    return Response(data, media_type=type_, headers=headers)


@get("/docs", guards=[ANYBODY], include_in_schema=False)
async def docs() -> Response[bytes]:
    """The API, for people."""
    data, type_, _ = PARTS["docs.html"]
    return Response(data, media_type=type_, headers={"Cache-Control": "no-store"})


@get("/openapi.json", guards=[ANYBODY], include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The API, for programs (OpenAPI 3.1)."""
    return Response(request.app.openapi_schema.to_schema(), media_type="application/vnd.oai.openapi+json")


HANDLERS = [page, static, docs, openapi]
