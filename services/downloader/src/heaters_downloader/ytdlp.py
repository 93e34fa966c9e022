"""Videos on pages and in streams: what asks yt-dlp.

yt-dlp opens its own connections, many of them, to addresses that pages name. So while it runs, `socket` itself is guarded in
this whole process: names resolve to allowed addresses only, and no socket connects to another one. That is meant for a child
process which does nothing else; it is undone at the end.
"""

import contextlib
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from heaters_media.errors import BadMedia
from heaters_media.join import Tracks, join, tracks_of
from yt_dlp import YoutubeDL
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.extractor import gen_extractor_classes
from yt_dlp.globals import plugin_dirs

from heaters_downloader import beside
from heaters_downloader.core import (
    AddressPolicy,
    Fetched,
    Limits,
    Listed,
    NotAVideo,
    Part,
    Playlist,
    Progress,
    Quality,
    QualityLost,
    QualityRecord,
    TooLarge,
    TooLong,
    TryLater,
    UnsupportedStream,
    Wishes,
    best_of,
    checked_url,
    fell_short,
    formats,
    lost,
    safe_title,
    shown,
    whole_characters,
    without_secrets,
)
from heaters_downloader.fetch import IsPage, fetch
from heaters_downloader.guard import guarded, put
from heaters_downloader.space import Reservation, reserved
from heaters_downloader.ytdlp_errors import told

Info = dict[str, Any]
T = TypeVar("T")

_PROTOCOLS = frozenset({"http", "https", "m3u8", "m3u8_native", "http_dash_segments", "ism"})
"""What yt-dlp downloads itself; for others (rtmp, rtsp, mms) it would start programs that we could not guard."""
_PLAIN = frozenset({"http", "https"})

_HANDLERS = frozenset({"Urllib", "Requests"})
"""Its ways to ask that go through Python's `socket`. libcurl resolves names on its own."""

_SITE_FIELDS = (
    *("id", "extractor_key", "webpage_url", "uploader", "channel", "upload_date", "license", "description"),
    *("language", "availability"),
)
_SITE_CHARACTERS = 2000
_ADDRESS_CHARACTERS = 4096
"""A request for a longer address would be refused."""
_LIST_BYTES = 160 * 1024
"""A playlist's videos lie in one fact, which holds 256 KiB."""
_CHAPTER_BYTES = 64 * 1024
"""And so do a video's chapters, beside all else that its site says."""
_CHAPTERS_MOST = 500
_TYPES = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mov": "video/quicktime",
}
_NUMBERS_END = 1e15
"""Nothing that a site counts of a film reaches this: a thousand terabytes, thirty million years."""
_MEMORY = "request.json"
"""Which versions a folder holds the beginnings of."""


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
    wishes: Wishes | None = None,
    progress: Progress | None = None,
) -> Fetched | Playlist:
    """Bring the video at an address, whether the address is a file, a page or a stream.

    A site that yt-dlp knows by name is asked by it. Any other address is fetched; should its answer turn out to be a page,
    before any of it is read, yt-dlp looks for a video there, and what it says is the answer.

    Args:
        url: http or https.
        out_dir: an existing folder, for this video alone; a part of an earlier attempt in it is gone on with.
        policy: which addresses may be reached.
        limits: of bytes, time and redirects.
        wishes: how sites are asked; None for nothing special.
        progress: told now and then.

    Returns:
        What is in `out_dir` now; or, of a playlist or channel, its videos, none of which was brought.

    Raises:
        Refused: or what derives from it, for good; see `fetch` and `download_page`.
        TryLater: another time.
    """
    checked_url(url)
    if not knows(url):
        with contextlib.suppress(IsPage):
            return fetch(url, out_dir / "source", policy=policy, limits=limits, progress=progress)
    return download_page(url, out_dir, policy=policy, limits=limits, wishes=wishes, progress=progress)


