"""The handler of scene detection over a store in a folder, with real children and a small real film."""

import io
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import pytest
from heaters_contracts.curves import unpacked
from heaters_contracts.detectors import UnknownDetector, Wish
from heaters_contracts.fact import Told, tell
from heaters_contracts.facts import SegmentPreprocessed
from heaters_contracts.ingest import Options
from heaters_contracts.objects import segment_key
from heaters_contracts.spans import Segment
from heaters_edges import job as jobs
from heaters_edges.child import warm_up
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.resident import Resident
from heaters_media.film import FilmKind, render_film
from heaters_media.plan import Plan, plan
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW
from heaters_scenes.detect import preload
from heaters_scenes.handler import detect_scenes

ADAPTIVE = Wish("adaptive")


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(preload(ADAPTIVE))


@pytest.fixture(autouse=True)
async def _job() -> None:
    """A coroutine, so that the job is taken back: one that a plain function begins would stay that of all later tests."""
    jobs.begin(jobs.Job("test", deadline_s=60, memory_bytes=1 << 30))


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(FolderStore(tmp_path / "store"), tmp_path / "cache", limit_bytes=1 << 30)


@pytest.fixture
async def resident() -> AsyncIterator[Resident]:
    resident = Resident(memory_bytes=1 << 30)
    yield resident
    await resident.end()


@pytest.fixture
async def told(objects: Objects, tmp_path: Path) -> Told[SegmentPreprocessed]:
    """The one segment of a numbered film of 60 frames, with a sound that is as loud everywhere."""
    film = render_film(tmp_path / "film.mp4", FilmKind(audio_rate=48000))
    *_, whole = plan(film, parts=1)
    assert isinstance(whole, Plan)
    (piece,) = whole.segments
    (out := tmp_path / "out").mkdir()
    made = preprocess(film, piece, total_frames=whole.frames, out_dir=out, profile=REVIEW)
    video = uuid4()
    refs = {}
    for kind in ("proxy", "packets", "tiny", "waveform"):
        path = getattr(made, kind)
        key = segment_key(video, kind, "review", 0, sha256_of_file(path), path.suffix)
        refs[kind] = await objects.put(path, key)
    fact = SegmentPreprocessed(
        segment=Segment(**asdict(piece)), profile="review", width_px=made.width_px, height_px=made.height_px, **refs
    )
    return tell(fact, video_id=video, lane="bulk", cause=None, time=datetime.now(UTC))


async def test_a_segment_gets_cuts_and_a_score_and_measures_for_each_frame(
    told: Told[SegmentPreprocessed], objects: Objects, resident: Resident
) -> None:
    found = await detect_scenes(told, objects=objects, resident=resident, default=Wish("adaptive", 1.5), threads=1)

    assert found.detector.startswith("adaptive(strictness=1.5,")
    assert found.scores is not None
    scores = np.load(io.BytesIO(await objects.read(found.scores)))
    assert (scores.dtype, scores.shape) == (np.float32, (60,))
    assert found.curves is not None
    motion, brightness, _, loudness = unpacked(found.curves)
    assert motion[0] == 0
    # Half of the blocks are 28, and half of them 228; the sound is a sine of 0.3 of full scale, which is 38 of 127.
    assert 120 <= min(brightness) <= max(brightness) <= 136
    assert all(60 <= peak <= 92 for peak in loudness)


async def test_the_requests_own_detector_goes_before_the_setting(
    told: Told[SegmentPreprocessed], objects: Objects, resident: Resident
) -> None:
    def asking(detector: str) -> Told[SegmentPreprocessed]:
        fact = told.fact.model_copy(update={"options": Options(detector=detector)})
        return tell(fact, video_id=told.video_id, lane="bulk", cause=None, time=told.time)

    found = await detect_scenes(
        asking("adaptive"), objects=objects, resident=resident, default=Wish("adaptive", 2.0), threads=1
    )

    assert found.detector.startswith("adaptive(ratio=3,")
    with pytest.raises(UnknownDetector, match="there are adaptive, transnetv2, cascade"):
        await detect_scenes(asking("dreams"), objects=objects, resident=resident, default=ADAPTIVE, threads=1)


async def test_the_network_is_loaded_once_for_many_segments(
    told: Told[SegmentPreprocessed], objects: Objects, resident: Resident
) -> None:
    def processes() -> set[int]:
        # Of the process that children are forked from, and of nobody else who lives below this one.
        alive = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
        parents = [one for one in alive if "multiprocessing.forkserver" in " ".join(one.cmdline())]
        return {process.pid for parent in parents for process in parent.children()}

    before = processes()
    first = await detect_scenes(told, objects=objects, resident=resident, default=Wish("transnetv2"), threads=1)
    kept = processes() - before
    second = await detect_scenes(told, objects=objects, resident=resident, default=Wish("cascade"), threads=1)

    assert first.detector.startswith("transnetv2(")
    assert second.detector.startswith("cascade(")
    assert len(kept) == 1
    assert processes() - before == kept
