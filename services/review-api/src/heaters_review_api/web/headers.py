"""Headers that every answer carries."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from litestar.types import Message, Scope

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; worker-src 'self';"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY: dict[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # What does not say so itself is for whoever asked, and for no cache between us.
    "Cache-Control": "private, no-cache",
}


def adds_security(store_url: str, clips_from: str = "") -> Callable[[Message, Scope], Awaitable[None]]:
    """What puts them on every answer, problems included, that does not set them itself.

    Args:
        store_url: the store's address as browsers know it: pages send the parts of an upload there.
        clips_from: scheme and host of a proxy that gives out clips; empty where there is none.
    """
    parts = urlsplit(store_url)
    headers = {
        **SECURITY,
        "Content-Security-Policy": CSP.replace(
            "connect-src 'self'", f"connect-src 'self' {parts.scheme}://{parts.netloc} {clips_from}".rstrip()
        ).replace("media-src 'self'", f"media-src 'self' {clips_from}".rstrip()),
    }

    said = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    said_on_https = [*said, (b"strict-transport-security", b"max-age=31536000; includeSubDomains")]

    async def add_security(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            there = list(message["headers"])
            present = {name.lower() for name, _ in there}
            wanted = said_on_https if scope.get("scheme") == "https" else said
            message["headers"] = there + [header for header in wanted if header[0] not in present]

    return add_security
