"""Bring a video's original bytes into the store."""

import asyncio
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import VideoDownloaded, VideoExpanded, VideoLinked, VideoRequested
from heaters_contracts.facts import video as facts
from heaters_contracts.ingest import S3Source, UploadSource, UrlSource
from heaters_contracts.objects import ObjectRef, beside_key, content_key, source_key
from heaters_edges.child import in_child
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.store import S3Store

from heaters_downloader.core import (
    AddressPolicy,
    Fetched,
    ForbiddenBucket,
    Gone,
    Limits,
    ListInLists,
    Playlist,
    Quality,
    TooLarge,
    Wishes,
    bucket_and_key,
    file_ending,
    host_of,
    safe_title,
    shown,
)
from heaters_downloader.sitebook import Sites
from heaters_downloader.ytdlp import bring

Request = Told[VideoRequested]
_BROUGHT = "brought"
_LISTS_AROUND = 1
"""A list may lie in so many others: a channel's playlists do."""


@dataclass(frozen=True)
class Downloader:
    """What downloads work with.

    Attributes:
        objects: the store and the node's disk.
        policy: which addresses may be reached.
        limits: of bytes and time.
        s3: the server of s3:// sources.
        s3_sources: the buckets that they may come from.
        sites: who asks which site.
        wishes: how sites are asked.
        link_duplicates: whether bytes that are here already are linked instead of worked on.
    """

    objects: Objects
    policy: AddressPolicy
    limits: Limits
    s3: S3Store
    s3_sources: tuple[str, ...]
    sites: Sites
    wishes: Wishes
    link_duplicates: bool = True

    async def download(self, told: Request) -> Fact:
        """The source of a request: a page or file on the web, an uploaded object, or an object of a bucket we may read."""
        match told.fact.source:
            case UploadSource(key=key, name=name):
                source = await self.objects.describe(key)
                brought = VideoDownloaded(
                    source=source, title=safe_title(Path(name or key).stem), options=told.fact.options
                )
                return await self._unless_here(told, brought)
            case S3Source(uri=uri):
                return await self._copy(told, uri)
            case UrlSource(url=url):
                return await self._fetch(told, url)

    async def _fetch(self, told: Request, url: str) -> Fact:
        options = told.fact.options
        with self.objects.begun(f"{told.video_id} {url}") as folder:
            fetched: Fetched | Playlist | None = _brought_before(folder)
            if fetched is None:
                async with self.sites.turn(host_of(url)):
                    fetched = await in_child(
                        bring,
                        url,
                        folder,
                        policy=self.policy,
                        limits=replace(self.limits, entries_max=min(options.videos_most, self.limits.entries_max)),
                        wishes=replace(self.wishes, allow_quality_loss=options.allow_quality_loss),
                    )
                    (folder / _BROUGHT).write_bytes(pickle.dumps(fetched))
            if isinstance(fetched, Playlist):
                if told.fact.lists > _LISTS_AROUND:
                    raise ListInLists(f"{shown(url)} is a list in a list of lists; ask for it by itself")
                return _expanded(told, fetched)
            key = source_key(told.video_id, fetched.sha256, file_ending(fetched.path.name, fetched.content_type))
            here = ObjectRef(key=key, bytes=fetched.bytes, sha256=fetched.sha256)
            if (linked := await self._twin(told, here, fetched.title)) is not None:
                return linked
            source = await self.objects.put(fetched.path, key, sha256=fetched.sha256)
            return await self._downloaded(told, fetched, source)

    async def _downloaded(self, told: Request, fetched: Fetched, source: ObjectRef) -> VideoDownloaded:
        subtitles: list[facts.Subtitle] = []
        others: dict[str, ObjectRef] = {}
        for one in fetched.beside:
            digest = await asyncio.to_thread(sha256_of_file, one.path)
            key = beside_key(told.video_id, one.kind, digest, one.path.suffix)
            stored = await self.objects.put(one.path, key, sha256=digest, keep=False)
            if one.kind == "subtitle":
                subtitles.append(facts.Subtitle(language=one.language, automatic=one.automatic, object=stored))
            else:
                others[one.kind] = stored
        quality = fetched.quality
        return VideoDownloaded(
            source=source,
            title=fetched.title,
            site=dict(fetched.site),
            offered=_quality(quality.offered) if quality else None,
            got=_quality(quality.got) if quality else None,
            quality_lost=quality.lost if quality else None,
            options=told.fact.options,
            subtitles=tuple(subtitles),
            chapters=tuple(
                facts.Chapter(title=c.title, start_ms=c.start_ms, end_ms=c.end_ms) for c in fetched.chapters
            ),
            thumbnail=others.get("thumbnail"),
            metadata=others.get("metadata"),
            missed=fetched.missed,
        )

    async def _copy(self, told: Request, uri: str) -> Fact:
        bucket, key = bucket_and_key(uri)
        if bucket not in self.s3_sources:
            raise ForbiddenBucket(f"the bucket {bucket} is not one that may be read; ask for it in HEATERS_S3_SOURCES")
        found = await asyncio.to_thread(self.s3.of_bucket(bucket).head, key)
        if found is None:
            raise Gone(f"there is no object {key} in the bucket {bucket}")
        if found[0] > self.limits.bytes_max:
            raise TooLarge(f"{uri} has {found[0]} bytes, more than the limit of {self.limits.bytes_max}")
        self.objects.require_space(found[0])
        with self.objects.desk() as desk:
            path = desk / "source"
            await asyncio.to_thread(self.s3.of_bucket(bucket).get, key, path)
            digest = await asyncio.to_thread(sha256_of_file, path)
            ours = source_key(told.video_id, digest, file_ending(key, None))
            here = ObjectRef(key=ours, bytes=path.stat().st_size, sha256=digest)
            title = safe_title(Path(key).stem)
            if (linked := await self._twin(told, here, title)) is not None:
                return linked
            source = await self.objects.put(path, ours, sha256=digest)
        return VideoDownloaded(source=source, title=title, options=told.fact.options)

    async def _unless_here(self, told: Request, brought: VideoDownloaded) -> Fact:
        return await self._twin(told, brought.source, brought.title) or brought

    async def _twin(self, told: Request, here: ObjectRef, title: str) -> VideoLinked | None:
        """The video that has these very bytes already, or None where it is this one: the first to claim them.

        The claim is an object that only one can write. Should the video that wrote it have been erased since, the next takes it.
        """
        if not self.link_duplicates or told.fact.options.process_again:
            return None
        claim = content_key(here.sha256)
        ours = json.dumps({"video_id": str(told.video_id), "source": here.key}).encode()
        if await asyncio.to_thread(self.objects.store.put_first, ours, claim):
            return None
        known = await self.objects.read_json(claim)
        if known is None or known["video_id"] == str(told.video_id):
            return None
        if await asyncio.to_thread(self.objects.store.head, known["source"]) is None:
            await self.objects.write_json(claim, json.loads(ours))
            return None
        return VideoLinked(twin=UUID(known["video_id"]), sha256=here.sha256, bytes=here.bytes, title=title)


def _brought_before(folder: Path) -> Fetched | None:
    """What an earlier attempt brought whole and could not store: while the store is away, no site is asked for a film again and again."""
    try:
        fetched = pickle.loads((folder / _BROUGHT).read_bytes())  # noqa: S301 - our own bytes, in a folder of this node
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError):
        return None
    whole = isinstance(fetched, Fetched) and fetched.path.is_file() and fetched.path.stat().st_size == fetched.bytes
    return fetched if whole and all(one.path.is_file() for one in fetched.beside) else None


def _expanded(told: Request, playlist: Playlist) -> VideoExpanded:
    entries = tuple(facts.Entry(id=one.id, url=one.url, title=one.title) for one in playlist.videos)
    return VideoExpanded(
        title=playlist.title,
        entries=entries,
        left_out=playlist.left_out,
        requester=told.fact.requester,
        request_id=told.fact.request_id,
        options=told.fact.options,
        lists=told.fact.lists,
    )


def _quality(quality: Quality) -> facts.Quality:
    rate = quality.fps_milli / 1000 if quality.fps_milli is not None else None
    return facts.Quality(height_px=quality.height_px, rate=rate, codec=quality.video, audio=quality.audio)
