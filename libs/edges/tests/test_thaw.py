"""Objects in cold storage, on moto's S3 server: SeaweedFS cannot freeze or restore."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from heaters_edges.failure import Archived
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from moto.server import ThreadedMotoServer

KEY = "videos/a/source.mov"


@pytest.fixture
def cold(settings: Settings, tmp_path: Path) -> Iterator[S3Store]:
    """A store with one object in Glacier, whose restore is under way until it was looked at twice."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    slowly = {"model_name": "s3::keyrestore", "transition": {"progression": "manual", "times": 2}}
    httpx.post(f"{endpoint}/moto-api/state-manager/set-transition", json=slowly, trust_env=False).raise_for_status()
    store = S3Store(settings.model_copy(update={"s3_endpoint": endpoint}))
    store.create_bucket()
    (tmp_path / "film").write_bytes(b"0123456789")
    store.put(tmp_path / "film", KEY, content_type="video/quicktime", sha256="0" * 64, storage_class="GLACIER")
    yield store
    server.stop()


def test_an_object_in_cold_storage_is_told_as_such(cold: S3Store, tmp_path: Path) -> None:
    with pytest.raises(Archived, match="cold storage"):
        cold.get(KEY, tmp_path / "got")
    with pytest.raises(Archived):
        cold.get_range(KEY, 0, 4)
    assert not cold.thawed(KEY)


def test_an_object_that_was_asked_for_can_be_read_once_it_is_back(cold: S3Store, tmp_path: Path) -> None:
    cold.thaw(KEY, days=3)
    cold.thaw(KEY, days=3)  # asked again while it is under way

    looks = [cold.thawed(KEY) for _ in range(4)]
    cold.get(KEY, tmp_path / "got")

    assert looks[0] is False
    assert looks[-1] is True
    assert (tmp_path / "got").read_bytes() == b"0123456789"
