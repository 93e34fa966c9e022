"""Videos on pages and in streams: the only module that imports yt-dlp.

yt-dlp opens its own connections, many of them, to addresses that pages name. So while it runs, `socket` itself is guarded in
this whole process: names resolve to allowed addresses only, and no socket connects to another one. That is meant for a child
process which does nothing else; it is undone at the end.
"""

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.extractor import gen_extractor_classes
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, TransportError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, YoutubeDLError

from heaters_downloader.core import (
    AddressPolicy,
    Fetched,
    ForbiddenAddress,
    Gone,
    Limits,
    ManyVideos,
    NeedsCredentials,
    NotAVideo,
    Progress,
    Quality,
    QualityLost,
    QualityRecord,
    Refused,
    TooLarge,
    TryLater,
    best_of,
    checked_url,
    formats,
    lost,
    refusal_of,
    retry_after_s,
    safe_title,
    shown,
)
from heaters_downloader.fetch import IsPage, NoSuchHost, UntrustedCertificate, fetch

Info = dict[str, Any]

_PROTOCOLS = frozenset({"http", "https", "m3u8", "m3u8_native", "http_dash_segments", "ism"})
"""What yt-dlp downloads itself; for others (rtmp, rtsp, mms) it would start programs that we could not guard."""

_HANDLERS = frozenset({"Urllib", "Requests"})
"""Its ways to ask that go through Python's `socket`. libcurl resolves names on its own."""

_SITE_FIELDS = (
    "id",
    "extractor_key",
    "webpage_url",
    "uploader",
    "channel",
    "upload_date",
    "license",
    "description",
    "language",
    "availability",
)
_SITE_CHARACTERS = 2000

_TYPES = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mov": "video/quicktime",
}

_GUARD = threading.Lock()


class UnsupportedStream(Refused):
    """A stream of a kind that is not downloaded here: protected, live, or of another protocol than HTTP(S)."""


def knows(url: str) -> bool:
    """Whether yt-dlp has an extractor for this very site, and need not guess from the page."""
    with _isolated():
        return any(known.suitable(url) for known in gen_extractor_classes() if known.ie_key() != "Generic")


def bring(
    url: str,
    out_dir: Path,
    *,
    policy: AddressPolicy,
    limits: Limits,
    progress: Progress | None = None,
    allow_quality_loss: bool = False,
) -> Fetched:
    """Bring the video at an address, whether the address is a file, a page or a stream.

    A site that yt-dlp knows by name is asked by it. Any other address is fetched; should its answer turn out to be a page,
    before any of it is read, yt-dlp looks for a video there, and what it says is the answer.

    Args:
        url: http or https.
        out_dir: an existing folder, for this video alone; a part of an earlier attempt in it is gone on with.
        policy: which addresses may be reached.
        limits: of bytes, time and redirects.
        progress: told now and then.
        allow_quality_loss: take less than the site offers, where all of it cannot be had.

    Returns:
        What is in `out_dir` now.

    Raises:
        Refused: or what derives from it, for good; see `fetch` and `download_page`.
        TryLater: another time.
    """
    checked_url(url)
    if not knows(url):
        with contextlib.suppress(IsPage):
            return fetch(url, out_dir / "source", policy=policy, limits=limits, progress=progress)
    return download_page(
        url, out_dir, policy=policy, limits=limits, progress=progress, allow_quality_loss=allow_quality_loss
    )


def download_page(
    url: str,
    out_dir: Path,
    *,
    policy: AddressPolicy,
    limits: Limits,
    progress: Progress | None = None,
    allow_quality_loss: bool = False,
) -> Fetched:
    """Bring the one video that a page or a stream's manifest holds, at the best quality it offers.

    Args:
        url: http or https.
        out_dir: an existing folder, for this video alone.
        policy: which addresses may be reached; guarded in the whole process while this runs.
        limits: of bytes and time.
        progress: told now and then.
        allow_quality_loss: take less than what is offered, and say so in the record, instead of refusing.

    Returns:
        The file, its quality beside what was offered, and what the site says of it.

    Raises:
        NotAVideo: no video is found there.
        ManyVideos: a playlist or a channel.
        QualityLost: what was got is less than what was offered.
        UnsupportedStream, ForbiddenAddress, UnsupportedScheme, Gone, NeedsCredentials, TooLarge, Refused: for good.
        TryLater: another time.
    """
    checked_url(url)
    can_merge = bool(FFmpegPostProcessor().available)
    options = _options(out_dir, limits, progress) | {"format": formats(can_merge=can_merge)}
    with _isolated(), _guarded(policy) as guard, _told(url, guard), _Ydl(options) as ydl:
        info = _only_video(ydl.extract_info(url, download=False), url)
        _expect_supported(info, url, limits)
        record = _record(info, can_merge=can_merge)
        if record.lost and not allow_quality_loss:
            raise QualityLost(f"{shown(url)} would lose {record.lost}{f' ({record.note})' if record.note else ''}")
        done = ydl.process_ie_result(info, download=True)
    path = _downloaded(done, url)
    size = path.stat().st_size
    if size > limits.bytes_max:
        raise TooLarge(f"{shown(url)} has {size:,} bytes; the limit is {limits.bytes_max:,}")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Fetched(
        path=path,
        bytes=size,
        sha256=sha256,
        content_type=_TYPES.get(path.suffix[1:], "application/octet-stream"),
        title=_title(done),
        quality=record,
        site=_site(done),
    )


