"""The exporter's handler over a store in a folder, with real children and a small real film."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import av
import pytest
from heaters_contracts.fact import Told, tell
from heaters_contracts.facts import ClipApproved, ClipExported, VideoThawed, VideoThawRequested
from heaters_contracts.facts.clip import ProxyPart
from heaters_contracts.objects import ObjectRef, segment_key, source_key
from heaters_contracts.spans import Segment, Span
from heaters_edges import job as jobs
from heaters_edges.child import warm_up
from heaters_edges.failure import Waiting
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.resident import Resident
from heaters_exporter.cut import PRELOAD
from heaters_exporter.handler import NoSource, export
from heaters_exporter.settings import ExporterSettings
from heaters_media.film import FilmKind, read_numbers, render_film
from heaters_media.plan import PlannedSegment, plan
from heaters_media.preprocess import preprocess
from heaters_media.probe import probe
from heaters_media.profiles import REVIEW

VIDEO = uuid4()


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(["heaters_exporter.cut", *PRELOAD])


@pytest.fixture(autouse=True)
async def _job() -> None:
    """A coroutine, so that the job is taken back: one that a plain function begins would stay that of all later tests."""
    jobs.begin(jobs.Job("test", deadline_s=60, memory_bytes=1 << 30))


@pytest.fixture
async def resident() -> AsyncIterator[Resident]:
    resident = Resident(memory_bytes=1 << 30)
    yield resident
    await resident.end()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("store"))


@pytest.fixture
def elsewhere(store: FolderStore, tmp_path: Path) -> Objects:
    """A node that made none of it: its cache is empty."""
    return Objects(store, tmp_path / "elsewhere", limit_bytes=1 << 30)


@pytest.fixture(scope="module")
async def parts(
    store: FolderStore, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ObjectRef, tuple[ProxyPart, ...]]:
    """A film of 60 frames in two segments: its source, and its proxy."""
    tmp_path = tmp_path_factory.mktemp("made")
    objects = Objects(store, tmp_path / "cache", limit_bytes=1 << 30)
    film = render_film(tmp_path / "film.mkv", FilmKind(width_px=2560, height_px=1440))
    source = await objects.put(film, source_key(VIDEO, sha256_of_file(film), ".mkv"))
    made = []
    for piece in plan(film, parts=2):
        if isinstance(piece, PlannedSegment):
            (out := tmp_path / str(piece.index)).mkdir()
            done = preprocess(film, piece, total_frames=60, out_dir=out, profile=REVIEW)
            assert done.proxy is not None
            refs = [
                await objects.put(
                    path, segment_key(VIDEO, kind, "review", piece.index, sha256_of_file(path), path.suffix)
                )
                for kind, path in (("proxy", done.proxy), ("packets", done.packets))
            ]
            place = Segment(
                index=piece.index, first_frame=piece.first_frame, frames=piece.frames,
                start_ticks=piece.start_ticks, end_ticks=piece.end_ticks,
            )  # fmt: skip
            made.append(ProxyPart(segment=place, proxy=refs[0], packets=refs[1]))
    return source, tuple(made)


def approved(parts: tuple[ProxyPart, ...], **more: object) -> Told[ClipApproved]:
    given = {
        "clip_id": uuid4(), "span": Span(start=13, end=41), "by": "ana", "idempotency_key": "k", "parts": parts,
    }  # fmt: skip
    fact = ClipApproved.model_validate(given | more)
    return tell(fact, video_id=VIDEO, lane="interactive", cause=None, time=datetime.now(UTC))


def settings() -> ExporterSettings:
    given = {
        "nats_url": "nats://127.0.0.1:1", "s3_endpoint": "http://127.0.0.1:1", "s3_bucket": "b", "s3_access_key": "a",
        "s3_secret_key": "s", "cache_dir": "nowhere", "listen": "127.0.0.1:0", "thaw_poll_s": 7,
    }  # fmt: skip
    return ExporterSettings.model_validate(given)


async def exported(told: Told[ClipApproved], objects: Objects, resident: Resident) -> ClipExported:
    """What an export tells that waits for nothing."""
    [fact] = [fact async for fact in export(told, objects=objects, resident=resident, settings=settings())]
    assert isinstance(fact, ClipExported)
    return fact


async def test_an_export_reads_only_the_clips_own_bytes(
    parts: tuple[ObjectRef, tuple[ProxyPart, ...]], store: FolderStore, elsewhere: Objects, resident: Resident
) -> None:
    proxies = {part.proxy.key for part in parts[1]}
    before = len(store.requests)

    done = await exported(approved(parts[1]), elsewhere, resident)

    asked = [operation for operation, key in store.requests[before:] if key in proxies]
    assert asked == ["get_range", "get_range"]
    async with elsewhere.local(done.object) as (file,):
        assert read_numbers(file) == list(range(13, 41))
    assert (done.proof.frames_counted, done.proof.frames_copied + done.proof.frames_encoded) == (28, 28)
    assert done.proof.frames_encoded <= done.proof.frames_seen <= done.proof.frames_encoded + 1


async def test_an_export_says_the_hash_of_the_packets_that_it_copied(
    parts: tuple[ObjectRef, tuple[ProxyPart, ...]], elsewhere: Objects, resident: Resident
) -> None:
    second = parts[1][1]
    span = Span(start=second.segment.first_frame, end=second.segment.first_frame + second.segment.frames)

    done = await exported(approved(parts[1], span=span), elsewhere, resident)

    async with elsewhere.local(second.proxy) as (file,):
        with av.open(str(file)) as proxy:
            packets = b"".join(bytes(packet) for packet in proxy.demux(video=0) if packet.size)
    assert done.proof.frames_copied == span.frames
    assert done.proof.copied_sha256 == hashlib.sha256(packets).hexdigest()


async def test_source_quality_is_the_sources_own_size(
    parts: tuple[ObjectRef, tuple[ProxyPart, ...]], elsewhere: Objects, resident: Resident
) -> None:
    done = await exported(approved(parts[1], quality="source", source=parts[0]), elsewhere, resident)

    async with elsewhere.local(done.object) as (file,):
        assert read_numbers(file) == list(range(13, 41))
        assert (probe(file).width_px, probe(file).height_px) == (2560, 1440)
    assert (done.proof.frames_copied, done.proof.frames_encoded) == (0, 28)
    assert done.proof.copied_sha256 is None


async def test_source_quality_of_a_video_that_is_its_own_proxy_is_the_proxys(
    parts: tuple[ObjectRef, tuple[ProxyPart, ...]], elsewhere: Objects, resident: Resident
) -> None:
    told = approved(parts[1][:1], span=Span(start=3, end=9), quality="source", source=parts[1][0].proxy)

    done = await exported(told, elsewhere, resident)

    async with elsewhere.local(done.object) as (file,):
        assert read_numbers(file) == list(range(3, 9))


async def test_source_quality_without_a_source_is_refused_for_good(
    parts: tuple[ObjectRef, tuple[ProxyPart, ...]], elsewhere: Objects, resident: Resident
) -> None:
    with pytest.raises(NoSource, match="does not name the original"):
        await exported(approved(parts[1], quality="source"), elsewhere, resident)


async def test_an_export_waits_for_an_original_in_cold_storage_and_goes_on_when_it_is_back(
    parts: tuple[ObjectRef, tuple[ProxyPart, ...]], store: FolderStore, elsewhere: Objects, resident: Resident
) -> None:
    told = approved(parts[1], quality="source", source=parts[0])
    store.frozen.add(parts[0].key)

    waiting = export(told, objects=elsewhere, resident=resident, settings=settings())
    before = await anext(waiting)
    with pytest.raises(Waiting) as waits:
        await anext(waiting)
    asked = ("restore", parts[0].key) in store.requests
    store.frozen.clear()
    after = [fact async for fact in export(told, objects=elsewhere, resident=resident, settings=settings())]

    assert before == VideoThawRequested(object=parts[0])
    assert (asked, waits.value.again_in_s) == (True, 7)
    assert after[0] == VideoThawed(object=parts[0])
    assert isinstance(after[1], ClipExported)
    assert after[1].proof.frames_counted == 28
