"""What yt-dlp raises, in our words: for good, or for now, or only for some."""

import contextlib
import errno
import re
import socket
import struct
import traceback
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from heaters_edges.failure import NoSpace
from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, YoutubeDLError

from heaters_downloader.core import (
    ForbiddenAddress,
    Gone,
    NeedsCredentials,
    NotAVideo,
    Refused,
    Throttled,
    TryLater,
    Unintelligible,
    UnsupportedStream,
    refusal_of,
    retry_after_s,
    shown,
    without_secrets,
)
from heaters_downloader.fetch import NoSuchHost, UntrustedCertificate
from heaters_downloader.guard import Guard


@contextlib.contextmanager
def told(url: str, guard: Guard, secrets: Sequence[str] = ()) -> Iterator[None]:
    """What yt-dlp raises, in our words.

    Args:
        url: what was asked for.
        guard: knows whether an address was refused.
        secrets: what must not be repeated.
    """
    try:
        yield
    except (Refused, TryLater, NoSpace):
        raise
    except (YoutubeDLError, OSError) as error:
        if guard.refusals:
            raise ForbiddenAddress(guard.refusals[0]) from error
        raise refusal(error, url, secrets) from None  # what led to it may hold what must not be repeated
    except _STUMBLES as error:
        if not _is_of_ytdlp(error):
            raise
        if guard.refusals:
            raise ForbiddenAddress(guard.refusals[0]) from error
        said = without_secrets(f"{type(error).__name__}: {error}", secrets)[:500]
        raise Unintelligible(f"{shown(url)}: what came cannot be understood ({said})") from None


_STUMBLES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError, ValueError),
    *(re.error, struct.error, zlib.error),
)
"""What yt-dlp, which trusts what it reads, stumbles over where a manifest or page makes no sense: `BANDWIDTH=1e999`, a time scale of 0."""


def _is_of_ytdlp(error: BaseException) -> bool:
    """Whether yt-dlp's own code stumbled, and not ours that it had called."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours_or_its = [name.partition(".")[0] for name in modules if name.startswith(("yt_dlp", "heaters_"))]
    return ours_or_its[-1:] == ["yt_dlp"]


_FULL = {errno.ENOSPC, errno.EDQUOT}
_CREDENTIALS = (
    "private",
    "log in",
    "login",
    "sign in",
    "members",
    "subscri",
    "password",
    "cookies",
    "premium",
    "purchase",
)
_BOT_WALL = ("not a bot", "too many requests", "rate-limit", "rate limit", "captcha", "unusual traffic", "cloudflare")
_GONE = (
    "removed",
    "deleted",
    "no longer available",
    "unavailable",
    "not available",
    "does not exist",
    "not found",
    "terminated",
)


def refusal(error: BaseException, url: str, secrets: Sequence[str] = ()) -> Exception:
    """What an error of yt-dlp comes to."""
    causes = list(_causes(error))
    said = without_secrets(_plain(error), secrets)
    for cause in causes:
        if isinstance(cause, Refused | TryLater | NoSpace):
            return cause
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return NoSpace(f"the disk is full: {said}")
    for cause in causes:
        if isinstance(cause, HTTPError):
            wait_s = retry_after_s(cause.response.headers.get("Retry-After"), datetime.now(UTC))
            return refusal_of(cause.status, cause.response.url, wait_s) or TryLater(said)
    if any(isinstance(cause, CertificateVerifyError) for cause in causes):
        return UntrustedCertificate(f"{shown(url)}: its certificate is not to be trusted")
    if any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes):
        return NoSuchHost(f"{urlsplit(url).hostname} is not known to DNS")
    lower = said.lower()
    if "file:// urls are disabled" in lower:
        return UnsupportedStream(f"{shown(url)} names a file of this machine, which is not supported")
    if any(isinstance(cause, UnsupportedError) for cause in causes):
        return NotAVideo(f"{shown(url)}: no video was found")
    if any(word in lower for word in _BOT_WALL):
        return Throttled(said)
    if any(isinstance(cause, TransportError | OSError) for cause in causes):
        return TryLater(said)
    if "drm" in lower:
        return UnsupportedStream(said)
    if any(isinstance(cause, GeoRestrictedError) for cause in causes):
        return Gone(said)
    if any(word in lower for word in _CREDENTIALS):
        return NeedsCredentials(said)
    if any(word in lower for word in _GONE):
        return Gone(said)
    expected = any(isinstance(cause, ExtractorError) and cause.expected for cause in causes)
    return Refused(said) if expected else TryLater(said)


def _plain(error: BaseException) -> str:
    """The message for people: without the request to report a bug."""
    return (
        str(error).removeprefix("ERROR: ").partition("; please report this issue")[0].strip()[:500]
        or type(error).__name__
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that it says led to it; yt-dlp keeps that in three places."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        one = todo.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        exc_info = getattr(one, "exc_info", None)
        inner = exc_info[1] if isinstance(one, DownloadError | ExtractorError) and exc_info else None
        todo += [inner, getattr(one, "cause", None), one.__cause__, one.__context__]
