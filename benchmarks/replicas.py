"""Whether a second replica of the preprocessor brings its own throughput: bulk work, one encoder thread each.

A film of 1080p is planned by a service that does nothing else, so that its segments wait in the stream; then one replica makes all
of its proxies, and after it two make those of the very same film again, as another video. Throughput is frames over the time from the
first segment's begin to the last one's end, as their facts tell it: the start of processes is not in it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from heaters_contracts.fact import decode, tell
from heaters_contracts.facts import SegmentPreprocessed, StageFailed, VideoPlanned, VideoRequested
from heaters_contracts.ingest import UploadSource
from heaters_contracts.objects import upload_key
from heaters_edges.bus import Bus
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_media.sample import render_sample

from benchmarks._media import ffmpeg
from benchmarks._servers import servers
from benchmarks._services import running
from benchmarks.harness import Claim, note

TURNS = 3  # odd: one of them is the middle
_SECONDS = 20
_BULK = {"HEATERS_LANES": "bulk", "HEATERS_FIRST_SEGMENT_S": "2", "HEATERS_LONGEST_SEGMENT_S": "2"}
_WITHIN_S = 300.0


def _film(folder: Path) -> Path:
    render_sample(folder / "sample.mp4", seconds=_SECONDS)
    out = folder / "film.mp4"
    ffmpeg(
        [], "-i", folder / "sample.mp4", "-vf", "scale=-2:1080", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30",
        "-x264-params", "keyint=25", "-c:a", "copy", out,
    )  # fmt: skip
    return out


@asynccontextmanager
async def _bus(settings: Settings) -> AsyncIterator[Bus]:
    bus = Bus(settings, source="bench")
    await bus.connect()
    try:
        async with asyncio.timeout(_WITHIN_S):
            yield bus
    finally:
        await bus.close()


async def _plan(settings: Settings, film: Path) -> tuple[int, int]:
    """Have the film planned as a new video. Returns its frames, and the sequence after which its proxies will be told."""
    objects = Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 34)
    digest, video_id = sha256_of_file(film), uuid4()
    stored = await objects.put(film, upload_key("bench", digest, ".mp4"), sha256=digest)
    fact = VideoRequested(
        source=UploadSource(key=stored.key, name="film.mp4"), requester="bench", request_id=str(video_id)
    )
    async with _bus(settings) as bus:
        after = await bus.last_sequence()
        await bus.publish(tell(fact, video_id=video_id, lane="bulk", cause=None, time=datetime.now(UTC)))
        async for batch in bus.follow(after):
            for told in (decode(one.subject, one.headers, one.data) for one in batch):
                if isinstance(told.fact, StageFailed):
                    raise RuntimeError(f"{told.fact.stage} failed: {told.fact.reason}")
                if isinstance(told.fact, VideoPlanned):
                    return told.fact.frames, await bus.last_sequence()
    raise RuntimeError("the stream has an end")


async def _frames_per_s(settings: Settings, frames: int, after: int) -> float:
    """How fast so many frames are made, that are told after a sequence."""
    made, began, ended = 0, list[datetime](), list[datetime]()
    async with _bus(settings) as bus:
        async for batch in bus.follow(after):
            for told in (decode(one.subject, one.headers, one.data) for one in batch):
                if isinstance(told.fact, StageFailed):
                    raise RuntimeError(f"{told.fact.stage} failed: {told.fact.reason}")
                if isinstance(told.fact, SegmentPreprocessed) and told.work is not None:
                    made += told.fact.segment.frames
                    began.append(told.work.started)
                    ended.append(told.work.finished)
            if made >= frames:
                break
    return made / (max(ended) - min(began)).total_seconds()


def _turn(folder: Path, settings: Settings, film: Path, *replicas: str) -> float:
    """Frames a second of some replicas."""
    plans = {"preprocessor": {**_BULK, "HEATERS_STAGES": "plan"}}
    with running(folder, settings, ("downloader", "preprocessor"), plans):
        frames, after = asyncio.run(_plan(settings, film))
    encodes = {name: {**_BULK, "HEATERS_STAGES": "preprocess"} for name in replicas}
    with running(folder, settings, replicas, encodes):
        return asyncio.run(_frames_per_s(settings, frames, after))


def claims() -> Iterator[Claim]:
    """`replicas`: frames a second of two replicas beside one's, of the pair with the median ratio."""
    with servers() as (folder, settings):
        film = _film(folder)
        pairs = [
            (
                _turn(folder, settings, film, "preprocessor"),
                _turn(folder, settings, film, "preprocessor", "preprocessor-2"),
            )
            for _ in range(TURNS)
        ]
    note(f"frames a second of one and of two: {', '.join(f'{one:.1f} and {two:.1f}' for one, two in pairs)}")
    one, two = sorted(pairs, key=lambda pair: pair[1] / pair[0])[len(pairs) // 2]
    yield Claim("replicas", two, one, "frames/s", "higher", 1.6)
