"""A plain file over HTTP(S): streamed, hashed on the way, resumed where it broke off, never from a forbidden address."""

import hashlib
import json
import os
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from heaters_edges.outward import CheckedTransport, Forbidden, NoHostName, UnknownHost

from heaters_downloader.core import (
    AddressPolicy,
    Fetched,
    ForbiddenAddress,
    Gone,
    Limits,
    NotAVideo,
    Progress,
    Refused,
    TooLarge,
    TryLater,
    UnsupportedScheme,
    checked_url,
    classify,
    media_type,
    refusal_of,
    retry_after_s,
    shown,
    title_of,
)
from heaters_downloader.space import Reservation, reserved

_CHUNK_BYTES = 1 << 20
_HEADERS = {
    "User-Agent": "heaters-downloader",
    "Accept": "video/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # else a range would be one of the compressed bytes
}


class IsPage(NotAVideo):
    """A page or a stream's manifest: there may be a video on it, and it is none itself."""


class UntrustedCertificate(Refused):
    """The server's certificate is not to be trusted."""


class NoSuchHost(Gone):
    """The name is not known to DNS."""


def fetch(url: str, out: Path, *, policy: AddressPolicy, limits: Limits, progress: Progress | None = None) -> Fetched:
    """Bring one file.

    What has come is kept beside `out` as `<name>.part` when the connection breaks, and the next call goes on from there if
    the server still has the same file (RFC 9110, sections 13.1.5 and 14).

    Args:
        url: http or https.
        out: where the whole file shall be; its folder exists.
        policy: which addresses may be reached. It is asked for every hop, about the very address that is connected to.
        limits: of bytes, time and redirects.
        progress: told about every mebibyte.

    Returns:
        What is at `out` now.

    Raises:
        ForbiddenAddress, UnsupportedScheme, Gone, NeedsCredentials, TooLarge, UntrustedCertificate, Refused: for good.
        IsPage: a page or a manifest, a kind of NotAVideo.
        NotAVideo: something else that is no video.
        Throttled, NoSpace, TryLater: the server is busy or broken, or the connection is, or our disk is full.
    """
    part = _Part(out)
    with _client(policy, limits) as client, _told(url):
        started = part.resumable()
        with _opened(client, url, limits, part.headers(started)) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.forget()
                raise TryLater(f"{shown(url)} has no more of the file that was begun: it will be fetched anew")
            wait_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC))
            if refusal := refusal_of(response.status_code, str(response.url), wait_s):
                raise refusal
            final, content_type = str(response.url), media_type(response.headers.get("Content-Type"))
            _expect_file(final, content_type)
            if not _continues(response, started):
                started = 0
            total = _total_bytes(response, started)
            if total is not None and total > limits.bytes_max:
                raise TooLarge(f"{shown(final)} has {total:,} bytes; the limit is {limits.bytes_max:,}")
            with reserved(out.parent, (total or 0) - started if total else 0, free_bytes=limits.free_bytes) as room:
                size, sha256 = part.receive(response, started, total, limits, progress, room)
            title = title_of(final, response.headers.get("Content-Disposition"))
    if size == 0:
        part.forget()
        raise NotAVideo(f"{shown(final)} is empty")
    part.finish()
    return Fetched(
        path=out, bytes=size, sha256=sha256, content_type=content_type or "application/octet-stream", title=title
    )


