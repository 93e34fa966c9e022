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

_UI = files("heaters_review_api.ui")
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FOR_EVER = "private, max-age=31536000, immutable"
_NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Heaters</title>
<h1>The review desk was not built</h1><p>Run <code>make setup</code>, or in the package's source
<code>python services/review-api/ui/build.py build</code>. The API works all the same.</p></html>
"""


def _load(folder: str) -> dict[str, tuple[bytes, str, str]]:
    """Every part of a folder: name -> bytes, media type, ETag. Read once; there are few and they are small."""
    parts: dict[str, tuple[bytes, str, str]] = {}
    place = _UI.joinpath(folder)
    for part in place.iterdir() if place.is_dir() else ():
        suffix = f".{part.name.rpartition('.')[2]}"
        if part.is_file() and suffix in _TYPES:
            data = part.read_bytes()
            parts[part.name] = (data, _TYPES[suffix], f'"{hashlib.sha256(data).hexdigest()[:24]}"')
    return parts


PARTS: Mapping[str, tuple[bytes, str, str]] = _load("static")
APP: Mapping[str, tuple[bytes, str, str]] = _load("app")
"""The review desk as the build left it; empty where it was not built."""


@get(
    [
        "/",
        "/grid",
        "/pipeline",
        "/failed",
        "/search",
        "/timeline",
        "/account",
        "/review/{about:uuid}",
        "/timeline/{about:uuid}",
        "/videos/{about:uuid}",
    ],
    opt={OPEN: True},
    include_in_schema=False,
)
async def page(desk: TheDesk, request: Request[Any, Any, Any], token: FromQuery[str | None] = None) -> Response[bytes]:
    """The review desk, whichever of its pages is meant; in local mode ?token= signs the browser in, else it asks who one is."""
    cookies = []
    if token is not None:
        local = desk.gate.local
        if local is None or local.by_token(token) is None:
            return sign_in_page(desk, 401, "This token is not known here.")
        cookies = [session_cookie(request, desk.settings, local.cookie)]
    elif await desk.gate.by_cookie(session_of(request, desk.settings)) is None:
        return sign_in_page(desk, 401)
    data = APP["index.html"][0] if APP else _NOT_BUILT
    return Response(data, media_type=_TYPES[".html"], cookies=cookies, headers={"Cache-Control": "no-store"})


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


@get("/app/{name:str}", guards=[ANYBODY], include_in_schema=False)
async def app_part(name: FromPath[str]) -> Response[bytes]:
    """A part of the review desk. Its name carries its hash, so it may be kept for ever."""
    if name not in APP:
        raise Problem(HTTPStatus.NOT_FOUND, "No such part", f"The review desk has no part {name[:80]}.")
    data, type_, etag = APP[name]
    return Response(data, media_type=type_, headers={"ETag": etag, "Cache-Control": _FOR_EVER})


@get("/docs", guards=[ANYBODY], include_in_schema=False)
async def docs() -> Response[bytes]:
    """The API, for people."""
    data, type_, _ = PARTS["docs.html"]
    return Response(data, media_type=type_, headers={"Cache-Control": "no-store"})


@get("/openapi.json", guards=[ANYBODY], include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The API, for programs (OpenAPI 3.1)."""
    return Response(request.app.openapi_schema.to_schema(), media_type="application/vnd.oai.openapi+json")


HANDLERS = [page, static, app_part, docs, openapi]
