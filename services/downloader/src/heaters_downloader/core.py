"""What may be brought, from where, and whether it is the best there was: decisions only.

The errors that every way of bringing shares stand here too, each beside the rule that it names. `Refused` and what derives
from it will be the same next time; anything else is worth another try.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Progress = Callable[[int, int | None], None]
"""Told now and then: bytes that are here, and bytes in all where that is known."""


class Refused(ValueError):
    """It cannot be brought, and trying again would not change that."""


class ForbiddenAddress(Refused):
    """A name or address that leads to a machine which is not on the public internet."""


class UnsupportedScheme(Refused):
    """Not http or https, or no URL at all."""


class Gone(Refused):
    """There is nothing at this address: 404, 410, removed, not available here."""


class NeedsCredentials(Refused):
    """It is there, and only for some: 401, 403, private, behind a login or a payment."""


class TooLarge(Refused):
    """More bytes than the limit, by what the site says or by what came."""


class NotAVideo(Refused):
    """What is there is something else."""


class ManyVideos(Refused):
    """A playlist or channel: each of its videos is a request of its own."""


class ForbiddenBucket(Refused):
    """The bucket is not one that sources may come from."""


class QualityLost(Refused):
    """What was got is less than what the site offers."""


class TryLater(Exception):
    """It did not work now: a limit of rate, an error of the server, a broken connection.

    Attributes:
        retry_after_s: how long the site asks us to wait, if it does.
    """

    failure_class = "transient"

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason, retry_after_s)  # both, so that it comes back whole out of a child process
        self.reason = reason
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Limits:
    """How much of anything is enough.

    Attributes:
        bytes_max: a larger file is refused.
        connect_s: time to connect, seconds.
        read_s: time without a single byte, seconds.
        redirects_max: hops from the address that was asked for.
    """

    bytes_max: int = 200_000_000_000
    connect_s: float = 15.0
    read_s: float = 60.0
    redirects_max: int = 10


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be reached beside those of the public internet.

    Attributes:
        hosts: names or literal addresses, each with a port or None for any.
        networks: ranges of addresses.
    """

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AddressPolicy":
        """Read an allow-list of `host`, `host:port`, `[v6]:port`, an address, or a CIDR range.

        Raises:
            ValueError: shows the entry that is none of these.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[Network] = []
        for entry in (raw.strip().lower() for raw in entries):
            if not entry:
                continue
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError as error:
                matched = _ALLOWED.fullmatch(entry)
                if not matched or not 0 < int(matched["port"] or 1) < 65536:
                    raise ValueError(f"{entry!r} is not a host, a host:port, an address or a CIDR range") from error
                hosts.add((_plain(matched["host"]), int(matched["port"]) if matched["port"] else None))
        return cls(frozenset(hosts), tuple(networks))

    def refusal(self, host: str, port: int, address: str) -> str | None:
        """Why a connection is refused, or None where it may be made.

        Args:
            host: the name that was asked for, as in the URL.
            port: the port.
            address: the address that the name resolved to, and that will be connected to.
        """
        ip = ipaddress.ip_address(address)
        reason = forbidden(ip)
        if reason is None or any(ip in network for network in self.networks):
            return None
        if {(_plain(host.lower()), port), (_plain(host.lower()), None)} & self.hosts:
            return None
        return f"{host} is at {address}, {reason}"


_ALLOWED = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>\d{1,5}))?")
_AZURE_WIRE_SERVER = ipaddress.ip_address("168.63.129.16")
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")


def forbidden(ip: Address) -> str | None:
    """Why an address is none of the public internet's, or None.

    Addresses that carry an IPv4 address inside (mapped, RFC 4291; 6to4, RFC 3056; NAT64, RFC 6052; Teredo, RFC 4380) are
    judged by that as well: a gateway would deliver to it.
    """
    if isinstance(ip, ipaddress.IPv6Address):
        for inner in _embedded(ip):
            if reason := forbidden(inner):
                return f"which leads to {inner}, {reason}"
        if ip.ipv4_mapped is not None:
            return None
        if ip in _NAT64_LOCAL:
            return "a local translation address"
    if ip in _METADATA or ip == _AZURE_WIRE_SERVER:
        return "a cloud's metadata service"
    if ip.is_unspecified:
        return "the unspecified address"
    if ip.is_loopback:
        return "a loopback address"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_private or (isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local):
        return "a private address"
    if ip.is_reserved and not (isinstance(ip, ipaddress.IPv6Address) and ip in _NAT64):
        return "a reserved address"
    if not ip.is_global:
        return "not a public address"
    return None


def _embedded(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    return [address for address in inner if address is not None]


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".")


def checked_url(url: str) -> str:
    """The URL, if it is one that may be asked for.

    Raises:
        UnsupportedScheme: another scheme than http and https, or no host.
    """
    try:
        parts = urlsplit(url.strip())
        named = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise UnsupportedScheme(f"{url[:200]!r} is not a URL: {error}") from error
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
    if status in (408, 425, 429) or status >= 500:
        return TryLater(told, wait_s)
    return Refused(told)


@dataclass(frozen=True)
class Quality:
    """What a version of a video is; None where a site does not say.

    Attributes:
        height_px: rows of the picture.
        fps_milli: frames a second, in thousandths: a label that sites give, and no measure of time.
        video: codec of the picture, "none" where there is none.
        audio: codec of the sound, "none" where there is none.
        container: file ending, such as mp4.
    """

    height_px: int | None = None
    fps_milli: int | None = None
    video: str | None = None
    audio: str | None = None
    container: str | None = None


@dataclass(frozen=True)
class QualityRecord:
    """What a site offered and what was got of it.

    Attributes:
        offered: the best of each thing that any of its versions has.
        got: what was brought.
        lost: why that is less, or None.
        note: what limited the choice, such as a missing ffmpeg, or None.
    """

    offered: Quality
    got: Quality
    lost: str | None
    note: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A source on this machine's disk.

    Attributes:
        path: the file.
        bytes: its size.
        sha256: of the whole file, lower-case hex.
        content_type: as the server says, or by the container; without parameters.
        title: for people.
        quality: what was offered and got, where the site offers several.
        site: what the site says of it besides, such as uploader and date, as text.
    """

    path: Path
    bytes: int
    sha256: str
    content_type: str
    title: str
    quality: QualityRecord | None = None
    site: Mapping[str, str] = field(default_factory=dict)


