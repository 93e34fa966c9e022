"""Addresses of clips at a caching proxy (a CDN) in front of this desk: signed, and good for a while.

The proxy needs to know nothing of signatures. An address that was changed is another address, which it does not hold and we refuse; and an
answer may be kept for exactly as long as its address is good, so that the proxy asks us again afterwards, and is refused. Everybody is
given the same address of a clip for half of that time: of many who watch it, one fetches it here.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from heaters_review_api.settings import Settings


class NotSigned(Exception):
    """An address that was not given out by us, or not for now; the message says which."""


class Signer:
    """Makes addresses of clips at the proxy, and knows its own again.

    Args:
        url: the proxy's address, as browsers use it.
        key: the secret; replicas share it.
        expires_s: how long an address may be used; a clip's is the same for everybody for half of it.
    """

    def __init__(self, url: str, key: str, *, expires_s: int, clock: Callable[[], float] = time.time) -> None:
        self._url = url.rstrip("/")
        self._key = key.encode()
        self._half_s = expires_s // 2
        self._clock = clock

    @property
    def origin(self) -> str:
        """Scheme and host, as a Content-Security-Policy says them."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc}"

    def address(self, clip_id: UUID, name: str, *, audio: bool) -> tuple[str, int]:
        """Where a browser fetches a clip, and for how many seconds it will be told the same."""
        now_s = self._clock()
        until_s = (int(now_s) // self._half_s + 2) * self._half_s
        path = path_of(clip_id, name)
        query = {
            "until": until_s,
            "sound": int(audio),
            "signature": self._signature(path, str(until_s), str(int(audio))),
        }
        return f"{self._url}{path}?{urlencode(query)}", until_s - self._half_s - int(now_s)

    def left_s(self, path: str, *, until: str, sound: str, signature: str) -> int:
        """How many seconds an address is still good.

        Raises:
            NotSigned: it is none of ours, or its time is over.
        """
        if not hmac.compare_digest(self._signature(path, until, sound).encode(), signature.encode()):
            raise NotSigned("This address was not given out here, or was changed.")
        left_s = int(until) - int(self._clock())
        if left_s <= 0:
            raise NotSigned("This address was good for a while only: open the page again.")
        return left_s

    def _signature(self, path: str, until: str, sound: str) -> str:
        said = "\n".join(("heaters clip, version 1", path, until, sound))
        return hmac.digest(self._key, said.encode(), hashlib.sha256).hex()


def signer_of(settings: Settings) -> Signer | None:
    """The signer, where there is a proxy."""
    if not (settings.cdn_url and settings.cdn_key):
        return None
    return Signer(settings.cdn_url, settings.cdn_key.get_secret_value(), expires_s=settings.cdn_expires_s)


def path_of(clip_id: UUID, name: str) -> str:
    """A clip's path; its name changes with its bytes."""
    return f"/cdn/clips/{clip_id}/{name}.mp4"
