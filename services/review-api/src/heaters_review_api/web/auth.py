"""Who asks, and what they may do. Every route asks for a role; only health and signing in are open.

Local mode: one token stands for one person with every role. A program sends it as `Authorization: Bearer`; a browser gets a cookie
that is derived from it, and changes things only from a page of this very host.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp
from pydantic import SecretStr

from heaters_review_api.web.problems import Problem

COOKIE = "heaters_session"
OPEN = "open_to_all"
"""The key in a route's `opt` that takes the guard away: health, and the sign-in itself."""
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Role(StrEnum):
    """What somebody may do."""

    REVIEWER = "reviewer"
    LEAD = "lead"
    OPS = "ops"
    INGEST = "ingest"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was recognised. Decisions carry the id, never the name."""

    id: str
    name: str
    roles: frozenset[Role]


LOCAL = Principal("local", "You", frozenset(Role))


class Tokens:
    """The one token of local mode, compared in constant time."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token.get_secret_value().encode()
        self.cookie = hmac.digest(self._token, b"heaters session cookie, version 1", hashlib.sha256).hex()

    def by_token(self, said: str) -> Principal | None:
        """Who holds a token."""
        return LOCAL if hmac.compare_digest(self._token, said.encode()) else None

    def by_cookie(self, said: str) -> Principal | None:
        """Who holds a session cookie."""
        return LOCAL if hmac.compare_digest(self.cookie.encode(), said.encode()) else None


class Authentication(AbstractAuthenticationMiddleware):
    """Recognises who asks, or answers 401."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        super().__init__(app, exclude_from_auth_key=OPEN, exclude_http_methods=[])
        self._tokens = tokens

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """A bearer token, or else a cookie."""
        header = connection.headers.get("authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            principal = self._tokens.by_token(token.strip()) if scheme.lower() == "bearer" else None
            if principal is None:
                raise Problem(HTTPStatus.UNAUTHORIZED, "Not signed in", "This token is not known here.")
            return AuthenticationResult(user=principal, auth="token")
        principal = self._tokens.by_cookie(connection.cookies.get(COOKIE, ""))
        if principal is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED, "Not signed in", "Send the token as `Authorization: Bearer`, or open the page."
            )
        if connection.scope.get("method", "GET") not in _SAFE:
            require_same_origin(connection)
        return AuthenticationResult(user=principal, auth="cookie")


def require_same_origin(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """A browser says where a request that changes something comes from; it must be a page of this very host.

    Raises:
        Problem: it comes from elsewhere, or does not say.
    """
    host = connection.headers.get("host", "")
    origin = connection.headers.get("origin")
    if not host or origin is None or urlsplit(origin).netloc.lower() != host.lower():
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "Not from this page",
            f"The request comes from {origin or 'nowhere'}, not from {host}.",
        )


def may(*roles: Role) -> Any:
    """A guard: whoever has one of the roles may."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if not principal.roles & set(roles):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "Not allowed",
                f"This needs the role {' or '.join(roles)}; {principal.id} has {', '.join(sorted(principal.roles))}.",
            )

    return guard


ANYBODY = may(*Role)
"""Whoever is signed in."""
REVIEWERS = may(Role.REVIEWER, Role.LEAD)
OPERATORS = may(Role.OPS, Role.LEAD)
ASKERS = may(Role.INGEST, Role.LEAD, Role.OPS)
