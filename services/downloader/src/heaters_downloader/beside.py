"""What a site has beside a video: subtitles, a picture, all that it says. None of it is worth failing for."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.networking import Request
from yt_dlp.utils import YoutubeDLError

from heaters_downloader.core import Beside, Refused, TryLater, without_secrets

Info = dict[str, Any]

_SUBTITLES_MOST = 20
_SUBTITLE_BYTES = 8 * 1024**2
_PICTURE_BYTES = 16 * 1024**2
_METADATA_BYTES = 8 * 1024**2
_KINDS = ("vtt", "srt", "ttml", "srv3", "json3")
"""Of the forms that a subtitle comes in, the first of these."""
_PICTURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp"}
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,35}")


class _Missed(Exception):
    """Something that the site did not give."""


def collect(ydl: Any, info: Info, folder: Path, secrets: Sequence[str]) -> tuple[list[Beside], list[str]]:
    """Bring what there is.

    Args:
        ydl: yt-dlp, as it asked for the video: its connections are guarded.
        info: what it found.
        folder: where the files shall lie; their names are made here, never by the site.
        secrets: what must not be written down.

    Returns:
        The files, and what could not be had.
    """
    found: list[Beside] = []
    languages, missed = _languages(info)
    for language, automatic, tracks in languages:
        try:
            found.append(_subtitle(ydl, language, automatic, tracks, folder / f"subtitle-{len(found)}"))
        except _Missed as error:
            missed.append(f"the subtitle {language}: {error}")
    pictures = [p for p in info.get("thumbnails") or () if str(p.get("url", "")).startswith(("http://", "https://"))]
    if pictures:
        try:
            found.append(_picture(ydl, pictures[-1], folder / "thumbnail"))  # yt-dlp sorts them, the best last
        except _Missed as error:
            missed.append(f"the thumbnail: {error}")
    said = json.dumps(YoutubeDL.sanitize_info(info, remove_private_keys=True), ensure_ascii=False, sort_keys=True)
    if len(said) <= _METADATA_BYTES:
        path = folder / "metadata.json"
        path.write_text(without_secrets(said, secrets))  # addresses of versions are signed
        found.append(Beside("metadata", path))
    else:
        missed.append(f"the metadata: {len(said):,} characters are too many")
    return found, missed


def _languages(info: Info) -> tuple[list[tuple[str, bool, list[Info]]], list[str]]:
    """Each language that people wrote; of a machine's only the video's own, for it translates into all the others.

    Returns:
        Languages, whether a machine made them, and the forms they come in; and what is left out of those.
    """
    given = {k: v for k, v in (info.get("subtitles") or {}).items() if k != "live_chat"}
    spoken = str(info.get("language") or "")
    made = {
        k: v for k, v in (info.get("automatic_captions") or {}).items() if k not in given and spoken and k == spoken
    }
    named = [(str(k), automatic, t) for automatic, of in ((False, given), (True, made)) for k, t in of.items()]
    known = [(k, automatic, list(tracks)) for k, automatic, tracks in named if _LANGUAGE.fullmatch(k)]
    missed = []
    if odd := [ascii(k[:35]) for k, _, _ in named if not _LANGUAGE.fullmatch(k)]:
        missed.append(f"subtitles whose language has no plain name: {len(odd):,}, such as {odd[0]}")
    if len(known) > _SUBTITLES_MOST:
        missed.append(f"subtitles beyond {_SUBTITLES_MOST}: {len(known) - _SUBTITLES_MOST:,}")
    return known[:_SUBTITLES_MOST], missed


def _subtitle(ydl: Any, language: str, automatic: bool, tracks: list[Info], path: Path) -> Beside:
    by_kind = {str(track.get("ext")): track for track in tracks}
    kind = next((kind for kind in _KINDS if kind in by_kind), None)
    if kind is None:
        raise _Missed(f"it comes as {', '.join(sorted(by_kind))[:100]} only")
    track = by_kind[kind]
    data = track.get("data")
    written = data.encode("utf-8", "replace") if isinstance(data, str) else _read(ydl, track, _SUBTITLE_BYTES)
    if not written.strip():
        raise _Missed("it is empty")
    path = path.with_suffix(f".{kind}")
    path.write_bytes(written)
    return Beside("subtitle", path, language, automatic)


def _picture(ydl: Any, picture: Info, path: Path) -> Beside:
    data = _read(ydl, picture, _PICTURE_BYTES)
    ending = next((ending for magic, ending in _PICTURES.items() if data.startswith(magic)), None)
    if ending is None:
        raise _Missed("it is no JPEG, PNG or WebP")
    path = path.with_suffix(ending)
    path.write_bytes(data)
    return Beside("thumbnail", path)


def _read(ydl: Any, wanted: Info, most: int) -> bytes:
    address = str(wanted.get("url", ""))
    if not address.startswith(("http://", "https://")):
        raise _Missed("its address is none of http or https")
    try:
        with ydl.urlopen(Request(address, headers=wanted.get("http_headers") or {})) as answer:
            data: bytes = answer.read(most + 1)
    except (YoutubeDLError, OSError, Refused, TryLater) as error:
        raise _Missed(without_secrets(str(error))[:200]) from error
    if len(data) > most:
        raise _Missed(f"it has more than {most:,} bytes")
    return data
