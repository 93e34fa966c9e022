"""Sign-in at an identity provider: OpenID Connect, authorization code with PKCE (RFC 7636), state and nonce."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from heaters_contracts.addresses import AddressPolicy
from heaters_edges.outward import CheckedTransport, Forbidden, NoHostName, UnknownHost
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.secrets import random_word
from heaters_review_api.settings import Settings

_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
"""What an id token may be signed with; never `none`, and never a secret that we share."""
_CLOCK_S = 60
_KNOWN_S = 3600.0
_MOST_BYTES = 1024 * 1024
"""Of any answer: documents and keys are a few kilobytes."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class NotVouchedFor(Exception):
    """The identity provider's answer does not prove who somebody is; the message says why, and holds no secret."""


class TooMuch(Exception):
    """An answer without an end."""


_UNANSWERED = (httpx.HTTPError, httpx.InvalidURL, Forbidden, UnknownHost, NoHostName, TooMuch)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser is sent, and what its answer must fit."""

    address: str
    state: str
    verifier: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is to the identity provider, and which roles that means here."""

    issuer: str
    subject: str
    login: str
    name: str
    roles: frozenset[Role]


class Provider:
    """An identity provider, as its discovery document describes it."""

    def __init__(self, settings: Settings) -> None:
        if not (settings.oidc_issuer and settings.oidc_client_id and settings.public_url):
            raise ValueError("no identity provider is set")
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._claim = settings.oidc_roles_claim
        self._roles = dict(settings.oidc_roles)
        self._back = f"{settings.public_url.rstrip('/')}/signin/callback"
        self._known: tuple[float, dict[str, Any], KeySet] | None = None
        self._looking = asyncio.Lock()
        # The provider's own document says where to go on: to its own host, to the public internet, or where we were told, and nowhere else.
        own = urlsplit(self._issuer)
        port = own.port or {"https": 443, "http": 80}[own.scheme]
        host = f"[{own.hostname}]" if ":" in (own.hostname or "") else own.hostname
        self._policy = AddressPolicy.parse([f"{host}:{port}", *settings.oidc_hosts])
        self._scheme = own.scheme

    async def depart(self) -> Departure:
        """Begin a sign-in."""
        document, _ = await self._document()
        client = WebApplicationClient(self._client_id)
        verifier, nonce, state = client.create_code_verifier(64), random_word(), random_word()
        address = client.prepare_request_uri(
            document["authorization_endpoint"],
            redirect_uri=self._back,
            scope="openid profile email",
            state=state,
            nonce=nonce,
            code_challenge=client.create_code_challenge(verifier, "S256"),
            code_challenge_method="S256",
        )
        return Departure(address, state, verifier, nonce)

    async def arrive(self, code: str, *, verifier: str, nonce: str) -> Identity:
        """Who came back with this code.

        Raises:
            NotVouchedFor: the provider refuses the code, or its token is not for us, not of now, or not well signed.
        """
        document, _ = await self._document()
        client = WebApplicationClient(self._client_id)
        body = client.prepare_request_body(
            code=code, redirect_uri=self._back, include_client_id=self._secret is None, code_verifier=verifier
        )
        try:
            said = await self._ask(
                "POST",
                document["token_endpoint"],
                content=body,
                headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
                auth=self._proof(),
            )
            answer = client.parse_request_body_response(said.text)
        except (OAuth2Error, *_UNANSWERED) as problem:
            raise NotVouchedFor(f"the identity provider did not take the code: {_reason(problem)}") from problem
        claims = await self._claims(str(answer.get("id_token", "")), nonce)
        return self._identity(claims)

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        for fresh in (False, True):  # a key that we do not know may be new: the provider changes them
            _, keys = await self._document(fresh=fresh)
            try:
                claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
                break
            except (JoseError, ValueError) as problem:
                if fresh:
                    raise NotVouchedFor(f"the id token is not well signed: {_reason(problem)}") from problem
        rules = jwt.JWTClaimsRegistry(
            leeway=_CLOCK_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            rules.validate(claims)
        except JoseError as problem:
            raise NotVouchedFor(f"the id token is not for this sign-in: {_reason(problem)}") from problem
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self._client_id:
            raise NotVouchedFor("the id token was made for another client, too, and not at our request")
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        groups = claims.get(self._claim, [])
        groups = [groups] if isinstance(groups, str) else groups
        roles = frozenset(self._roles[group] for group in groups if group in self._roles)
        subject = str(claims["sub"])
        login = str(claims.get("preferred_username") or claims.get("email") or subject)[:200]
        return Identity(self._issuer, subject, login, str(claims.get("name") or login)[:200], roles)

    async def _document(self, *, fresh: bool = False) -> tuple[dict[str, Any], KeySet]:
        async with self._looking:
            if self._known is None or fresh or time.monotonic() - self._known[0] > _KNOWN_S:
                self._known = (time.monotonic(), *await self._look())
            return self._known[1], self._known[2]

    async def _look(self) -> tuple[dict[str, Any], KeySet]:
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            document: dict[str, Any] = (await self._ask("GET", address)).raise_for_status().json()
            if document.get("issuer") != self._issuer:
                raise NotVouchedFor(f"{address} speaks for {document.get('issuer')!r}, not for {self._issuer!r}")
            for name in _ENDPOINTS:
                if (scheme := urlsplit(document[name]).scheme) not in {"https", self._scheme}:
                    raise NotVouchedFor(f"the identity provider's {name} is {scheme[:20]!r}, not https")
            keys = (await self._ask("GET", document["jwks_uri"])).raise_for_status().json()
            return document, KeySet.import_key_set(keys)
        except (*_UNANSWERED, ValueError, KeyError, TypeError, AttributeError, JoseError) as problem:
            raise NotVouchedFor(f"the identity provider cannot be asked: {_reason(problem)}") from problem

    async def _ask(self, method: str, address: str, **more: Any) -> httpx.Response:
        return await asyncio.to_thread(self._asked, method, address, **more)

    def _asked(self, method: str, address: str, **more: Any) -> httpx.Response:
        transport = CheckedTransport(self._policy)
        with (
            httpx.Client(transport=transport, timeout=10, trust_env=False, follow_redirects=False) as client,
            client.stream(method, address, **more) as answer,
        ):
            content = bytearray()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > _MOST_BYTES:
                    raise TooMuch(f"more than {_MOST_BYTES} bytes")
            return httpx.Response(answer.status_code, content=bytes(content), request=answer.request)

    def _proof(self) -> httpx.Auth:
        # RFC 6749, 2.3.1: both parts are encoded as in a form before they are joined.
        if self._secret is None:
            return httpx.Auth()
        return httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._secret.get_secret_value(), safe=""))


def _reason(problem: Exception) -> str:
    # What libraries say may hold the request, and with it the code: the kind of the error, and a provider's own word for it.
    return getattr(problem, "error", None) or type(problem).__name__
