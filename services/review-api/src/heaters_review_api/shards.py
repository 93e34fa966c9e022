"""Exported clips for other teams: WebDataset shards, and a table of the same clips. Each clip carries where it comes from.

A shard is a tar file (POSIX.1-2001) of pairs `<clip>.mp4` and `<clip>.json`, written as it is read: nothing lies here in
between, and the bytes of a clip are those that the exporter proved.
"""

import asyncio
import csv
import io
import json
import tarfile
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any
from uuid import UUID

from heaters_contracts.ingest import S3Source, UrlSource
from heaters_edges.store import Store

from heaters_review_api.core import tables as core

_CHUNK_BYTES = 4 * 1024**2

COLUMNS = (
    *("clip", "video", "title", "source", "source_sha256", "requester", "reference"),
    *("start_frame", "end_frame", "frames", "tags", "note", "decided_by", "object", "bytes", "sha256"),
)


def provenance(clip: core.Clip, video: core.Video | None) -> dict[str, Any]:
    """Where a clip comes from, and what was decided about it, by COLUMNS. The span is of the video's frames, half-open."""
    source = video.source if video else None
    at = source.url if isinstance(source, UrlSource) else source.uri if isinstance(source, S3Source) else None
    exported = clip.export_object
    return {
        "clip": str(clip.id),
        "video": str(clip.video_id),
        "title": video.title if video else None,
        "source": at,
        "source_sha256": video.source_object.sha256 if video and video.source_object else None,
        "requester": video.requester if video else None,
        "reference": video.options.reference if video and video.options else "",
        "start_frame": clip.start_frame,
        "end_frame": clip.end_frame,
        "frames": clip.end_frame - clip.start_frame,
        "tags": list(clip.tags),
        "note": clip.note,
        "decided_by": clip.decided_by,
        "object": exported.key if exported else None,
        "bytes": exported.bytes if exported else None,
        "sha256": exported.sha256 if exported else None,
    }


def table(clips: Iterable[core.Clip], videos: Mapping[UUID, core.Video]) -> str:
    """The clips as CSV (RFC 4180), a header first; tags are parted by semicolons."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for clip in clips:
        row = provenance(clip, videos.get(clip.video_id))
        writer.writerow({**{name: _plain(value) for name, value in row.items()}, "tags": _plain(";".join(clip.tags))})
    return out.getvalue()


def _plain(value: Any) -> Any:
    """A text that a spreadsheet does not take for a formula (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


async def shard(
    store: Store, clips: Iterable[core.Clip], videos: Mapping[UUID, core.Video]
) -> AsyncGenerator[bytes, None]:
    """The tar file of some exported clips, as it is made.

    Args:
        store: where the exports lie.
        clips: those that have one; others are passed over.
        videos: theirs, by id.
    """
    for clip in clips:
        exported = clip.export_object
        if exported is None:
            continue
        about = json.dumps(provenance(clip, videos.get(clip.video_id)), ensure_ascii=False).encode()
        yield _header(f"{clip.id}.json", len(about)) + about + _padding(len(about))
        yield _header(f"{clip.id}.mp4", exported.bytes)
        for offset in range(0, exported.bytes, _CHUNK_BYTES):
            length = min(_CHUNK_BYTES, exported.bytes - offset)
            data = await asyncio.to_thread(store.get_range, exported.key, offset, length)
            if len(data) != length:
                raise OSError(f"{exported.key} ends after {offset + len(data)} of {exported.bytes} bytes")
            yield data
        yield _padding(exported.bytes)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
