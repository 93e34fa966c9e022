"""Bring a video's original bytes into the store."""

import asyncio
from pathlib import Path

from heaters_contracts.fact import Told
from heaters_contracts.facts import VideoDownloaded, VideoRequested
from heaters_contracts.facts import video as facts
from heaters_contracts.ingest import S3Source, UploadSource, UrlSource
from heaters_contracts.objects import source_key
from heaters_edges.child import in_child
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.store import S3Store

from heaters_downloader.core import (
    AddressPolicy,
    ForbiddenBucket,
    Gone,
    Limits,
    Quality,
    TooLarge,
    bucket_and_key,
    file_ending,
    safe_title,
)
from heaters_downloader.ytdlp import bring


async def download(
    told: Told[VideoRequested],
    *,
    objects: Objects,
    policy: AddressPolicy,
    limits: Limits,
    s3: S3Store,
    s3_sources: tuple[str, ...],
) -> VideoDownloaded:
    """The source of a request: a page or file on the web, an uploaded object, or an object of a bucket we may read."""
    match told.fact.source:
        case UploadSource(key=key, name=name):
            source = await objects.describe(key)
            return VideoDownloaded(source=source, title=safe_title(Path(name or key).stem), options=told.fact.options)
        case S3Source(uri=uri):
            return await _copy(told, uri, objects, s3, s3_sources, limits)
        case UrlSource(url=url):
            with objects.desk() as desk:
                fetched = await in_child(
                    bring,
                    url,
                    desk,
                    policy=policy,
                    limits=limits,
                    allow_quality_loss=told.fact.options.allow_quality_loss,
                )
                key = source_key(told.video_id, fetched.sha256, file_ending(fetched.path.name, fetched.content_type))
                source = await objects.put(fetched.path, key, sha256=fetched.sha256)

            return VideoDownloaded(
                source=source,
                title=fetched.title,
                site=dict(fetched.site),
                offered=_quality(fetched.quality.offered) if fetched.quality else None,
                got=_quality(fetched.quality.got) if fetched.quality else None,
                options=told.fact.options,
            )


async def _copy(
    told: Told[VideoRequested], uri: str, objects: Objects, s3: S3Store, allowed: tuple[str, ...], limits: Limits
) -> VideoDownloaded:
    bucket, key = bucket_and_key(uri)
    if bucket not in allowed:
        raise ForbiddenBucket(f"the bucket {bucket} is not one that may be read; ask for it in HEATERS_S3_SOURCES")
    found = await asyncio.to_thread(s3.of_bucket(bucket).head, key)
    if found is None:
        raise Gone(f"there is no object {key} in the bucket {bucket}")
    if found[0] > limits.bytes_max:
        raise TooLarge(f"{uri} has {found[0]} bytes, more than the limit of {limits.bytes_max}")
    with objects.desk() as desk:
        path = desk / "source"
        await asyncio.to_thread(s3.of_bucket(bucket).get, key, path)
        digest = await asyncio.to_thread(sha256_of_file, path)
        source = await objects.put(path, source_key(told.video_id, digest, file_ending(key, None)), sha256=digest)

    return VideoDownloaded(source=source, title=safe_title(Path(key).stem), options=told.fact.options)


def _quality(quality: Quality) -> facts.Quality:
    rate = quality.fps_milli / 1000 if quality.fps_milli is not None else None
    return facts.Quality(height_px=quality.height_px, rate=rate, codec=quality.video)