class _Log:
    """Takes yt-dlp's lines, which otherwise go to stderr. What matters is raised, and told by whoever called."""

    def debug(self, message: str) -> None:
        pass

    def info(self, message: str) -> None:
        pass

    def warning(self, message: str, *, once: bool = False) -> None:
        pass

    def error(self, message: str) -> None:
        pass


class _Ydl(YoutubeDL):  # type: ignore[misc]  # yt-dlp ships no types, so its class is Any here
    """yt-dlp that asks only through Python's sockets."""

    def build_request_director(self, handlers: Sequence[Any], preferences: Any = None) -> Any:
        return super().build_request_director(
            [handler for handler in handlers if handler.RH_KEY in _HANDLERS], preferences
        )


def _options(out_dir: Path, limits: Limits, progress: Progress | None) -> Info:
    done_bytes: dict[str, int] = {}

    def watch(state: Mapping[str, Any]) -> None:
        # Picture and sound come as files of their own: their bytes count together.
        done_bytes[str(state.get("filename"))] = int(state.get("downloaded_bytes") or 0)
        got = sum(done_bytes.values())
        if got > limits.bytes_max:
            raise TooLarge(f"the download goes on after {limits.bytes_max:,} bytes, the limit")
        if progress is not None:
            total = state.get("total_bytes")
            progress(got, int(total) if total and len(done_bytes) == 1 else None)

    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": _Log(),
        "outtmpl": {"default": str(out_dir / "source.%(ext)s").replace("%", "%%").replace("%%(ext)s", "%(ext)s")},
        "merge_output_format": "mp4/mkv",
        "proxy": "",  # none, those of the environment neither
        "cachedir": False,
        "enable_file_urls": False,
        "nocheckcertificate": False,
        # Its own bundle, or that of an intranet where the environment names one, as for plain files.
        "compat_opts": {"no-certifi"} if os.environ.keys() & {"SSL_CERT_FILE", "SSL_CERT_DIR"} else set(),
        "external_downloader": "native",
        "hls_prefer_native": True,
        "fixup": "never",
        "noplaylist": True,
        "playlistend": 2,  # enough to know that there are many
        "socket_timeout": limits.read_s,
        "retries": 3,
        "fragment_retries": 3,
        "extractor_retries": 1,
        "skip_unavailable_fragments": False,  # a hole in a film is no success
        "concurrent_fragment_downloads": 4,
        "continuedl": True,
        "overwrites": False,
        "progress_hooks": [watch],
    }


def _only_video(info: Info | None, url: str) -> Info:
    if info is None:
        raise NotAVideo(f"{shown(url)}: no video was found")
    if info.get("_type", "video") == "video":
        return info
    entries = [entry for entry in info.get("entries") or () if entry]
    if not entries:
        raise NotAVideo(f"{shown(url)}: no video was found")
    if len(entries) > 1:
        raise ManyVideos(f"{shown(url)} holds several videos; ask for each by its own address")
    return _only_video(entries[0], url)


def _chosen(info: Info) -> list[Info]:
    return list(info.get("requested_formats") or [info])


def _expect_supported(info: Info, url: str, limits: Limits) -> None:
    if info.get("is_live"):
        raise UnsupportedStream(f"{shown(url)} is live; it can be brought when it is over")
    chosen = _chosen(info)
    for version in chosen:
        if version.get("has_drm"):
            raise UnsupportedStream(f"{shown(url)} is protected (DRM)")
        protocol = str(version.get("protocol") or urlsplit(str(version.get("url"))).scheme)
        if protocol not in _PROTOCOLS:
            raise UnsupportedStream(f"{shown(url)} is sent by {protocol[:40]!r}, which is not supported")
    said = sum(int(version.get("filesize") or 0) for version in chosen)
    if said > limits.bytes_max:
        raise TooLarge(f"{shown(url)} has {said:,} bytes; the limit is {limits.bytes_max:,}")


def _quality(version: Info) -> Quality:
    fps = version.get("fps")
    return Quality(
        height_px=int(version["height"]) if version.get("height") else None,
        fps_milli=round(float(fps) * 1000) if fps else None,
        video=version.get("vcodec"),
        audio=version.get("acodec"),
        container=version.get("ext"),
    )


def _record(info: Info, *, can_merge: bool) -> QualityRecord:
    offered = best_of([_quality(version) for version in info.get("formats") or [info]])
    parts = [_quality(version) for version in _chosen(info)]
    got = best_of(parts)
    if all(part.audio == "none" for part in parts):
        got = replace(got, audio="none")
    less = lost(offered, got)
    note = "without ffmpeg, separate picture and sound cannot be joined" if less and not can_merge else None
    return QualityRecord(offered=offered, got=got, lost=less, note=note)