def download_page(
    url: str,
    out_dir: Path,
    *,
    policy: AddressPolicy,
    limits: Limits,
    wishes: Wishes | None = None,
    progress: Progress | None = None,
) -> Fetched | Playlist:
    """Bring the one video that a page or a stream's manifest holds, at the best quality it offers.

    Picture and sound that come apart, and streams, are put into one plain file afterwards, packet by packet. What the file then
    holds is compared with what the site offered.

    Args:
        url: http or https.
        out_dir: an existing folder, for this video alone; what an earlier attempt left of the same versions is gone on with.
        policy: which addresses may be reached; guarded in the whole process while this runs.
        limits: of bytes and time.
        wishes: how the site is asked.
        progress: told now and then.

    Returns:
        The file, its quality beside what was offered, and what the site says of it; or the videos of a playlist.

    Raises:
        NotAVideo: no video is found there.
        QualityLost: what was got is less than what was offered.
        UnsupportedStream, ForbiddenAddress, UnsupportedScheme, Gone, NeedsCredentials, TooLarge, TooLong, Refused: for good.
        Throttled, NoSpace, TryLater: another time.
    """
    checked_url(url)
    wishes = wishes or Wishes()
    meter = _Meter(limits, progress)
    options = _options(out_dir, limits, meter, wishes)
    with (
        _isolated(),
        guarded(policy) as guard,
        told(url, guard, wishes.secrets()),
        _Ydl(options) as ydl,
        _no_programs(),
    ):
        info = ydl.extract_info(url, download=False)
        videos = _videos(info, url)
        if len(videos) > 1:
            return _playlist(info, videos, url, limits)
        found = videos[0]
        if found.get("_type") in ("url", "url_transparent"):
            found = _videos(ydl.extract_info(str(found["url"]), download=False), url)[0]
        _expect_supported(found, url, limits)
        chosen = _chosen(found)
        record = _record(found, chosen)
        if record.lost and not wishes.allow_quality_loss:
            raise QualityLost(f"{shown(url)} would lose {record.lost}")
        _remember(out_dir, found, chosen)
        needed = min(_needed_bytes(chosen, found), limits.bytes_max)  # a guess; it is stopped there, whatever comes
        meter.total = needed or None
        with reserved(out_dir, _room(needed, chosen, out_dir), free_bytes=limits.free_bytes) as room:
            meter.room = room
            pieces = [_piece(ydl, found, version, number, out_dir, url) for number, version in enumerate(chosen)]
        hidden = _hidden(url, wishes)
        extras, missed = beside.collect(ydl, found, out_dir, hidden)
        title = without_secrets(_title(found), hidden)
        site = {name: without_secrets(said, hidden) for name, said in _site(found).items()}
    chapters, without = _chapters(found)
    path, tracks = _one_file(pieces, chosen, out_dir, url)
    record = _measured(record, tracks)
    if record.lost and not wishes.allow_quality_loss:
        raise QualityLost(f"{shown(url)} has lost {record.lost}: it came with less than it was said to have")
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
        title=title,
        quality=record,
        site=site,
        beside=tuple(extras),
        chapters=chapters,
        missed=(*missed, *without),
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


class _Meter:
    """Counts what comes, and stops what goes on for too long."""

    def __init__(self, limits: Limits, progress: Progress | None) -> None:
        self._limits = limits
        self._progress = progress
        self._ends = time.monotonic() + limits.total_s
        self._bytes: dict[str, int] = {}
        self.total: int | None = None
        self.room: Reservation | None = None

    def __call__(self, state: Mapping[str, Any]) -> None:
        # Picture and sound come as files of their own: their bytes count together.
        name = str(state.get("filename"))
        self._bytes[name] = int(state.get("downloaded_bytes") or self._bytes.get(name, 0))
        got = sum(self._bytes.values())
        if got > self._limits.bytes_max:
            raise TooLarge(f"the download goes on after {self._limits.bytes_max:,} bytes, the limit")
        if time.monotonic() > self._ends:
            raise TryLater(f"the download was not done within {self._limits.total_s:g} s; it will be gone on with")
        if self.room is not None and self.total:
            self.room.shrink(self.total - got)
        if self._progress is not None:
            said = state.get("total_bytes") if len(self._bytes) == 1 else None
            total = max(got, int(said or self.total or 0)) or None
            self._progress(got, total if said or self.total else None)


def _options(out_dir: Path, limits: Limits, meter: _Meter, wishes: Wishes) -> Info:
    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": _Log(),
        "format": formats(),
        "paths": {"home": str(out_dir)},  # where it tries versions that it does not trust
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
        "extract_flat": "in_playlist",
        "playlistend": limits.entries_max + 1,
        "socket_timeout": limits.read_s,
        "retries": 3,
        "fragment_retries": 3,
        "extractor_retries": 1,
        "skip_unavailable_fragments": False,  # a hole in a film is no success
        "concurrent_fragment_downloads": 4,
        "continuedl": True,
        "overwrites": False,
        "progress_hooks": [meter],
        "cookiefile": io.StringIO(wishes.cookies) if wishes.cookies else None,  # a stream: nothing is written back
        "extractor_args": {
            name: {key: list(values) for key, values in arguments.items()}
            for name, arguments in wishes.extractor_args.items()
        },
        **wishes.options,
    }


def _videos(info: Info | None, url: str) -> list[Info]:
    """The one video of a page, or the videos of a playlist."""
    if info is None:
        raise NotAVideo(f"{shown(url)}: no video was found")
    if info.get("_type", "video") not in ("playlist", "multi_video"):
        return [info]
    entries = [entry for entry in info.get("entries") or () if entry]
    if not entries:
        raise NotAVideo(f"{shown(url)}: no video was found")
    return _videos(entries[0], url) if len(entries) == 1 else entries