@dataclass(frozen=True)
class _Part:
    """The beginning of a file, and what its server called that version of it."""

    out: Path

    @property
    def _data(self) -> Path:
        return self.out.with_name(f"{self.out.name}.part")

    @property
    def _about(self) -> Path:
        return self.out.with_name(f"{self.out.name}.part.json")

    def resumable(self) -> int:
        """How many bytes are here that a server may go on from."""
        return self._data.stat().st_size if self._data.exists() and self._about.exists() else 0

    def headers(self, started: int) -> dict[str, str]:
        if not started:
            return {}
        return {"Range": f"bytes={started}-", "If-Range": str(json.loads(self._about.read_text())["validator"])}

    def receive(
        self,
        response: httpx.Response,
        started: int,
        total: int | None,
        limits: Limits,
        progress: Progress | None,
        room: Reservation,
    ) -> tuple[int, str]:
        """Write what comes after the first `started` bytes. Returns the whole file's size and hash."""
        ends = time.monotonic() + limits.total_s
        with _Hash() as digest, self._data.open("r+b" if started else "wb") as file:
            if started:
                while file.tell() < started and (chunk := file.read(min(_CHUNK_BYTES, started - file.tell()))):
                    digest.update(chunk)
            else:
                self._remember(response)
            size = told = started
            file.seek(started)
            packed = "Content-Encoding" in response.headers
            # As it comes: what is buffered would be lost with the connection.
            for chunk in response.iter_bytes() if packed else response.iter_raw():
                size += len(chunk)
                if size > limits.bytes_max:
                    self.forget()
                    raise TooLarge(f"{shown(str(response.url))} goes on after {limits.bytes_max:,} bytes, the limit")
                file.write(chunk)
                digest.update(chunk)
                # After each piece: whoever sends a byte a minute would never fill a mebibyte.
                if time.monotonic() > ends:
                    raise TryLater(
                        f"{shown(str(response.url))} was not here within {limits.total_s:g} s; it will be gone on with"
                    )
                if size - told >= _CHUNK_BYTES or size == total:
                    told = size
                    if total is not None:
                        room.shrink(total - size)
                    if progress is not None:
                        progress(size, total)
        if total is not None and size != total:
            raise TryLater(f"{shown(str(response.url))} said {total:,} bytes and sent {size:,}")
        return size, digest.hex

    def _remember(self, response: httpx.Response) -> None:
        # Only a strong validator can vouch that the rest belongs to the same file (RFC 9110, section 13.1.5).
        tag = response.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
        if validator and "Content-Encoding" not in response.headers:
            self._about.write_text(json.dumps({"validator": validator}))
        else:
            self._about.unlink(missing_ok=True)

    def forget(self) -> None:
        self._data.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def finish(self) -> None:
        os.replace(self._data, self.out)
        self._about.unlink(missing_ok=True)


class _Hash:
    """sha256 in a thread of its own, beside the one that receives: hashlib lets go of the interpreter while it works."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=8)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.hex = ""

    def __enter__(self) -> "_Hash":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._chunks.put(b"".join(self._held))
        self._chunks.put(None)
        self._thread.join()
        self.hex = self._sha256.hexdigest()

    def _work(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self._sha256.update(chunk)

    def update(self, chunk: bytes) -> None:
        """The next bytes."""
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes >= _CHUNK_BYTES:  # to hand over each small one would cost more than to hash it
            self._chunks.put(b"".join(self._held))
            self._held, self._held_bytes = [], 0


def _client(policy: AddressPolicy, limits: Limits) -> httpx.Client:
    return httpx.Client(
        transport=CheckedTransport(policy),
        timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
        trust_env=False,  # a proxy of the environment would connect for us, unchecked
        follow_redirects=False,
        headers=_HEADERS,
    )


@contextmanager
def _opened(client: httpx.Client, url: str, limits: Limits, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """The response at the end of all redirects, its body still to come."""
    for _ in range(limits.redirects_max + 1):
        response = client.send(client.build_request("GET", checked_url(url), headers=headers), stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
            url = str(response.url.join(response.headers["Location"]))
        finally:
            response.close()
    raise Refused(f"{shown(url)}: more than {limits.redirects_max} redirects")


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What httpx raises, in our words."""
    try:
        yield
    except Forbidden as error:
        raise ForbiddenAddress(str(error)) from error
    except UnknownHost as error:
        raise NoSuchHost(str(error)) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, NoHostName) as error:
        raise UnsupportedScheme(f"{shown(url)} is not a URL that can be fetched: {error}") from error
    except httpx.TimeoutException as error:
        raise TryLater(f"{shown(url)} takes too long: {type(error).__name__}") from error
    except httpx.HTTPError as error:
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
            raise UntrustedCertificate(f"{shown(url)}: {error}") from error
        raise TryLater(f"the connection to {shown(url)} failed: {error}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _expect_file(url: str, content_type: str) -> None:
    what = classify(url, content_type)
    if what == "page":
        raise IsPage(f"{shown(url)} is a page ({content_type}) and not a video file")
    if what == "other":
        raise NotAVideo(f"{shown(url)} is {content_type} and not a video")


def _continues(response: httpx.Response, started: int) -> bool:
    """Whether the body goes on exactly where the part that is here ends."""
    return response.status_code == httpx.codes.PARTIAL_CONTENT and response.headers.get("Content-Range", "").startswith(
        f"bytes {started}-"
    )


def _total_bytes(response: httpx.Response, started: int) -> int | None:
    """The whole file's size by the headers, where they say it of bytes that come as they are."""
    length = response.headers.get("Content-Length", "")
    if "Content-Encoding" in response.headers or not length.isdecimal():
        return None
    return started + int(length)
