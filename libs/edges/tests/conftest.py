"""Real servers for the edges, started when the first test asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_local.servers import NatsServer, S3Server, free_port


@pytest.fixture(scope="session")
def edges_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("edges-nats"), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def edges_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("edges-s3"), free_port()) as server:
        yield server


@pytest.fixture
def environment(edges_nats: NatsServer, edges_s3: S3Server, tmp_path: Path) -> dict[str, str]:
    """HEATERS_* as a service finds them, with all servers there."""
    return {
        "HEATERS_NATS_URL": edges_nats.url,
        "HEATERS_S3_ENDPOINT": edges_s3.endpoint,
        "HEATERS_S3_BUCKET": "heaters-edges",
        "HEATERS_S3_ACCESS_KEY": edges_s3.access_key,
        "HEATERS_S3_SECRET_KEY": edges_s3.secret_key,
        "HEATERS_CACHE_DIR": str(tmp_path / "cache"),
        "HEATERS_LISTEN": f"127.0.0.1:{free_port()}",
        "HEATERS_GRACE_S": "0.5",
        "HEATERS_RETRY_BASE_S": "0.05",
    }


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def bucket(settings: Settings) -> S3Store:
    store = S3Store(settings)
    store.create_bucket()
    return store
