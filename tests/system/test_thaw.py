"""An export at the original's quality whose original lies in cold storage: the exporter's handler and worker on a real NATS.

The store is a folder that can freeze: SeaweedFS neither freezes nor restores, and moto's server gives what it restores at once. The
call itself is tested on moto's, beside the other calls.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import UnionType
from uuid import uuid4

import pytest
from heaters_contracts.fact import Fact, Told, decode, tell
from heaters_contracts.facts import ClipApproved, ClipExported, StageFailed
from heaters_contracts.facts.clip import ProxyPart
from heaters_contracts.objects import ObjectRef, segment_key, source_key
from heaters_contracts.pipeline import work_named
from heaters_contracts.spans import Segment, Span
from heaters_edges.bus import Bus
from heaters_edges.child import warm_up
from heaters_edges.delivery import Duty, Worker
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.resident import Resident
from heaters_edges.settings import Settings
from heaters_edges.streams import migrate
from heaters_exporter.cut import PRELOAD
from heaters_exporter.handler import export
from heaters_exporter.settings import ExporterSettings
from heaters_media.film import FilmKind, read_numbers, render_film
from heaters_media.plan import PlannedSegment, plan
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW

VIDEO = uuid4()
EXPORT = work_named("export")
LOOKS = 2 * EXPORT.attempts
"""The restore takes so many looks: more than the work has attempts."""


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(["heaters_exporter.cut", *PRELOAD])


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    await migrate(settings)
    bus = Bus(settings, source="test")
    await bus.connect()
    yield bus
    await bus.close()


async def _approved(store: FolderStore, folder: Path) -> Told[ClipApproved]:
    """An approval of frames 3 to 20 of a film whose original is frozen, as review-api tells it."""
    objects = Objects(store, folder / "elsewhere", limit_bytes=1 << 30)
    film = render_film(folder / "film.mkv", FilmKind(frames=30, width_px=2560, height_px=1440))
    digest = sha256_of_file(film)
    source = ObjectRef(key=source_key(VIDEO, digest, ".mkv"), bytes=film.stat().st_size, sha256=digest)
    store.put(film, source.key, content_type="video/x-matroska", sha256=digest)
    store.frozen.add(source.key)
    [piece] = [piece for piece in plan(film, parts=1) if isinstance(piece, PlannedSegment)]
    done = preprocess(film, piece, total_frames=30, out_dir=folder, profile=REVIEW)
    assert done.proxy is not None
    proxy, packets = [
        await objects.put(path, segment_key(VIDEO, kind, "review", 0, sha256_of_file(path), path.suffix))
        for kind, path in (("proxy", done.proxy), ("packets", done.packets))
    ]
    place = Segment(
        index=0, first_frame=0, frames=30, start_ticks=piece.start_ticks, end_ticks=piece.end_ticks
    )  # fmt: skip
    fact = ClipApproved(
        clip_id=uuid4(), span=Span(start=3, end=20), by="ana", idempotency_key="k", quality="source", source=source,
        parts=(ProxyPart(segment=place, proxy=proxy, packets=packets),),
    )  # fmt: skip
    return tell(fact, video_id=VIDEO, lane="interactive", cause=None, time=datetime.now(UTC))


async def _until_told(bus: Bus, kinds: type[Fact] | UnionType) -> list[Fact]:
    """The video's facts, once one of these kinds is among them."""
    async with asyncio.timeout(60):
        async for _ in bus.follow(0):
            facts = [decode(one.subject, one.headers, one.data).fact for one in await bus.history(VIDEO)]
            if any(isinstance(fact, kinds) for fact in facts):
                return facts
    raise AssertionError("the stream ended")


async def _thaw_after(looks: int, store: FolderStore, key: str) -> None:
    while store.requests.count(("restore", key)) < looks:  # noqa: ASYNC110 - nobody tells of a request
        await asyncio.sleep(0.02)
    store.frozen.clear()


async def test_it_waits_as_long_as_it_takes_and_goes_on_by_itself(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    chosen = ExporterSettings.model_validate(settings.model_dump() | {"thaw_poll_s": 0.05})
    store = FolderStore(tmp_path / "store")
    objects = Objects(store, chosen.cache_dir, limit_bytes=1 << 30)
    told = await _approved(store, tmp_path)
    assert told.fact.source is not None
    resident = Resident(memory_bytes=1 << 30)
    handler = partial(export, objects=objects, resident=resident, settings=chosen)
    worker = Worker(bus, objects, chosen, [Duty(EXPORT, handler)])

    await bus.publish(told)
    await worker.start()
    try:
        await _thaw_after(LOOKS, store, told.fact.source.key)
        facts = await _until_told(bus, ClipExported | StageFailed)
    finally:
        await worker.stop()
        await resident.end()

    assert [fact.TYPE for fact in facts] == ["clip.approved", "video.thaw_requested", "video.thawed", "clip.exported"]
    assert isinstance(facts[-1], ClipExported)
    async with objects.local(facts[-1].object) as (file,):
        assert read_numbers(file) == list(range(3, 20))
