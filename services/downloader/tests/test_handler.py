"""What the downloader tells of each kind of source."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from heaters_contracts.fact import Told, tell
from heaters_contracts.facts import VideoDownloaded, VideoRequested
from heaters_contracts.ingest import Options, S3Source, Source, UploadSource, UrlSource
from heaters_downloader.core import AddressPolicy, ForbiddenAddress, ForbiddenBucket, Gone, Limits, TooLarge
from heaters_downloader.handler import download
from heaters_edges import job as jobs
from heaters_edges.failure import MissingObject
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import Objects
from heaters_edges.store import S3Store


class Buckets(FolderStore):
    """A store with other buckets beside its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._others: dict[str, FolderStore] = {}

    def of_bucket(self, bucket: str) -> FolderStore:
        return self._others.setdefault(bucket, FolderStore(self._folder.parent / bucket))


@pytest.fixture
def store(tmp_path: Path) -> Buckets:
    return Buckets(tmp_path / "own")


@pytest.fixture
def objects(store: Buckets, tmp_path: Path) -> Objects:
    return Objects(store, tmp_path / "cache", limit_bytes=1 << 30)


def asked(source: Source) -> Told[VideoRequested]:
    fact = VideoRequested(source=source, requester="test", request_id="1", options=Options(tags=("night",)))
    return tell(fact, video_id=uuid4(), lane="bulk", cause=None, time=datetime.now(UTC))


@pytest.fixture(autouse=True)
def _job() -> None:
    jobs.begin(jobs.Job("download", deadline_s=60, memory_bytes=1 << 30))


async def brought(told: Told[VideoRequested], objects: Objects, store: Buckets, **more: object) -> VideoDownloaded:
    limits = cast("Limits", more.get("limits", Limits()))
    allowed = cast("tuple[str, ...]", more.get("s3_sources", ()))
    s3 = cast("S3Store", store)
    return await download(told, objects=objects, policy=AddressPolicy(), limits=limits, s3=s3, s3_sources=allowed)


async def test_an_upload_is_named_and_not_stored_again(objects: Objects, store: Buckets, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"film")
    digest = hashlib.sha256(b"film").hexdigest()
    key = f"uploads/me/file-{digest[:16]}.mp4"
    store.put(tmp_path / "film", key, content_type="video/mp4", sha256=digest)

    fact = await brought(asked(UploadSource(key=key, name="holiday.mp4")), objects, store)

    assert (fact.source.key, fact.source.bytes, fact.source.sha256) == (key, 4, digest)
    assert fact.title == "holiday"
    assert fact.options.tags == ("night",)
    assert [operation for operation, _ in store.requests] == ["put", "head"]


async def test_an_upload_that_is_not_there_is_told(objects: Objects, store: Buckets) -> None:
    with pytest.raises(MissingObject, match="uploads/me/none"):
        await brought(asked(UploadSource(key="uploads/me/none.mp4")), objects, store)


async def test_a_bucket_that_nobody_named_is_not_read(objects: Objects, store: Buckets) -> None:
    with pytest.raises(ForbiddenBucket, match="the bucket secrets"):
        await brought(asked(S3Source(uri="s3://secrets/film.mp4")), objects, store, s3_sources=("films",))


async def test_an_object_of_an_allowed_bucket_is_copied_whole(objects: Objects, store: Buckets, tmp_path: Path) -> None:
    (tmp_path / "a.webm").write_bytes(b"web film")
    store.of_bucket("films").put(tmp_path / "a.webm", "b/c.webm", content_type="video/webm", sha256="x")

    fact = await brought(asked(S3Source(uri="s3://films/b/c.webm")), objects, store, s3_sources=("films",))

    assert fact.source.sha256 == hashlib.sha256(b"web film").hexdigest()
    assert fact.source.key.endswith(".webm")
    assert fact.title == "c"
    with pytest.raises(Gone, match="no object nothing"):
        await brought(asked(S3Source(uri="s3://films/nothing")), objects, store, s3_sources=("films",))
    with pytest.raises(TooLarge, match="8 bytes"):
        await brought(
            asked(S3Source(uri="s3://films/b/c.webm")),
            objects,
            store,
            s3_sources=("films",),
            limits=Limits(bytes_max=7),
        )


async def test_a_private_address_is_refused_in_the_child_too(objects: Objects, store: Buckets) -> None:
    with pytest.raises(ForbiddenAddress):
        await brought(asked(UrlSource(url="http://127.0.0.1:9/film.mp4")), objects, store)
