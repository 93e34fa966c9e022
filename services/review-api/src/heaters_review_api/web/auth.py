"""Who asks, and what they may do. Every route asks for a role; only health and signing in are open.

A program sends a token as `Authorization: Bearer`; a browser has a session cookie, and changes things only from a page of this very host.
In local mode one token stands for one person with every role, and a cookie is derived from it.
"""

import math
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from heaters_review_api.accounts.gate import Gate
from heaters_review_api.accounts.limits import Limit, neighbourhood
from heaters_review_api.accounts.principals import LOCAL, Principal, Role
from heaters_review_api.settings import Settings
from heaters_review_api.web.problems import Problem

__all__ = [
    "ANYBODY",
    "ASKERS",
    "KEEPERS",
    "LOCAL",
    "OPEN",
    "OPERATORS",
    "REVIEWERS",
    "UNREMARKED",
    "Authentication",
    "Principal",
    "Role",
    "address_of",
    "may",
    "recognised",
    "require_patience",
    "require_same_origin",
    "session_cookie",
    "session_of",
]

OPEN = "open_to_all"
"""The key in a route's `opt` that takes the guard away: health, and the sign-in itself."""
UNREMARKED = "unremarked"
"""The key in a route's `opt` that keeps it out of the audit log, though its method says that it changes something: signs of life, and searches."""
_SAFE = {"GET", "HEAD", "OPTIONS"}
_UNSIGNED_S = 30 * 24 * 3600


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request comes from; what a proxy says of it has been settled before."""
    return connection.client.host if connection.client else "unknown"


def _secure(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> bool:
    return settings.is_public_secure or connection.url.scheme == "https"


def _name(secure: bool) -> str:
    # A browser takes `__Host-` only from https, for the whole host and no other: no neighbour can set it for us.
    return "__Host-heaters_session" if secure else "heaters_session"


def session_of(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> str:
    """The word in the session cookie; empty where there is none."""
    return connection.cookies.get(_name(_secure(connection, settings)), "")


def session_cookie(
    connection: ASGIConnection[Any, Any, Any, Any], settings: Settings, word: str, *, max_age_s: float = _UNSIGNED_S
) -> Cookie:
    """The cookie that holds a session; an empty word takes it back."""
    secure = _secure(connection, settings)
    return Cookie(
        key=_name(secure),
        value=word,
        httponly=True,
        samesite="strict",
        secure=secure,
        max_age=int(max_age_s) if word else 0,
        path="/",
    )


async def recognised(
    connection: ASGIConnection[Any, Any, Any, Any], gate: Gate, settings: Settings, *, asks: bool = True
) -> Principal | None:
    """Who asks, by the token or the session that they bring; None for nobody that we know, or not any more."""
    header = connection.headers.get("authorization")
    if header is None:
        return await gate.by_cookie(session_of(connection, settings), asks=asks)
    scheme, _, token = header.partition(" ")
    return await gate.by_token(token.strip()) if scheme.lower() == "bearer" else None


class Authentication(AbstractAuthenticationMiddleware):
    """Recognises who asks, or answers 401; slows down who asks too often."""

    def __init__(self, app: ASGIApp, gate: Gate, settings: Settings) -> None:
        super().__init__(app, exclude_from_auth_key=OPEN, exclude_http_methods=[])
        self._gate, self._settings = gate, settings
        self._principals = Limit(burst=settings.requests_per_s * 10, per_s=settings.requests_per_s)
        self._strangers = Limit(burst=100, per_s=5)

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """A bearer token, or else a cookie."""
        principal = await recognised(connection, self._gate, self._settings)
        if "authorization" in connection.headers:
            return self._result(connection, principal, "token", "This token is not known here, or not any more.")
        how = "Send a token as `Authorization: Bearer`, or open the page."
        result = self._result(connection, principal, "cookie", how)
        if connection.scope.get("method", "GET") not in _SAFE:
            require_same_origin(connection, self._settings)
        return result

    def _result(
        self, connection: ASGIConnection[Any, Any, Any, Any], principal: Principal | None, how: str, help_: str
    ) -> AuthenticationResult:
        if principal is None:
            require_patience(self._strangers, neighbourhood(address_of(connection)))
            raise Problem(HTTPStatus.UNAUTHORIZED, "Not signed in", help_)
        if principal is not LOCAL:
            require_patience(self._principals, principal.id)
        return AuthenticationResult(user=principal, auth=how)


def require_patience(limit: Limit, who: str) -> None:
    """Let nobody ask more often than is good.

    Raises:
        Problem: they do.
    """
    if wait_s := limit.wait_s(who):
        after = math.ceil(wait_s)
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests",
            f"Ask again after {after} s.",
            headers={"Retry-After": str(after)},
        )


def require_same_origin(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> None:
    """A browser says where a request that changes something comes from; it must be a page of this very host.

    Raises:
        Problem: it comes from elsewhere, or does not say.
    """
    origin = connection.headers.get("origin")
    here = connection.headers.get("host", "").lower()
    if settings.public_url:
        here = settings.public_url.rstrip("/").lower()
        same = origin is not None and origin.lower() == here
    else:
        same = bool(here) and origin is not None and urlsplit(origin).netloc.lower() == here
    if not same or connection.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "Not from this page",
            f"The request comes from {origin or 'nowhere'}, not from {here}.",
        )


def may(*roles: Role) -> Any:
    """A guard: whoever has one of the roles may."""

    # Not a plain function: the framework would send every request through a thread for it.
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if not principal.roles & set(roles):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "Not allowed",
                f"This needs the role {' or '.join(roles)}; {principal.id} has {', '.join(sorted(principal.roles)) or 'none'}.",
            )

    return guard


ANYBODY = may(*Role)
"""Whoever is signed in."""
REVIEWERS = may(Role.REVIEWER, Role.LEAD)
OPERATORS = may(Role.OPS, Role.LEAD)
OPS = may(Role.OPS)
"""For what cannot be undone."""
ASKERS = may(Role.INGEST, Role.LEAD, Role.OPS)
KEEPERS = may(Role.OPS)
"""Who keeps accounts, tokens and the audit log."""