def _title(info: Info) -> str:
    title = str(info.get("title") or "")
    # The videos of a page without a site of its own are numbered even where there is only one.
    return safe_title(title.removesuffix(" (1)") if info.get("extractor_key") == "HTML5MediaEmbed" else title)


def _site(info: Info) -> dict[str, str]:
    said = {key: str(info[key])[:_SITE_CHARACTERS] for key in _SITE_FIELDS if info.get(key) not in (None, "")}
    if not knows(said.get("webpage_url", "")):
        said["webpage_url"] = shown(said.get("webpage_url", ""))  # anybody's query may hold a signature or a token
    return said


def _downloaded(done: Info, url: str) -> Path:
    files = [Path(str(item["filepath"])) for item in done.get("requested_downloads") or () if item.get("filepath")]
    if len(files) != 1 or not files[0].is_file():
        raise TryLater(f"{shown(url)}: the download ended without a file")
    return files[0]


@dataclass
class _Guard:
    """The policy, the addresses that it allowed by name, and what it refused."""

    policy: AddressPolicy
    allowed: set[tuple[str, int]] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)

    def check(self, host: str, port: int, address: str) -> None:
        if reason := self.policy.refusal(host, port, address):
            self.refusals.append(reason)
            raise ForbiddenAddress(reason)
        self.allowed.add((address, port))


@contextlib.contextmanager
def _guarded(policy: AddressPolicy) -> Iterator[_Guard]:
    """Let Python's sockets reach allowed addresses only, in the whole process, until the end of the block.

    Both the resolver and the connection are checked. The resolver knows the name, which the allow-list speaks of; the
    connection is what counts, so that no second look-up can lead elsewhere.
    """
    guard = _Guard(policy)
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        found = resolve(host, port, *args, **kwargs)
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        for *_, address in found:
            guard.check(name, int(address[1]), str(address[0]))
        return found

    def connect(self: socket.socket, address: Any) -> None:
        _expect_allowed(guard, self, address)
        super(socket.socket, self).connect(address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _expect_allowed(guard, self, address)
        return super(socket.socket, self).connect_ex(address)

    def ffmpeg_download(*_: Any, **__: Any) -> bool:
        raise UnsupportedStream(
            "only an outside ffmpeg could download this stream, and its connections cannot be checked"
        )

    with _GUARD, contextlib.ExitStack() as undo:
        for owner, name, stand_in in (
            (socket, "getaddrinfo", getaddrinfo),
            (socket.socket, "connect", connect),
            (socket.socket, "connect_ex", connect_ex),
            (FFmpegFD, "real_download", ffmpeg_download),
        ):
            _put(undo, owner, name, stand_in)
        yield guard


def _put(undo: contextlib.ExitStack, owner: Any, name: str, stand_in: Any) -> None:
    if name in vars(owner):
        undo.callback(setattr, owner, name, vars(owner)[name])
    else:
        undo.callback(delattr, owner, name)
    setattr(owner, name, stand_in)


def _expect_allowed(guard: _Guard, sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host, port = str(address[0]), int(address[1])
    if (host, port) not in guard.allowed:
        # No address that was looked up: a literal, or a name for the C library, which would resolve it unseen.
        try:
            guard.check(host, port, host)
        except ForbiddenAddress:
            raise
        except ValueError as error:
            raise ForbiddenAddress(f"{host} was not resolved and checked before") from error


@contextlib.contextmanager
def _isolated() -> Iterator[None]:
    """No plugins, from no folder: they are code."""
    before, named = plugin_dirs.value, os.environ.get("YTDLP_NO_PLUGINS")
    plugin_dirs.value, os.environ["YTDLP_NO_PLUGINS"] = [], "1"
    try:
        yield
    finally:
        plugin_dirs.value = before
        if named is None:
            del os.environ["YTDLP_NO_PLUGINS"]


@contextlib.contextmanager
def _told(url: str, guard: _Guard) -> Iterator[None]:
    """What yt-dlp raises, in our words."""
    try:
        yield
    except (Refused, TryLater) as error:
        raise error
    except YoutubeDLError as error:
        if guard.refusals:
            raise ForbiddenAddress(guard.refusals[0]) from error
        raise _refusal(error, url) from error


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
_BOT_WALL = ("not a bot", "too many requests", "rate-limit", "captcha")
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


def _refusal(error: YoutubeDLError, url: str) -> Exception:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, Refused | TryLater):
            return cause
    for cause in causes:
        if isinstance(cause, HTTPError):
            wait_s = retry_after_s(cause.response.headers.get("Retry-After"), datetime.now(UTC))
            return refusal_of(cause.status, cause.response.url, wait_s) or TryLater(str(cause))
    if any(isinstance(cause, CertificateVerifyError) for cause in causes):
        return UntrustedCertificate(f"{shown(url)}: its certificate is not to be trusted")
    if any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes):
        return NoSuchHost(f"{urlsplit(url).hostname} is not known to DNS")
    said = _plain(error)
    lower = said.lower()
    if any(isinstance(cause, UnsupportedError) for cause in causes):
        return NotAVideo(f"{shown(url)}: no video was found")
    if any(word in lower for word in _BOT_WALL):
        return TryLater(said)
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
