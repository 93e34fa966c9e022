"""One contract for every object store: the folder that tests use, and a real S3 server."""

import hashlib
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from heaters_edges import job as jobs
from heaters_edges.failure import MissingObject, Unavailable
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import sha256_of_file
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store, Store
from heaters_edges.telemetry import REGISTRY
from heaters_local.servers import free_port

MIB = 1024**2


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    real: S3Store = request.getfixturevalue("bucket")
    return real


@pytest.fixture
def put(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[bytes], str]:
    """Store some bytes, under a key of this test's own."""

    def put(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        own = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
        path = tmp_path / "to-store"
        path.write_bytes(data)
        key = f"tests/{own}/bytes-{digest[:16]}.bin"
        store.put(path, key, content_type="application/octet-stream", sha256=digest)
        return key

    return put


@pytest.mark.parametrize("data", [b"", b"a", b"\x00\xff" * 100_000], ids=["empty", "one byte", "200 kB"])
def test_what_is_put_is_got(store: Store, put: Callable[[bytes], str], tmp_path: Path, data: bytes) -> None:
    key = put(data)

    store.get(key, tmp_path / "got")

    assert (tmp_path / "got").read_bytes() == data


def test_the_last_content_that_was_put_counts(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    key = f"tests/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}/manifest.json"
    for words in ("first", "second, longer"):
        (tmp_path / "file").write_text(words)
        store.put(tmp_path / "file", key, content_type="application/json", sha256="0" * 64)

    store.get(key, tmp_path / "got")

    assert (tmp_path / "got").read_text() == "second, longer"


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 4, b"0123"), (6, 4, b"6789"), (3, 1, b"3"), (0, 10, b"0123456789"), (8, 5, b"89"), (10, 1, b""), (50, 5, b"")],
)
def test_a_range_is_half_open_and_ends_with_the_object(
    store: Store, put: Callable[[bytes], str], offset: int, length: int, expected: bytes
) -> None:
    key = put(b"0123456789")

    assert store.get_range(key, offset, length) == expected


def test_the_head_of_an_object_is_its_size_and_sha256(store: Store, put: Callable[[bytes], str]) -> None:
    key = put(b"hello")

    assert store.head(key) == (5, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")


def test_an_object_that_is_not_there_is_missing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(MissingObject, match=r"there is no object tests/none\.bin"):
        store.get("tests/none.bin", tmp_path / "got")
    with pytest.raises(MissingObject, match=r"tests/none\.bin"):
        store.get_range("tests/none.bin", 0, 10)
    assert store.head("tests/none.bin") is None
    assert not (tmp_path / "got").exists()


def test_a_removed_object_is_missing_and_may_be_removed_again(store: Store, put: Callable[[bytes], str]) -> None:
    key = put(b"short-lived")

    store.delete(key)
    store.delete(key)

    assert store.head(key) is None


def test_the_url_of_an_object_can_be_opened(store: Store, put: Callable[[bytes], str]) -> None:
    key = put(b"for a browser")

    with urllib.request.urlopen(store.url(key, expires_s=60), timeout=10) as answer:
        assert answer.read() == b"for a browser"


def test_a_store_that_is_there_passes_its_check(store: Store) -> None:
    store.check()


# --- what only the real one has --------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_a_presigned_url_gives_ranges_and_a_name_and_nothing_without_its_signature(
    store: Store, put: Callable[[bytes], str]
) -> None:
    key = put(b"0123456789")

    url = store.url(key, expires_s=60, name="clip 7.mp4")
    part = httpx.get(url, headers={"Range": "bytes=2-4"}, trust_env=False)
    unsigned = httpx.get(url.partition("?")[0], trust_env=False)

    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert part.headers["Content-Disposition"] == 'attachment; filename="clip 7.mp4"'
    assert unsigned.status_code == 403


def test_presigned_urls_name_the_public_endpoint(settings: Settings) -> None:
    public = settings.model_copy(update={"s3_public_endpoint": "https://objects.example"})

    url = S3Store(public).url("videos/a.mp4", expires_s=60)

    assert url.startswith("https://objects.example/heaters-edges/videos/a.mp4?")


def test_a_large_file_goes_in_parts_and_comes_back_whole(bucket: S3Store, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(33 * MIB)
        file.seek(20 * MIB)
        file.write(b"in the second part")
    digest = sha256_of_file(path)
    puts = (
        REGISTRY.get_sample_value("heaters_s3_requests_total", {"stage": jobs.current().stage, "operation": "put"}) or 0
    )

    bucket.put(path, "tests/large.bin", content_type="application/octet-stream", sha256=digest)
    bucket.get("tests/large.bin", tmp_path / "got")

    assert sha256_of_file(tmp_path / "got") == digest
    assert bucket.head("tests/large.bin") == (33 * MIB, digest)
    assert bucket.get_range("tests/large.bin", 20 * MIB, 18) == b"in the second part"
    etag = httpx.get(
        bucket.url("tests/large.bin", expires_s=60), headers={"Range": "bytes=0-0"}, trust_env=False
    ).headers["ETag"]
    assert etag.strip('"').endswith("-3")  # three parts of at most 16 MiB
    assert (
        REGISTRY.get_sample_value("heaters_s3_requests_total", {"stage": jobs.current().stage, "operation": "put"})
        == puts + 5
    )  # begun, three parts, completed


def test_making_the_bucket_twice_is_harmless(bucket: S3Store) -> None:
    bucket.create_bucket()

    bucket.check()


def test_a_server_that_does_not_answer_is_unavailable_and_no_object_is_missing(
    settings: Settings, tmp_path: Path
) -> None:
    away = S3Store(settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{free_port()}"}))

    with pytest.raises(Unavailable, match="did not answer get of videos/a"):
        away.get("videos/a", tmp_path / "got")
    with pytest.raises(Unavailable):
        away.head("videos/a")


def test_wrong_keys_are_refused_and_no_object_is_missing(bucket: S3Store, settings: Settings) -> None:
    stranger = S3Store(settings.model_copy(update={"s3_access_key": settings.s3_secret_key}))

    with pytest.raises(Unavailable, match="refused"):
        stranger.get_range("videos/a", 0, 1)


def test_a_missing_bucket_is_unavailable_and_names_the_step_that_makes_it(bucket: S3Store, tmp_path: Path) -> None:
    other = bucket.of_bucket("heaters-nobody-made-this")

    with pytest.raises(Unavailable, match="there is no bucket heaters-nobody-made-this: run `migrate` first"):
        other.get("videos/a", tmp_path / "got")
    with pytest.raises(MissingObject):
        other.check()
