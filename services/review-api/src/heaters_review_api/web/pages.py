"""The page, its parts, signing in, and the API's documentation; all from this package, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from heaters_review_api.web.auth import ANYBODY, COOKIE, OPEN, require_same_origin
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.headers import CSP
from heaters_review_api.web.problems import Problem

_STATIC = files("heaters_review_api.ui").joinpath("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SESSION_S = 30 * 24 * 3600


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


def _csp_of_sign_in() -> str:
    """The sign-in page brings its style along, since nothing else is answered before one is signed in; its hash admits it."""
    page = PARTS["signin.html"][0].decode()
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return CSP.replace("style-src 'self'", f"style-src 'sha256-{digest}'")


_SIGN_IN_CSP = _csp_of_sign_in()


def _sign_in_page(status: int, message: str = "") -> Response[bytes]:
    page = PARTS["signin.html"][0].replace(b"<!--message-->", message.encode())
    return Response(
        page,
        status_code=status,
        media_type=_TYPES[".html"],
        headers={"Content-Security-Policy": _SIGN_IN_CSP, "Cache-Control": "no-store"},
    )


def _session(desk: Desk, request: Request[Any, Any, Any]) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=desk.tokens.cookie,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        max_age=_SESSION_S,
        path="/",
    )


@get("/", opt={OPEN: True}, include_in_schema=False)
async def page(desk: TheDesk, request: Request[Any, Any, Any], token: FromQuery[str | None] = None) -> Response[bytes]:
    """The review page; with ?token= it signs the browser in, without being signed in it asks for the token."""
    cookies = []
    if token is not None:
        if desk.tokens.by_token(token) is None:
            return _sign_in_page(401, "This token is not known here.")
        cookies = [_session(desk, request)]
    elif desk.tokens.by_cookie(request.cookies.get(COOKIE, "")) is None:
        return _sign_in_page(401)
    data, type_, _ = PARTS["index.html"]
    return Response(data, media_type=type_, cookies=cookies, headers={"Cache-Control": "no-store"})


@post("/signin", opt={OPEN: True}, include_in_schema=False, request_max_body_size=4096)
async def sign_in(desk: TheDesk, request: Request[Any, Any, Any]) -> Response[Any]:
    """Sign in with the token in a form."""
    require_same_origin(request)
    token = (await request.form()).get("token", "")
    if not isinstance(token, str) or desk.tokens.by_token(token.strip()) is None:
        return _sign_in_page(401, "This token is not known here.")
    return Redirect("/", status_code=303, cookies=[_session(desk, request)])


@post("/signout", guards=[ANYBODY], include_in_schema=False)
async def sign_out() -> Response[Any]:
    """Forget the browser."""
    return Redirect("/", status_code=303, cookies=[Cookie(key=COOKIE, value="", max_age=0, path="/")])


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


HANDLERS = [page, sign_in, sign_out, static, docs, openapi]
