"""NATS with three nodes, as docs/operations.md has it: streams kept three times, and a node that may go at any moment."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import nats
import pytest
from heaters_contracts.fact import tell
from heaters_contracts.facts.video import VideoRejected
from heaters_contracts.pipeline import ATTEMPTS_BUCKET, FACTS_STREAM, INGEST_STREAM, PAUSED_BUCKET, PROGRESS_STREAM
from heaters_edges import streams
from heaters_edges.bus import Bus
from heaters_edges.failure import Unavailable
from heaters_edges.settings import Settings
from heaters_local.files import write_private
from heaters_local.process import Child
from heaters_local.servers import NatsServer, _plain_environment, _script, free_port

pytestmark = pytest.mark.long

T = TypeVar("T")
KEPT = (FACTS_STREAM, INGEST_STREAM, PROGRESS_STREAM, f"KV_{ATTEMPTS_BUCKET}", f"KV_{PAUSED_BUCKET}")


class Node(NatsServer):
    """One of three."""

    def __init__(self, folder: Path, routes: list[int], number: int) -> None:
        super().__init__(folder, free_port())
        self._routes, self._number = routes, number

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def _launch(self) -> Child:
        config = self.data_dir / "nats.conf"
        others = json.dumps([f"nats://127.0.0.1:{port}" for port in self._routes])
        write_private(
            config,
            f'server_name: n{self._number}\nlisten: "127.0.0.1:{self.port}"\n'
            f"jetstream {{ store_dir: {json.dumps(str(self.data_dir / 'jetstream'))}, sync_interval: always }}\n"
            f'cluster {{ name: c, listen: "127.0.0.1:{self._routes[self._number]}", routes: {others} }}\n',
        )
        return Child([str(_script("nats-server")), "--config", str(config)], log=self.log, env=_plain_environment())


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    routes = [free_port() for _ in range(3)]
    with ExitStack() as stack:
        yield [stack.enter_context(Node(tmp_path / f"n{number}", routes, number)) for number in range(3)]


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """As every service does: three nodes choose a new leader for a while, and answer nobody."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except Unavailable:
                await asyncio.sleep(0.2)


async def kept_by(node: Node) -> dict[str, int]:
    """How many servers keep each stream."""
    client = await nats.connect(node.url)
    try:
        js = client.jetstream(timeout=10)
        return {name: int((await js.stream_info(name)).config.num_replicas or 0) for name in KEPT}
    finally:
        await client.close()


async def caught_up(node: Node) -> None:
    """Copies that are new have all that there is."""
    client = await nats.connect(node.url)
    try:
        cluster = (await client.jetstream(timeout=10).stream_info(FACTS_STREAM)).cluster
    finally:
        await client.close()
    if not (
        cluster
        and cluster.leader
        and len(cluster.replicas or []) == 2
        and all(p.current for p in cluster.replicas or [])
    ):
        raise Unavailable(str(cluster))


async def test_migration_has_three_nodes_keep_everything_and_facts_outlive_any_of_them(
    nodes: list[Node], tmp_path: Path
) -> None:
    wanted: dict[str, Any] = {
        "nats_url": ",".join(node.url for node in nodes),
        "s3_endpoint": "http://127.0.0.1:1",
        "s3_bucket": "none",
        "s3_access_key": "none",
        "s3_secret_key": "none",
        "cache_dir": tmp_path,
        "listen": "127.0.0.1:0",
    }
    settings = Settings(**wanted)
    video = uuid4()
    before, after = (
        tell(
            VideoRejected(requester="films", request_id="1", reason=reason),
            video_id=video,
            lane="bulk",
            cause=uuid4(),
            time=datetime.now(UTC),
        )
        for reason in ("before", "after")
    )

    await patiently(lambda: streams.migrate(settings, replicas=1))
    alone = await kept_by(nodes[0])
    await patiently(lambda: streams.migrate(settings, replicas=3))
    together = await kept_by(nodes[0])
    await patiently(lambda: caught_up(nodes[0]))
    bus = Bus(settings, source="review-api")
    await bus.connect()
    try:
        await patiently(lambda: bus.publish(before))
        nodes[0].stop()
        await patiently(lambda: bus.publish(after))
        history = await patiently(lambda: bus.history(video))
    finally:
        await bus.close()

    assert set(alone.values()) == {1}
    assert set(together.values()) == {3}
    assert [json.loads(stored.data)["reason"] for stored in history] == ["before", "after"]
