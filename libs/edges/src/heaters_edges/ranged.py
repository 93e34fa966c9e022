"""Parts of objects over kept connections, at signed addresses that are used again: what playback asks for all day long.

boto3 spends five times as much CPU on such a GET as its bytes cost, on building, signing and parsing what never changes. Only the
plain answer is understood here; whoever gets any other asks boto3, which knows all of them.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3 import Timeout, connection_from_url
from urllib3.exceptions import HTTPError

_SIGNED_FOR_S = 3600
_USED_FOR_S = 1800
"""A signature is used for at most this long, so that it never ends under way."""
_ADDRESSES = 4096
_CONNECTIONS = 16
_PARTIAL = 206


class NotPlain(Exception):
    """The server gave anything but the bytes that were asked for."""


class RangedReader:
    """Reads parts of objects of one server."""

    def __init__(self, endpoint: str, sign: Callable[[str, str, int], str], *, ca_bundle: str | None = None) -> None:
        """Connect to nothing yet.

        Args:
            endpoint: of the server, http(s)://host:port.
            sign: gives the address at which (bucket, key) can be read for so many seconds.
            ca_bundle: a file of certificates to trust instead of the usual ones.
        """
        # What goes through a proxy is left to boto3, too.
        self._direct = not get_environ_proxies(endpoint)
        secure = {"ca_certs": ca_bundle or get_cert_path(True)} if endpoint.startswith("https:") else {}
        self._pool = connection_from_url(
            endpoint, maxsize=_CONNECTIONS, timeout=Timeout(connect=5, read=60), retries=False, **secure
        )

        @lru_cache(maxsize=_ADDRESSES)
        def path(bucket: str, key: str, _: int) -> str:
            address = urlsplit(sign(bucket, key, _SIGNED_FOR_S))
            return f"{address.path}?{address.query}"

        self._path = path

    def get(self, bucket: str, key: str, offset: int, length: int) -> bytes:
        """Bytes [offset, offset + length) of an object; fewer only at its end.

        Raises:
            NotPlain: see there; nothing was read then.
        """
        if not self._direct:
            raise NotPlain("the server is reached through a proxy")
        try:
            answer = self._pool.urlopen(
                "GET",
                self._path(bucket, key, int(time.time() / _USED_FOR_S)),
                headers={"Range": f"bytes={offset}-{offset + length - 1}"},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                data = answer.read()
            finally:
                answer.release_conn()
        except (HTTPError, OSError) as problem:
            raise NotPlain(str(problem)) from problem
        if answer.status != _PARTIAL:
            raise NotPlain(f"status {answer.status}")
        return data
