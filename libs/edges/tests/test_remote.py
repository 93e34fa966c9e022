"""Objects read by parts as if they were files, on a real S3 server."""

import pickle
import random
import traceback
from pathlib import Path

import pytest
from heaters_contracts.objects import ObjectRef
from heaters_edges import job as jobs
from heaters_edges.failure import MissingObject, Unavailable, WrongObject
from heaters_edges.objects import Objects
from heaters_edges.remote import BLOCK_BYTES, Address, RemoteFile
from heaters_edges.store import S3Store
from heaters_local.servers import free_port

SIZE = 40 * BLOCK_BYTES + 12_345
CONTENT = random.Random(7).randbytes(SIZE)


@pytest.fixture
def ref(bucket: S3Store, tmp_path: Path) -> ObjectRef:
    (tmp_path / "film").write_bytes(CONTENT)
    key = "tests/remote/film.bin"
    bucket.put(tmp_path / "film", key, content_type="application/octet-stream", sha256="0" * 64)
    return ObjectRef(key=key, bytes=SIZE, sha256="0" * 64)


def remote(bucket: S3Store, ref: ObjectRef, tmp_path: Path, *, size_bytes: int = SIZE) -> RemoteFile:
    address = bucket.address(ref.key, expires_s=60)
    assert address is not None
    return RemoteFile(ref.key, size_bytes, address, tmp_path / "parts")


def test_it_reads_like_the_file_itself_and_fetches_no_byte_twice(
    bucket: S3Store, ref: ObjectRef, tmp_path: Path
) -> None:
    file, chance = pickle.loads(pickle.dumps(remote(bucket, ref, tmp_path))), random.Random(11)  # noqa: S301 - our own

    for _ in range(2):
        with file.open("rb") as opened:
            for _ in range(60):
                at, length = chance.randrange(SIZE + 100), chance.choice((1, 700, BLOCK_BYTES, 3 * BLOCK_BYTES))
                opened.seek(at)
                assert opened.read(length) == CONTENT[at : at + length]
            opened.seek(-5, 2)
            assert opened.read() == CONTENT[-5:]

    assert sum(file.parts_read()) <= SIZE
    assert file.problem is None


def test_what_is_read_in_order_comes_in_ever_longer_parts(bucket: S3Store, ref: ObjectRef, tmp_path: Path) -> None:
    file = remote(bucket, ref, tmp_path)

    with file.open("rb") as opened:
        while opened.read(10_000):
            pass

    parts = file.parts_read()
    assert parts[:4] == [BLOCK_BYTES, 2 * BLOCK_BYTES, 4 * BLOCK_BYTES, 8 * BLOCK_BYTES]
    assert len(parts) == 6
    assert sum(parts) == SIZE


def test_a_store_that_fails_says_how_and_it_is_remembered(bucket: S3Store, ref: ObjectRef, tmp_path: Path) -> None:
    gone = ref.model_copy(update={"key": "tests/none"})
    away = RemoteFile("away", SIZE, Address(f"http://127.0.0.1:{free_port()}/x"), tmp_path / "away")
    refused = RemoteFile("refused", SIZE, Address(bucket._client.meta.endpoint_url + "/b/k"), tmp_path / "refused")
    shorter = remote(bucket, ref, tmp_path, size_bytes=SIZE - 1)

    for file, kind, words in (
        (remote(bucket, gone, tmp_path), MissingObject, "there is no object tests/none"),
        (away, Unavailable, "did not answer"),
        (refused, (Unavailable, MissingObject), "refused"),
        (shorter, WrongObject, f"its fact says {SIZE - 1}"),
    ):
        with file.open("rb") as opened, pytest.raises(kind, match=words):
            opened.read(1)
        assert file.problem is not None
        assert file.parts_read() == []


def test_a_store_that_is_away_is_told_without_the_signature_by_which_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = Address(f"http://127.0.0.1:{free_port()}/bucket/key?X-Amz-Signature=5ec4e7")
    away = RemoteFile("away", SIZE, address, tmp_path / "away")

    with pytest.raises(Unavailable, match="refused") as told:
        away.read_at(0, 1)

    assert "5ec4e7" not in "".join(traceback.format_exception(told.value))
    assert "5ec4e7" not in caplog.text


async def test_a_large_object_that_the_node_lacks_is_read_by_parts_and_the_ledger_counts_them(
    bucket: S3Store, ref: ObjectRef, tmp_path: Path
) -> None:
    objects = Objects(bucket, tmp_path / "cache", limit_bytes=1 << 30)

    async with objects.readable(ref, parts_from_bytes=SIZE) as source:
        assert isinstance(source, RemoteFile)
        with source.open("rb") as opened:
            assert opened.read(4) == CONTENT[:4]
        scratch = source.scratch
        assert scratch.exists()

    assert not scratch.exists()
    assert not (tmp_path / "cache" / "objects" / ref.key).exists()


async def test_a_job_that_has_no_time_left_reads_until_it_is_ended(
    bucket: S3Store, ref: ObjectRef, tmp_path: Path
) -> None:
    jobs.begin(jobs.Job("preprocess", deadline_s=-1000, memory_bytes=1 << 30))
    objects = Objects(bucket, tmp_path / "cache", limit_bytes=1 << 30)

    async with objects.readable(ref, parts_from_bytes=SIZE) as source:
        with source.open("rb") as opened:
            assert opened.read(4) == CONTENT[:4]


async def test_what_the_node_holds_and_what_is_small_is_a_file(bucket: S3Store, ref: ObjectRef, tmp_path: Path) -> None:
    objects = Objects(bucket, tmp_path / "cache", limit_bytes=1 << 30)
    held = await objects.put(tmp_path / "film", "tests/held.bin")
    small = await objects.put_bytes(b"small", "tests/small.bin")

    for one, parts_from_bytes in ((held, 1), (small, 6)):
        async with objects.readable(one, parts_from_bytes=parts_from_bytes) as source:
            assert isinstance(source, Path)
            assert source.stat().st_size == one.bytes
