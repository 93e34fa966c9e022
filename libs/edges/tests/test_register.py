"""Values that replicas share, on a real NATS: changed by compare and swap, so that no change is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from heaters_contracts.pipeline import SITES_BUCKET
from heaters_edges.bus import Bus
from heaters_edges.failure import Unavailable
from heaters_edges.register import Register
from heaters_edges.settings import Settings
from heaters_edges.streams import migrate
from heaters_local.servers import NatsServer, free_port


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[NatsServer, Settings]]:
    folder = tmp_path_factory.mktemp("register")
    with NatsServer(folder, free_port()) as nats:
        wanted: dict[str, Any] = {
            "nats_url": nats.url,
            "s3_endpoint": "http://127.0.0.1:1",
            "s3_bucket": "none",
            "s3_access_key": "none",
            "s3_secret_key": "none",
            "cache_dir": folder / "cache",
            "listen": "127.0.0.1:0",
        }
        settings = Settings(**wanted)
        await migrate(settings)
        yield nats, settings


@pytest.fixture
async def registers(server: tuple[NatsServer, Settings]) -> AsyncIterator[list[Register]]:
    """Two replicas."""
    buses = [Bus(server[1], source=name) for name in ("downloader", "downloader")]
    for bus in buses:
        await bus.connect()
    yield [Register(bus, SITES_BUCKET) for bus in buses]
    for bus in buses:
        await bus.close()


def one_more(known: bytes | None) -> tuple[bytes | None, int]:
    count = int(known or b"0") + 1
    return str(count).encode(), count


async def test_of_many_changes_at_once_none_is_lost(registers: list[Register]) -> None:
    answers = await asyncio.gather(*(registers[n % 2].change("counter", one_more) for n in range(24)))

    assert sorted(answers) == list(range(1, 25))
    assert await registers[1].change("counter", lambda known: (None, known)) == b"24"


async def test_whoever_loses_a_race_decides_anew_on_what_the_other_wrote(registers: list[Register]) -> None:
    """Both have read before either writes: the decision of one of them is thrown away, and made again."""
    seen: list[bytes | None] = []

    def decide(known: bytes | None) -> tuple[bytes | None, None]:
        seen.append(known)
        return (known or b"") + b"x", None

    for _ in range(20):
        await asyncio.gather(*(register.change("race", decide) for register in registers))

    assert await registers[0].change("race", lambda known: (None, known)) == b"x" * 40
    assert len(seen) > 40  # some were asked again
    assert all(value is None or set(value) == {ord("x")} for value in seen)


@pytest.mark.parametrize("key", ["films.example", "[::1]:8080", "a b/c*>", "...", "ä.example"])
async def test_any_name_is_a_key_and_nothing_is_changed_where_none_is_wanted(
    registers: list[Register], key: str
) -> None:
    before = await registers[0].change(key, lambda known: (None, known))
    await registers[0].change(key, lambda _: (b"v", None))
    after = await registers[1].change(key, lambda known: (None, known))
    await registers[1].change(key, lambda _: (b"", None))

    assert before in (None, b"")
    assert after == b"v"


async def test_a_server_that_is_gone_is_no_answer(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", free_port()) as nats:
        settings = Settings(
            nats_url=nats.url,
            s3_endpoint="http://127.0.0.1:1",
            s3_bucket="none",
            s3_access_key="none",
            s3_secret_key="none",
            cache_dir=tmp_path,
            listen="127.0.0.1:0",
        )
        await migrate(settings)
        bus = Bus(settings, source="downloader")
        await bus.connect()
        register = Register(bus, SITES_BUCKET)
        assert await register.change("a", one_more) == 1

    with pytest.raises(Unavailable, match="does not answer"):
        await asyncio.wait_for(register.change("a", one_more), 30)
    await bus.close()
