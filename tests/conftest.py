"""Real servers for the whole run, and what every system test needs to reach them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from heaters_edges.settings import Settings
from heaters_local.servers import NatsServer, S3Server, free_port


@pytest.fixture(scope="session")
def servers_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def nats_server(servers_dir: Path) -> Iterator[NatsServer]:
    with NatsServer(servers_dir / "nats", free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(servers_dir: Path) -> Iterator[S3Server]:
    with S3Server(servers_dir / "s3", free_port()) as server:
        yield server


@pytest.fixture
def settings(nats_server: NatsServer, s3_server: S3Server, tmp_path: Path) -> Settings:
    return Settings(
        nats_url=nats_server.url,
        s3_endpoint=s3_server.endpoint,
        s3_bucket="heaters-test",
        s3_access_key=s3_server.access_key,
        s3_secret_key=s3_server.secret_key,
        cache_dir=tmp_path / "cache",
        listen="127.0.0.1:0",
        retry_base_s=0.05,
        grace_s=0.2,
    )
