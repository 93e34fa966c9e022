"""What the downloader tells of each kind of source."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from heaters_contracts.fact import Told, encode, tell
from heaters_contracts.facts import VideoDownloaded, VideoExpanded, VideoLinked, VideoRequested
from heaters_contracts.ingest import Options, S3Source, Source, UploadSource, UrlSource
from heaters_downloader.core import (
    AddressPolicy,
    ForbiddenAddress,
    ForbiddenBucket,
    Gone,
    Limits,
    ListInLists,
    TooLarge,
    TryLater,
    Wishes,
)
from heaters_downloader.core.sites import SitePolicy
from heaters_downloader.handler import Downloader
from heaters_downloader.sitebook import Sites
from heaters_edges import job as jobs
from heaters_edges.failure import Busy, MissingObject, Unavailable
from heaters_edges.fakes import FolderStore, MemoryRegister
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


def asked(source: Source, *, process_again: bool = False, lists: int = 0) -> Told[VideoRequested]:
    options = Options(tags=("night",), process_again=process_again)
    fact = VideoRequested(source=source, requester="test", request_id="1", options=options, lists=lists)
    return tell(fact, video_id=uuid4(), lane="bulk", cause=None, time=datetime.now(UTC))


@pytest.fixture(autouse=True)
async def _job() -> None:
    """A coroutine, so that the job is taken back: one that a plain function begins would stay that of all later tests."""
    jobs.begin(jobs.Job("download", deadline_s=60, memory_bytes=1 << 30))


def downloader(objects: Objects, store: Buckets, **more: object) -> Downloader:
    return Downloader(
        objects=objects,
        policy=cast("AddressPolicy", more.get("policy", AddressPolicy())),
        limits=cast("Limits", more.get("limits", Limits())),
        s3=cast("S3Store", store),
        s3_sources=cast("tuple[str, ...]", more.get("s3_sources", ())),
        sites=Sites(MemoryRegister(), SitePolicy()),
        wishes=Wishes(),
    )


async def brought(told: Told[VideoRequested], objects: Objects, store: Buckets, **more: object) -> VideoDownloaded:
    return cast("VideoDownloaded", await downloader(objects, store, **more).download(told))


async def test_an_upload_is_named_and_not_stored_again(objects: Objects, store: Buckets, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"film")
    digest = hashlib.sha256(b"film").hexdigest()
    key = f"uploads/me/file-{digest[:16]}.mp4"
    store.put(tmp_path / "film", key, content_type="video/mp4", sha256=digest)

    fact = await brought(asked(UploadSource(key=key, name="holiday.mp4")), objects, store)

    assert (fact.source.key, fact.source.bytes, fact.source.sha256) == (key, 4, digest)
    assert fact.title == "holiday"
    assert fact.options.tags == ("night",)
    assert [operation for operation, _ in store.requests] == ["put", "head", "put_first"]


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


async def test_the_same_bytes_are_linked_and_not_stored_twice(objects: Objects, store: Buckets, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"the very same film")
        store.of_bucket("films").put(tmp_path / name, f"{name}.mp4", content_type="video/mp4", sha256="x")
    first, second = asked(S3Source(uri="s3://films/a.mp4")), asked(S3Source(uri="s3://films/b.mp4"))
    again = asked(S3Source(uri="s3://films/b.mp4"), process_again=True)
    ours = downloader(objects, store, s3_sources=("films",))

    one = await ours.download(first)
    same = await ours.download(first)
    linked = await ours.download(second)
    wanted = await ours.download(again)

    assert isinstance(one, VideoDownloaded)
    assert same == one
    assert isinstance(linked, VideoLinked)
    assert (linked.twin, linked.sha256, linked.bytes) == (first.video_id, one.source.sha256, 18)
    assert isinstance(wanted, VideoDownloaded)


async def test_bytes_whose_video_was_erased_are_taken_anew(objects: Objects, store: Buckets, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a film")
    store.of_bucket("films").put(tmp_path / "a", "a.mp4", content_type="video/mp4", sha256="x")
    ours = downloader(objects, store, s3_sources=("films",))
    first = await ours.download(asked(S3Source(uri="s3://films/a.mp4")))
    assert isinstance(first, VideoDownloaded)
    store.delete(first.source.key)

    second = await ours.download(asked(S3Source(uri="s3://films/a.mp4")))
    third = await ours.download(asked(S3Source(uri="s3://films/a.mp4")))

    assert isinstance(second, VideoDownloaded)
    assert isinstance(third, VideoLinked)


async def test_a_page_is_told_with_all_that_came_with_it(objects: Objects, store: Buckets, site: Any) -> None:
    policy = AddressPolicy.parse([f"127.0.0.1:{site.port}"])

    fact = await brought(asked(UrlSource(url=site.url("/page"))), objects, store, policy=policy)

    assert fact.title == "Harbour walk"
    assert fact.got is not None
    assert (fact.got.height_px, fact.got.rate, fact.got.codec, fact.got.audio) == (1080, 8.0, "h264", "aac")
    assert [one.language for one in fact.subtitles] == ["de"]
    assert fact.metadata is not None
    assert store.head(fact.metadata.key) is not None
    assert b"Guten Morgen" in store.get_range(fact.subtitles[0].object.key, 0, 1000)


async def test_a_list_of_videos_is_told_as_one_request_each(objects: Objects, store: Buckets, site: Any) -> None:
    policy = AddressPolicy.parse([f"127.0.0.1:{site.port}"])
    told = asked(UrlSource(url=site.url("/page-two")))

    fact = await downloader(objects, store, policy=policy).download(told)

    assert isinstance(fact, VideoExpanded)
    assert [entry.url for entry in fact.entries] == [site.url("/film.mp4"), site.url("/film.mp4?2")]
    assert (fact.requester, fact.request_id, fact.options.tags) == ("test", "1", ("night",))


async def test_a_list_may_lie_in_a_list_and_no_deeper(objects: Objects, store: Buckets, site: Any) -> None:
    worker = downloader(objects, store, policy=AddressPolicy.parse([f"127.0.0.1:{site.port}"]))
    page = UrlSource(url=site.url("/page-two"))

    inside = await worker.download(asked(page, lists=1))
    film = await worker.download(asked(UrlSource(url=site.url("/film.mp4")), lists=2))
    with pytest.raises(ListInLists, match="is a list in a list of lists; ask for it by itself"):
        await worker.download(asked(page, lists=2))

    assert isinstance(inside, VideoExpanded)
    assert (inside.lists, len(inside.entries)) == (1, 2)
    assert isinstance(film, VideoDownloaded)


async def test_a_list_of_long_addresses_still_fits_one_fact(objects: Objects, store: Buckets, site: Any) -> None:
    request = asked(UrlSource(url=site.url("/page-many")))

    fact = await downloader(objects, store, policy=AddressPolicy.parse([f"127.0.0.1:{site.port}"])).download(request)

    told = tell(fact, video_id=request.video_id, lane="bulk", cause=request.id, time=datetime.now(UTC))
    assert isinstance(fact, VideoExpanded)
    assert fact.left_out > 0
    assert len(encode(told, source="downloader").data) > 100_000


async def test_a_download_that_broke_off_is_gone_on_with_by_the_next_attempt(
    objects: Objects, store: Buckets, site: Any, film: bytes
) -> None:
    policy = AddressPolicy.parse([f"127.0.0.1:{site.port}"])
    told = asked(UrlSource(url=site.url("/dropping.mp4")))

    with pytest.raises(TryLater):
        await brought(told, objects, store, policy=policy)
    fact = await brought(told, objects, store, policy=policy)

    assert fact.source.sha256 == hashlib.sha256(film).hexdigest()
    assert site.asked[-1] == ("/dropping.mp4", "bytes=1000000-")


class Away(Buckets):
    """A store that refuses the first file that it is given."""

    def put(self, path: Path, key: str, **about: Any) -> None:
        if not self.requests:
            self.requests.append(("refused", key))
            raise Unavailable("the store is away")
        super().put(path, key, **about)


@pytest.mark.parametrize("path", ["/film.mp4", "/page"])
async def test_what_could_not_be_stored_is_not_brought_again(path: str, site: Any, tmp_path: Path) -> None:
    store = Away(tmp_path / "own")
    objects = Objects(store, tmp_path / "cache", limit_bytes=1 << 30)
    told, more = (
        asked(UrlSource(url=site.url(path)), process_again=True),
        {"policy": AddressPolicy.parse(["127.0.0.1/32"])},
    )

    with pytest.raises(Unavailable):
        await brought(told, objects, store, **more)
    site.asked.clear()
    fact = await brought(told, objects, store, **more)

    assert site.asked == []
    assert (tmp_path / "own" / fact.source.key).stat().st_size == fact.source.bytes


async def test_a_site_that_asks_for_patience_uses_up_no_attempt(objects: Objects, store: Buckets, site: Any) -> None:
    policy = AddressPolicy.parse([f"127.0.0.1:{site.port}"])
    ours = downloader(objects, store, policy=policy)

    with pytest.raises(Busy) as refused:
        await ours.download(asked(UrlSource(url=site.url("/busy.mp4"))))
    asked_so_far = len(site.asked)
    with pytest.raises(Busy):
        await ours.download(asked(UrlSource(url=site.url("/film.mp4"))))

    assert refused.value.retry_after_s == pytest.approx(17, abs=1)
    assert len(site.asked) == asked_so_far