def _playlist(info: Info, entries: list[Info], url: str, limits: Limits) -> Playlist:
    listed: dict[str, Listed] = {}
    for entry in entries:
        flat = entry.get("_type") in ("url", "url_transparent")
        own = entry.get("url") if flat else entry.get("webpage_url")
        if not flat and own in (None, url, info.get("webpage_url")):
            own = entry.get("url") or (entry.get("formats") or [{}])[-1].get("url")  # several videos on one page
        own = whole_characters(str(own or ""))
        if own.startswith(("http://", "https://")) and len(own) <= _ADDRESS_CHARACTERS:
            name = whole_characters(str(entry.get("id") or hashlib.sha256(own.encode()).hexdigest()[:16]))[:128]
            listed.setdefault(name, Listed(name, own, safe_title(str(entry.get("title") or ""))))
    if not listed:
        raise NotAVideo(f"{shown(url)}: a list of videos without addresses")
    videos = tuple(listed.values())
    known = max(int(_number(info.get("playlist_count")) or 0), len(videos))
    kept = _fitting(videos[: limits.entries_max], _LIST_BYTES, lambda one: (one.id, one.url, one.title))
    return Playlist(safe_title(str(info.get("title") or "")), kept, known - len(kept))


def _fitting(parts: Sequence[T], most_bytes: int, said: Callable[[T], object]) -> tuple[T, ...]:
    """As many of the first parts as fit a fact, which says of each so much and a few names of fields."""
    sizes = (len(json.dumps(said(part), ensure_ascii=False).encode()) + 48 for part in parts)
    return tuple(part for part, sum_bytes in zip(parts, accumulate(sizes), strict=True) if sum_bytes <= most_bytes)


def _chosen(info: Info) -> list[Info]:
    return list(info.get("requested_formats") or [info])


def _protocol(version: Info) -> str:
    return str(version.get("protocol") or urlsplit(str(version.get("url"))).scheme)


def _expect_supported(info: Info, url: str, limits: Limits) -> None:
    if info.get("is_live"):
        raise UnsupportedStream(f"{shown(url)} is live; it can be brought when it is over")
    duration_s = _number(info.get("duration")) or 0
    if duration_s > limits.duration_max_s:
        raise TooLong(f"{shown(url)} lasts {duration_s:.0f} s; the limit is {limits.duration_max_s} s")
    chosen = _chosen(info)
    for version in chosen:
        if version.get("has_drm"):
            raise UnsupportedStream(f"{shown(url)} is protected (DRM)")
        if _protocol(version) not in _PROTOCOLS:
            raise UnsupportedStream(f"{shown(url)} is sent by {_protocol(version)[:40]!r}, which is not supported")
    said = sum(int(_number(version.get("filesize")) or 0) for version in chosen)
    if said > limits.bytes_max:
        raise TooLarge(f"{shown(url)} has {said:,} bytes; the limit is {limits.bytes_max:,}")


def _needed_bytes(chosen: Sequence[Info], info: Info) -> int:
    """How much will come, as far as the site lets one guess; 0 where it does not."""
    duration_s = _number(info.get("duration")) or 0
    sizes = ((_number(v.get("filesize")), _number(v.get("filesize_approx")), _number(v.get("tbr"))) for v in chosen)
    return sum(int(size or about or (kilobits or 0) * 125 * duration_s) for size, about, kilobits in sizes)


def _number(said: object) -> float | None:
    """A number that a site says; None where it says none, or one that can be none of a film's."""
    return float(said) if isinstance(said, int | float) and 0 <= said < _NUMBERS_END else None


def _room(needed: int, chosen: Sequence[Info], out_dir: Path) -> int:
    """Room for what is still to come, and once more where it is put into another file afterwards."""
    here = sum(path.stat().st_size for path in out_dir.glob("piece-*"))
    again = 0 if len(chosen) == 1 and _protocol(chosen[0]) in _PLAIN else needed
    return max(0, needed - here) + again


def _remember(out_dir: Path, info: Info, chosen: Sequence[Info]) -> None:
    """Write down what is fetched; if a folder holds the beginnings of anything else, they are worth nothing."""
    about = {
        "video": [info.get("extractor_key"), info.get("id")],
        # Addresses may be signed anew each time: what they lead to is told by what the site says of the version.
        "versions": [
            [v.get("format_id"), v.get("filesize"), v.get("tbr"), urlsplit(str(v.get("url"))).path] for v in chosen
        ],
    }
    memory, said = out_dir / _MEMORY, json.dumps(about)
    # Where nobody says how long a plain file is, nobody would notice that it has changed.
    unsure = any(_protocol(version) in _PLAIN and not version.get("filesize") for version in chosen)
    if unsure or not memory.is_file() or memory.read_text() != said:
        for old in out_dir.iterdir():
            if old.is_file():
                old.unlink()
        memory.write_text(said)


