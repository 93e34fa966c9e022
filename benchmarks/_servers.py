"""Real servers for a topic, in a folder that is gone afterwards."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.streams import migrate
from heaters_local.servers import NatsServer, S3Server, free_port


@contextmanager
def servers(kept: Path | None = None) -> Iterator[tuple[Path, Settings]]:
    """A folder, and the settings that reach a NATS and an S3 server in it; streams, consumers and bucket are made.

    Args:
        kept: a folder that is used again and left as it is; without one, a new folder that is gone afterwards.
    """
    made = tempfile.TemporaryDirectory(prefix="heaters-bench-", ignore_cleanup_errors=True)
    with nullcontext(str(kept)) if kept else made as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with NatsServer(folder / "nats", free_port()) as nats, S3Server(folder / "s3", free_port()) as s3:
            settings = Settings(
                nats_url=nats.url,
                s3_endpoint=s3.endpoint,
                s3_bucket="heaters-bench",
                s3_access_key=s3.access_key,
                s3_secret_key=s3.secret_key,
                cache_dir=folder / "cache",
                listen="127.0.0.1:0",
            )
            asyncio.run(migrate(settings))
            S3Store(settings).create_bucket()
            yield folder, settings
