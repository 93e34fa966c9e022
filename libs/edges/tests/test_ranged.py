"""Parts of objects without boto3, on a real S3 server."""

from pathlib import Path

import pytest
from heaters_edges.ranged import NotPlain, RangedReader
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_local.servers import free_port


@pytest.fixture
def key(bucket: S3Store, tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(b"0123456789")
    bucket.put(tmp_path / "file", "tests/ranged part +%.bin", content_type="application/octet-stream", sha256="0" * 64)
    return "tests/ranged part +%.bin"


def test_a_part_is_read_without_boto3_once_its_address_is_signed(
    bucket: S3Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bucket.get_range(key, 2, 3)
    monkeypatch.setattr(bucket, "_client", None)

    again = [bucket.get_range(key, 0, 10), bucket.get_range(key, 9, 5)]

    assert [first, *again] == [b"234", b"0123456789", b"9"]


def test_an_address_is_signed_anew_before_its_signature_ends(
    bucket: S3Store, settings: Settings, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[int] = []

    def sign(_: str, name: str, expires_s: int) -> str:
        signed.append(expires_s)
        return bucket.url(name, expires_s=expires_s)

    reader, now_s = RangedReader(settings.s3_endpoint, sign), 18_000.0
    for after_s in (0, 1, 1799, 1801, 1802):
        monkeypatch.setattr("time.time", lambda after_s=after_s: now_s + after_s)
        reader.get(settings.s3_bucket, key, 0, 1)

    assert signed == [3600, 3600]


def test_anything_but_the_bytes_is_not_plain(bucket: S3Store, settings: Settings, key: str) -> None:
    def unsigned(bucket_name: str, name: str, _: int) -> str:
        return f"{settings.s3_endpoint}/{bucket_name}/{name.replace(' ', '%20')}"

    away = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(NotPlain, match="status 403"):
        RangedReader(settings.s3_endpoint, unsigned).get(settings.s3_bucket, key, 0, 1)
    with pytest.raises(NotPlain):
        RangedReader(away, unsigned).get(settings.s3_bucket, key, 0, 1)


def test_a_server_behind_a_proxy_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def never(*_: object) -> str:
        raise AssertionError("nothing is signed")

    with pytest.raises(NotPlain, match="proxy"):
        RangedReader("http://objects.example:8333", never).get("bucket", "key", 0, 1)
