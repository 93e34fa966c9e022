"""A small identity provider: OpenID Connect with authorization code and PKCE, which lies in every way that a test asks for."""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey


@dataclass
class IdentityProvider:
    """What it knows, and what it says of whoever signs in."""

    client_id: str = "heaters"
    client_secret: str = "a secret/with:signs"
    claims: dict[str, Any] = field(default_factory=dict)
    """Put over the honest claims; None takes one away."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}))
    algorithm: str = "RS256"
    issuer: str = ""
    published: list[RSAKey] = field(default_factory=list)
    document: dict[str, str] = field(default_factory=dict)
    """Put over the discovery document."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)

    def authorize(self, query: dict[str, str], *, subject: str) -> str:
        """A person agrees: the address that their browser is sent back to."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**query, "sub": subject}
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint: once a code, to its client, with its verifier."""
        wanted = base64.b64encode(f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}".encode())
        begun = self.codes.pop(form.get("code", ""), None)
        if authorization != f"Basic {wanted.decode()}":
            return self._refuse("invalid_client")
        if begun is None or form.get("redirect_uri") != begun["redirect_uri"]:
            return self._refuse("invalid_grant")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge.rstrip(b"=").decode() != begun["code_challenge"]:
            return self._refuse("invalid_grant")
        now = int(time.time())
        honest = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": begun["sub"],
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            "name": "Ana Alvarez",
            "preferred_username": "ana",
            "groups": ["video-reviewers"],
        }
        claims = {name: value for name, value in {**honest, **self.claims}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        said = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        return 200, {"access_token": "not used", "token_type": "Bearer", "id_token": said}

    def _refuse(self, error: str) -> tuple[int, dict[str, Any]]:
        self.refusals.append(error)
        return 400, {"error": error}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        status, answer = 200, {}
        if scope["path"] == "/.well-known/openid-configuration":
            answer = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.document,
            }
        elif scope["path"] == "/keys":
            answer = {"keys": [key.as_dict(private=False) for key in self.published or [self.key]]}
        elif scope["path"] == "/token":
            headers = dict(scope["headers"])
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            status, answer = self.token(form, headers.get(b"authorization", b"").decode())
        else:
            status = 404
        content = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": content})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


@asynccontextmanager
async def serving(provider: IdentityProvider, port: int) -> AsyncIterator[IdentityProvider]:
    """The provider behind a real socket."""
    provider.issuer = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(uvicorn.Config(provider, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # signals belong to the test's process
    task = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, and no event
                await asyncio.sleep(0.01)
        yield provider
    finally:
        server.should_exit = True
        await task
