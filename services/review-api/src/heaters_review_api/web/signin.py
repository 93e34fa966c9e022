"""Signing in and out: with the one token of local mode, a password, or at an identity provider."""

import base64
import hashlib
import html
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery
from litestar.response import Redirect

from heaters_review_api.accounts.audit import Deed
from heaters_review_api.accounts.limits import neighbourhood
from heaters_review_api.accounts.oidc import NotVouchedFor
from heaters_review_api.web.auth import (
    ANYBODY,
    OPEN,
    address_of,
    require_patience,
    require_same_origin,
    session_cookie,
    session_of,
)
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.headers import CSP
from heaters_review_api.web.problems import Problem

_PAGE = files("heaters_review_api.ui").joinpath("static", "signin.html").read_text()
_STATE_COOKIE = "heaters_signin"
_AWAY_S = 600
"""How long somebody may take at the identity provider."""
_HTML = "text/html; charset=utf-8"

_WITH_ONE_WORD = """<p>The review desk asks who you are. The address that <code>heaters up</code> prints signs you in by itself; or give its token here.</p>
{wrong}
<input name="username" autocomplete="username" value="heaters" hidden>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>"""
_WITH_A_NAME = """{wrong}
{elsewhere}
<label for="login">Name</label>
<input id="login" name="login" autocomplete="username" required maxlength="200" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="200">
<button>Sign in</button>"""
_ELSEWHERE = '<p><a href="/signin/oidc">Sign in with your organisation</a>, or with an account of this desk:</p>'
_WRONG = '<p class="wrong" role="alert">{}</p>'


def _csp() -> str:
    """The page brings its style along, since nothing else is answered before one is signed in; its hash admits it."""
    style = _PAGE.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return CSP.replace("style-src 'self'", f"style-src 'sha256-{digest}'")


_HEADERS = {"Content-Security-Policy": _csp(), "Cache-Control": "no-store"}


def sign_in_page(desk: Desk, status: int, message: str = "") -> Response[bytes]:
    """The page that asks who one is, in the ways that there are here."""
    form = _WITH_ONE_WORD if desk.gate.local else _WITH_A_NAME
    filled = form.format(
        wrong=_WRONG.format(html.escape(message)) if message else "", elsewhere=_ELSEWHERE if desk.provider else ""
    )
    return Response(
        _PAGE.replace("<!--form-->", filled).encode(), status_code=status, media_type=_HTML, headers=_HEADERS
    )


@post("/signin", opt={OPEN: True}, include_in_schema=False, request_max_body_size=4096)
async def sign_in(desk: TheDesk, request: Request[Any, Any, Any]) -> Response[Any]:
    """Sign in with what a form holds: the token of local mode, or a login and a password."""
    require_same_origin(request, desk.settings)
    require_patience(desk.gate.patience, neighbourhood(address_of(request)))
    form = await request.form()
    said = {name: value for name in ("token", "login", "password") if isinstance(value := form.get(name), str)}
    if "token" in said:
        local = desk.gate.local
        if local is None or local.by_token(said["token"].strip()) is None:
            await _noted(desk, request, "stranger", HTTPStatus.UNAUTHORIZED, {"reason": "wrong token"})
            return sign_in_page(desk, 401, "This token is not known here.")
        await _noted(desk, request, "local", HTTPStatus.OK, {})
        return Redirect("/", status_code=303, cookies=[session_cookie(request, desk.settings, local.cookie)])
    login = said.get("login", "").strip()
    turned = await desk.gate.sign_in(login, said.get("password", ""))
    if turned.account is None:
        await _noted(
            desk, request, "stranger", HTTPStatus.UNAUTHORIZED, {"login": login[:200], "reason": turned.reason}
        )
        return sign_in_page(desk, 401, "Name and password do not fit, or the account is locked for a while.")
    return await _enter(desk, request, turned.account.id, Redirect("/", status_code=303))


@get("/signin/oidc", opt={OPEN: True}, include_in_schema=False)
async def depart(desk: TheDesk, request: Request[Any, Any, Any]) -> Response[Any]:
    """On to the identity provider."""
    if desk.provider is None:
        raise Problem(HTTPStatus.NOT_FOUND, "No identity provider", "This desk has accounts of its own only.")
    require_patience(desk.gate.patience, neighbourhood(address_of(request)))
    try:
        leaving = await desk.provider.depart()
    except NotVouchedFor as problem:
        return sign_in_page(desk, HTTPStatus.BAD_GATEWAY, str(problem))
    await desk.gate.store.begin_sign_in(
        state=leaving.state, verifier=leaving.verifier, nonce=leaving.nonce, within_s=_AWAY_S
    )
    return Redirect(
        leaving.address,
        status_code=302,
        cookies=[_state_cookie(desk, leaving.state)],
        headers={"Cache-Control": "no-store"},
    )


