"""URLs, types, titles and names: what may be asked for, what an address holds, and what may be shown of it."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from heaters_downloader.core.errors import Gone, NeedsCredentials, Refused, Throttled, TryLater, UnsupportedScheme


def checked_url(url: str) -> str:
    """The URL, if it is one that may be asked for.

    Raises:
        UnsupportedScheme: another scheme than http and https, or no host.
    """
    try:
        parts = urlsplit(url.strip())
        named = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        # Not its words, nor the error's: what cannot be read may hold a password where none is looked for.
        raise UnsupportedScheme("this is not a URL: its host or its port cannot be read") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise UnsupportedScheme(f"only http and https are fetched, not {parts.scheme[:20] or 'a path'!r}: {shown(url)}")
    if not named:
        raise UnsupportedScheme(f"{shown(url)} names no host")
    return url.strip()


def shown(url: str) -> str:
    """A URL as it may be shown and logged: without user, password, query and fragment, where secrets stand."""
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a malformed URL"
    return f"{parts.scheme}://{host}{port}{parts.path}"[:300]


def host_of(url: str) -> str:
    """The host that a URL names, lower case, without port: the site whose patience it takes. "" where it names none."""
    try:
        return (urlsplit(url.strip()).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


_QUERY = re.compile(r"(https?://[^\s?#'\"]+)[?#][^\s'\"]*")


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """A message as it may be shown and logged: URLs without their queries, and without any of the secrets; in whole characters."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    return whole_characters(_QUERY.sub(r"\1", text))


def whole_characters(text: str) -> str:
    """A text without halves of characters: sites' JSON may hold lone surrogates, and neither a fact nor a file can."""
    return text.encode("utf-8", "replace").decode()


What = Literal["file", "page", "other"]

_MEDIA_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("mp4", "m4v", "mov", "qt", "3gp", "3g2", "mkv", "webm", "avi", "wmv", "asf", "flv", "f4v", "mxf", "dv"),
        *("mpg", "mpeg", "m2v", "vob", "ts", "m2ts", "mts", "ogv"),
    )
)
_MEDIA_TYPES = frozenset(
    {"application/mp4", "application/mxf", "application/ogg", "application/x-matroska", "application/vnd.rn-realmedia"}
)
_PAGE_TYPES = frozenset(
    {
        "text/html",
        "application/xhtml+xml",
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "application/dash+xml",
        "application/vnd.ms-sstr+xml",
    }
)
_BARE_TYPES = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/force-download", "application/x-download"}
)


def classify(url: str, content_type: str | None) -> What:
    """What an address holds, by the type that its server says.

    Args:
        url: the address at the end of all redirects.
        content_type: the header's value, or None where there is none.

    Returns:
        "file" for a video to be fetched as it is; "page" for what must be read to find one, manifests of streams among
        them; "other" for what is neither. Bytes without a type, and those of an unknown application whose name ends as
        videos do, are a file: the plan looks inside.
    """
    kind = media_type(content_type)
    if kind in _PAGE_TYPES:
        return "page"
    if kind.startswith("video/") or kind in _MEDIA_TYPES or kind in _BARE_TYPES:
        return "file"
    return "file" if kind.startswith("application/") and has_media_ending(url) else "other"


def media_type(content_type: str | None) -> str:
    """The type alone, lower case, without parameters; "" for none (RFC 9110, section 8.3)."""
    return (content_type or "").partition(";")[0].strip().lower()


def has_media_ending(url: str) -> bool:
    """Whether the URL's path ends as video files do."""
    return PurePosixPath(unquote(urlsplit(url).path)).suffix.lower() in _MEDIA_ENDINGS


def safe_title(text: str, *, longest: int = 200) -> str:
    """One line of text that people may read: no control or direction characters, one space at a time.

    Args:
        text: what a site says.
        longest: characters that are kept.

    Returns:
        The title, "untitled" where nothing is left.
    """
    kept = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Zs") else char
        for char in unicodedata.normalize("NFC", text)
        if unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn")
    )
    return " ".join(kept.split())[:longest].strip() or "untitled"


def safe_name(text: str, *, longest: int = 80) -> str:
    """A file name that is never a path, hidden, or a device: letters, digits, `.`, `-` and `_` of ASCII."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_only).strip("._-")[:longest].rstrip("._-") or "untitled"


def title_of(url: str, disposition: str | None) -> str:
    """A title for a plain file: the name that its server gives it (RFC 6266), else the last part of its path."""
    named = ""
    if disposition:
        extended = re.search(r"filename\*\s*=\s*[\w-]*'[^']*'([^;\s]+)", disposition, re.IGNORECASE)
        quoted = re.search(r'filename\s*=\s*(?:"([^"]*)"|([^;\s]+))', disposition, re.IGNORECASE)
        if extended:
            named = unquote(extended[1])
        elif quoted:
            named = quoted[1] or quoted[2] or ""
    return safe_title(re.split(r"[/\\]", named or unquote(urlsplit(url).path).rstrip("/"))[-1])


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3): a number or a date; None where neither."""
    if header is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", header):
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def refusal_of(status: int, url: str, wait_s: float | None) -> Exception | None:
    """The error that an HTTP status means, or None for success.

    Args:
        status: the response's status.
        url: what was asked for.
        wait_s: what its Retry-After header says.
    """
    told = f"{shown(url)} answers {status}"
    if 200 <= status < 300:
        return None
    if status in (404, 410, 451):
        return Gone(told)
    if status in (401, 402, 403, 407):
        return NeedsCredentials(told)
    if status == 429 or (status == 503 and wait_s is not None):
        return Throttled(told, wait_s)
    if status in (408, 425) or status >= 500:
        return TryLater(told, wait_s)
    return Refused(told)


_ENDING = re.compile(r"\.[a-z0-9]{1,5}")
_ENDINGS = {
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/quicktime": ".mov",
    "video/mp2t": ".ts",
}


def file_ending(name: str, content_type: str | None) -> str:
    """The ending that a source's key gets: its name's own if it is a plain one, else its type's, else .bin. A label only."""
    ending = PurePosixPath(name).suffix.lower()
    return ending if _ENDING.fullmatch(ending) else _ENDINGS.get(media_type(content_type), ".bin")


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The two parts of s3://bucket/key.

    Raises:
        UnsupportedScheme: it is no such address.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise UnsupportedScheme(f"not an address of the form s3://bucket/key: {uri}")
    return bucket, key