FORMATS_MERGED = ("bestvideo*+bestaudio", "best")
"""Where picture and sound can be joined: the best of each, of any codec; else the best file that has both."""

FORMATS_WHOLE = ("best", "bestvideo*")
"""Where they cannot: the best file that has both, else the best picture. The outcome is compared with what was offered."""


def formats(*, can_merge: bool) -> str:
    """yt-dlp's format expression: alternatives in order, never one that asks for the worst."""
    return "/".join(FORMATS_MERGED if can_merge else FORMATS_WHOLE)


def best_of(versions: Sequence[Quality]) -> Quality:
    """The best height, the best rate at that height, and a codec of sound ("unknown" if it is not named) of any version."""
    seen = [version for version in versions if version.video != "none"]
    height = max((version.height_px for version in seen if version.height_px), default=None)
    tallest = [version for version in seen if version.height_px == height]
    rate = max((version.fps_milli for version in tallest if version.fps_milli), default=None)
    # A version without a picture is sound, also where a site does not name its codec.
    heard = [version.audio or "unknown" for version in versions if version.audio or version.video == "none"]
    sound = next(
        (codec for codec in heard if codec not in ("unknown", "none")), "unknown" if "unknown" in heard else None
    )
    first = next((version for version in tallest if version.fps_milli == rate), Quality())
    return Quality(height, rate, first.video, sound, first.container)


def lost(offered: Quality, got: Quality) -> str | None:
    """What is less in what was got, or None. What a site does not say cannot be lost."""
    if offered.height_px and got.height_px and got.height_px < offered.height_px:
        return f"{got.height_px} of {offered.height_px} rows"
    same_height = got.height_px == offered.height_px
    if same_height and offered.fps_milli and got.fps_milli and got.fps_milli * 10 < offered.fps_milli * 9:
        return f"{got.fps_milli / 1000:g} of {offered.fps_milli / 1000:g} frames a second"
    if offered.audio not in (None, "none") and got.audio == "none":
        return "the sound"
    return None


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