def _piece(ydl: Any, info: Info, version: Info, number: int, out_dir: Path, url: str) -> Path:
    """Bring one of the chosen versions."""
    path = out_dir / f"piece-{number}"
    if not path.is_file():
        alone = {name: value for name, value in info.items() if name != "requested_formats"}
        done, _ = ydl.dl(str(path), {**alone, **version})
        if not done or not path.is_file():
            raise TryLater(f"{shown(url)}: the download ended without a file")
    return path


def _one_file(pieces: Sequence[Path], chosen: Sequence[Info], out_dir: Path, url: str) -> tuple[Path, Tracks]:
    """What came, as one plain file, and what that holds."""
    try:
        if len(pieces) == 1 and _protocol(chosen[0]) in _PLAIN:
            tracks = tracks_of(pieces[0])
            whole = (
                out_dir / f"source.{tracks.container if tracks.container in _TYPES else chosen[0].get('ext') or 'bin'}"
            )
            return pieces[0].rename(whole), tracks
        whole, tracks = join(pieces, out_dir / "source")
    except BadMedia as error:
        raise NotAVideo(f"{shown(url)}: what came is no video: {error}") from None
    for piece in pieces:
        piece.unlink()
    return whole, tracks


def _quality(version: Info) -> Quality:
    return Quality(
        height_px=int(_number(version.get("height")) or 0) or None,
        fps_milli=round((_number(version.get("fps")) or 0) * 1000) or None,
        video=version.get("vcodec"),
        audio=version.get("acodec"),
        container=version.get("ext"),
    )


def _record(info: Info, chosen: Sequence[Info]) -> QualityRecord:
    offered = best_of([_quality(version) for version in info.get("formats") or [info]])
    parts = [_quality(version) for version in chosen]
    got = best_of(parts)
    if all(part.audio == "none" for part in parts):
        got = replace(got, audio="none")
    return QualityRecord(offered=offered, got=got, lost=lost(offered, got))


def _measured(record: QualityRecord, tracks: Tracks) -> QualityRecord:
    """The record with what the file itself says in the place of what its site called it."""
    rate = round(1000 * tracks.rate[0] / tracks.rate[1]) if tracks.rate else None
    got = Quality(tracks.height_px, rate, tracks.video, tracks.audio or "none", tracks.container)
    return replace(record, got=got, lost=record.lost or fell_short(record.got, got))


def _title(info: Info) -> str:
    title = str(info.get("title") or "")
    # The videos of a page without a site of its own are numbered even where there is only one.
    return safe_title(title.removesuffix(" (1)") if info.get("extractor_key") == "HTML5MediaEmbed" else title)


def _chapters(info: Info) -> tuple[tuple[Part, ...], list[str]]:
    """The chapters, and what is left out of them."""
    found, missed = [], []
    said = list(info.get("chapters") or ())
    for chapter in said:
        start, end = _number(chapter.get("start_time")), _number(chapter.get("end_time"))
        if start is not None and end is not None and start < end:
            found.append(Part(safe_title(str(chapter.get("title") or "")), round(start * 1000), round(end * 1000)))
    kept = _fitting(found[:_CHAPTERS_MOST], _CHAPTER_BYTES, lambda part: (part.title, part.start_ms, part.end_ms))
    if odd := len(said) - len(found):
        missed.append(f"chapters whose times make no sense: {odd:,}")
    if more := len(found) - len(kept):
        missed.append(f"chapters beyond {_CHAPTERS_MOST}, or beyond {_CHAPTER_BYTES:,} bytes: {more:,}")
    return kept, missed


def _site(info: Info) -> dict[str, str]:
    said = {key: str(info[key])[:_SITE_CHARACTERS] for key in _SITE_FIELDS if info.get(key) not in (None, "")}
    if not knows(said.get("webpage_url", "")):
        said["webpage_url"] = shown(said.get("webpage_url", ""))  # anybody's query may hold a signature or a token
    return said


def _hidden(url: str, wishes: Wishes) -> tuple[str, ...]:
    """What must not be told of a video. Where a page has no name of its own, its address stands for it, and anybody's query may hold a token."""
    query = urlsplit(url).query
    return wishes.secrets() if knows(url) else (*wishes.secrets(), query, unquote(query))


@contextlib.contextmanager
def _no_programs() -> Iterator[None]:
    """yt-dlp starts no other program for a stream: its connections could not be checked."""

    def ffmpeg_download(*_: Any, **__: Any) -> bool:
        raise UnsupportedStream(
            "only an outside ffmpeg could download this stream, and its connections cannot be checked"
        )

    with contextlib.ExitStack() as undo:
        put(undo, FFmpegFD, "real_download", ffmpeg_download)
        yield


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
