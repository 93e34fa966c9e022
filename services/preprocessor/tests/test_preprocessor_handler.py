"""The preprocessor's handlers over a store in a folder, with real children and small real films."""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from heaters_contracts.fact import Fact, Told, tell
from heaters_contracts.facts import (
    SegmentPlanned,
    SegmentPreprocessed,
    VideoDownloaded,
    VideoMasterStored,
    VideoPlanned,
)
from heaters_contracts.objects import source_key
from heaters_edges import job as jobs
from heaters_edges.child import warm_up
from heaters_edges.failure import Busy
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import Objects, sha256_of_file
from heaters_media.film import FilmKind, render_film
from heaters_media.ledger import FrameTable, Packets
from heaters_media.storyboard import Storyboard
from heaters_media.waveform import Waveform
from heaters_preprocessor.handler import plan, preprocess, store_master
from heaters_preprocessor.settings import PreprocessorSettings
from heaters_preprocessor.transcode import PRELOAD


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(["heaters_preprocessor.transcode", *PRELOAD])


@pytest.fixture(autouse=True)
async def _job() -> None:
    """A coroutine, so that the job is taken back: one that a plain function begins would stay that of all later tests."""
    jobs.begin(jobs.Job("test", deadline_s=60, memory_bytes=1 << 30))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def objects(store: FolderStore, tmp_path: Path) -> Objects:
    return Objects(store, tmp_path / "cache", limit_bytes=1 << 30)


def settings(tmp_path: Path, **changes: object) -> PreprocessorSettings:
    given = {
        "nats_url": "nats://127.0.0.1:1", "s3_endpoint": "http://127.0.0.1:1", "s3_bucket": "b", "s3_access_key": "k",
        "s3_secret_key": "s", "cache_dir": tmp_path / "cache", "listen": "127.0.0.1:0", "first_segment_s": 1,
    }  # fmt: skip
    return PreprocessorSettings.model_validate(given | changes)


async def told_of(film: Path, objects: Objects) -> Told[VideoDownloaded]:
    video_id, digest = uuid4(), sha256_of_file(film)
    stored = await objects.put(film, source_key(video_id, digest, film.suffix), sha256=digest)
    fact = VideoDownloaded(source=stored, title="film")
    return tell(fact, video_id=video_id, lane="bulk", cause=None, time=datetime.now(UTC))


def after(told: Told[VideoDownloaded], fact: SegmentPlanned) -> Told[SegmentPlanned]:
    return tell(fact, video_id=told.video_id, lane="bulk", cause=told.id, time=datetime.now(UTC))


async def all_of_it(
    film: Path, objects: Objects, chosen: PreprocessorSettings
) -> tuple[Told[VideoDownloaded], VideoPlanned, list[SegmentPreprocessed]]:
    told = await told_of(film, objects)
    facts: list[Fact] = [fact async for fact in plan(told, objects=objects, settings=chosen)]
    planned = facts.pop()
    assert isinstance(planned, VideoPlanned)
    pieces = [fact for fact in facts if isinstance(fact, SegmentPlanned)]
    made = [
        await preprocess(after(told, piece), objects=objects, profile="review", parts_from_bytes=1 << 40)
        for piece in pieces
    ]
    return told, planned, made


async def test_a_source_that_is_like_a_proxy_is_the_proxy(objects: Objects, store: FolderStore, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=100, b_frames=2, audio_rate=48000))

    told, planned, made = await all_of_it(film, objects, settings(tmp_path))

    assert planned.source_is_proxy
    assert [segment.proxy for segment in made] == [told.fact.source] * len(made)
    assert {segment.profile for segment in made} == {"source"}
    assert sum(segment.segment.frames for segment in made) == planned.frames == 100
    assert not [key for operation, key in store.requests if operation == "put" and "/proxy/" in key]
    packets = [Packets.load(await objects.read(segment.packets)) for segment in made]
    data = film.read_bytes()
    table = FrameTable.load(await objects.read(planned.frame_table))
    assert sorted(pts for part in packets for pts in part.pts.tolist()) == table.pts.tolist()
    assert all(data[int(at) + 4] & 31 in (5, 6) for part in packets for at in part.offset_bytes[part.key])


@pytest.mark.parametrize(("codec", "reuse"), [("libx264", False), ("mpeg4", True)])
async def test_any_other_source_is_encoded(codec: str, reuse: bool, objects: Objects, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=60, codec=codec))

    told, planned, made = await all_of_it(film, objects, settings(tmp_path, reuse=reuse))

    assert not planned.source_is_proxy
    assert all(segment.proxy.key != told.fact.source.key for segment in made)
    assert {segment.profile for segment in made} == {"review"}
    assert sum(segment.segment.frames for segment in made) == 60


async def test_a_segment_brings_what_the_page_draws(objects: Objects, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=60, audio_rate=48000))
    silent = render_film(tmp_path / "silent.mp4", FilmKind(frames=60))

    _, _, made = await all_of_it(film, objects, settings(tmp_path))
    _, _, made_silent = await all_of_it(silent, objects, settings(tmp_path))

    for segment in made:
        assert segment.storyboard is not None
        assert segment.waveform is not None
        assert Storyboard.load(await objects.read(segment.storyboard)).frames[0] == segment.segment.first_frame
        assert len(Waveform.load(await objects.read(segment.waveform)).low) > 0
        assert segment.frames_damaged == 0
    assert all(segment.storyboard and segment.waveform is None for segment in made_silent)


async def test_a_master_that_another_process_makes_is_waited_for(objects: Objects, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=10))
    told, planned, _ = await all_of_it(film, objects, chosen := settings(tmp_path))
    asked = tell(planned, video_id=told.video_id, lane="bulk", cause=told.id, time=datetime.now(UTC))
    pieces = chosen.cache_dir / "masters" / f"{told.video_id}-{told.fact.source.sha256[:16]}"
    pieces.mkdir(parents=True)

    with (pieces / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="another process"):
            await anext(store_master(asked, objects=objects, settings=chosen))


async def test_a_master_goes_on_with_what_an_earlier_attempt_left(objects: Objects, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=60))
    told, planned, _ = await all_of_it(film, objects, chosen := settings(tmp_path, master_storage_class=""))
    left = tmp_path / "cache" / "masters" / f"{told.video_id}-{planned.source.sha256[:16]}"
    left.mkdir(parents=True)
    (left / "00000.part").write_bytes(b"half a piece")
    (forgotten := left.with_name("forgotten")).mkdir()
    os.utime(forgotten, (0, 0))
    work = tell(planned, video_id=told.video_id, lane="bulk", cause=told.id, time=datetime.now(UTC))

    [stored] = [fact async for fact in store_master(work, objects=objects, settings=chosen)]

    assert isinstance(stored, VideoMasterStored)
    assert stored.frames == 60
    assert list((tmp_path / "cache" / "masters").iterdir()) == []


async def test_masters_can_be_switched_off(objects: Objects, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=10))
    told, planned, _ = await all_of_it(film, objects, chosen := settings(tmp_path, master=False))
    work = tell(planned, video_id=told.video_id, lane="bulk", cause=told.id, time=datetime.now(UTC))

    assert [fact async for fact in store_master(work, objects=objects, settings=chosen)] == []
