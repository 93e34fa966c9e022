"""What every fault ends with: everything that should be there is counted, and a line is written for the table of docs/reliability.md."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import nats
import pytest
from fault_outcome import Outcome
from heaters_contracts.pipeline import FACTS_STREAM
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_edges.streams import migrate
from heaters_review_api.__main__ import migrate_all
from kept_rows import until_shown
from left_over import processes_of
from review_process import ReviewProcess
from worker_processes import ACK_WAIT_S, Workers


@pytest.fixture
def outcome() -> Outcome:
    """Written down whether it went well or not: the table says what was seen."""

    def write(
        fault: str,
        *,
        expected: Iterable[str],
        found: Iterable[str],
        tried: int = 1,
        recovered_s: float | None = None,
    ) -> None:
        wanted, there = Counter(expected), Counter(found)
        lost, doubled = wanted - there, there - wanted
        page = os.environ.get("HEATERS_RELIABILITY")
        if page:
            line = {
                "fault": fault,
                "tried": tried,
                "checked": wanted.total(),
                "lost": lost.total(),
                "doubled": doubled.total(),
                "recovered_s": recovered_s,
            }
            with Path(page).open("a") as file:
                file.write(json.dumps(line) + "\n")
        assert wanted, "nothing was looked for"
        assert not lost, f"lost: {sorted(lost.elements())}"
        assert not doubled, f"too often, or made up: {sorted(doubled.elements())}"

    return write


@pytest.fixture(scope="session")
async def review_servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReviewProcess]:
    """NATS, Postgres and S3 of their own for review-api, which is not started: tests kill them, and start them again."""
    folder = tmp_path_factory.mktemp("review")
    with ReviewProcess(folder) as process:
        await migrate_all(process.settings)
        yield process
    assert processes_of(folder) == []


@pytest.fixture
async def review(review_servers: ReviewProcess) -> ReviewProcess:
    """The same, with a review-api that runs and shows all that was told before."""
    if not review_servers.runs:
        await asyncio.to_thread(review_servers.start)
    await until_shown(review_servers)
    return review_servers


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    """An empty facts stream, whose workers are given up after a few seconds."""
    await migrate(settings.model_copy(update={"ack_wait_s": ACK_WAIT_S}))
    S3Store(settings).create_bucket()
    client = await nats.connect(settings.nats_url)
    await client.jetstream().purge_stream(FACTS_STREAM)
    await client.close()
    bus = Bus(settings, source="test")
    await bus.connect()
    yield bus
    await bus.close()


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    """Worker processes; when they have ended, nothing that they began still runs."""
    found = Workers(settings, tmp_path)
    yield found
    found.stop()
    assert processes_of(tmp_path) == []