@get("/signin/callback", opt={OPEN: True}, include_in_schema=False)
async def arrive(
    desk: TheDesk,
    request: Request[Any, Any, Any],
    code: FromQuery[str | None] = None,
) -> Response[Any]:
    """Back from the identity provider."""
    state = request.query_params.get("state", "")
    if desk.provider is None:
        raise Problem(HTTPStatus.NOT_FOUND, "No identity provider", "This desk has accounts of its own only.")
    require_patience(desk.gate.patience, neighbourhood(address_of(request)))
    # The answer must come back to the very browser that we sent away: else somebody signs you in as themselves.
    begun = None
    if state and request.cookies.get(_state_name(desk)) == state:
        begun = await desk.gate.store.end_sign_in(state)
    if begun is None or not code:
        said = request.query_params.get("error", "")[:100]
        await _noted(
            desk, request, "stranger", HTTPStatus.UNAUTHORIZED, {"reason": f"no sign-in under way {said}".strip()}
        )
        return sign_in_page(desk, 401, "This sign-in was not begun here, or took too long. Please begin again.")
    try:
        who = await desk.provider.arrive(code, verifier=begun[0], nonce=begun[1])
    except NotVouchedFor as problem:
        await _noted(desk, request, "stranger", HTTPStatus.UNAUTHORIZED, {"reason": str(problem)})
        return sign_in_page(desk, 401, "The identity provider did not vouch for you. Please begin again.")
    account = None
    if who.roles:
        account = await desk.gate.store.by_identity(
            who.issuer, who.subject, login=who.login, name=who.name, roles=sorted(who.roles)
        )
    if account is None:
        await _noted(desk, request, "stranger", HTTPStatus.FORBIDDEN, {"login": who.login, "reason": "no role here"})
        return sign_in_page(desk, 403, "You are known, but have no role at this desk. Ask whoever runs it.")
    # A strict cookie is not sent along a redirect that began elsewhere; a page of ours that goes on by itself begins here.
    page = b'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>Signed in</title>'
    answer: Response[Any] = Response(page, media_type=_HTML, headers={"Cache-Control": "no-store"})
    answer.cookies.append(_state_cookie(desk, ""))
    return await _enter(desk, request, account.id, answer)


@post("/signout", guards=[ANYBODY], include_in_schema=False)
async def sign_out(desk: TheDesk, request: Request[Any, Any, Any]) -> Response[Any]:
    """End this browser's session."""
    await desk.gate.store.close_session(session_of(request, desk.settings))
    desk.gate.forget()
    return Redirect("/", status_code=303, cookies=[session_cookie(request, desk.settings, "")])


async def _enter(desk: Desk, request: Request[Any, Any, Any], account_id: Any, answer: Response[Any]) -> Response[Any]:
    word = await desk.gate.store.open_session(account_id, address=address_of(request))
    await _noted(desk, request, str(account_id), HTTPStatus.OK, {})
    answer.cookies.append(session_cookie(request, desk.settings, word, max_age_s=desk.settings.session_s))
    return answer


async def _noted(desk: Desk, request: Request[Any, Any, Any], actor: str, outcome: int, detail: dict[str, Any]) -> None:
    deed = Deed(actor, "page", address_of(request), "sign in", request.url.path, int(outcome), detail)
    await desk.audit.note(deed)


def _state_name(desk: Desk) -> str:
    # As with sessions: no neighbour of our host can set this one, and so have somebody arrive from a sign-in of the neighbour's own.
    return f"__Host-{_STATE_COOKIE}" if desk.settings.is_public_secure else _STATE_COOKIE


def _state_cookie(desk: Desk, state: str) -> Cookie:
    return Cookie(
        key=_state_name(desk),
        value=state,
        httponly=True,
        samesite="lax",  # it comes back along a link from the identity provider
        secure=desk.settings.is_public_secure,
        max_age=_AWAY_S if state else 0,
        path="/",
    )


HANDLERS = [sign_in, depart, arrive, sign_out]
