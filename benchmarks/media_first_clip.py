"""How soon the first clip of a film can be reviewed after its upload, and whether a long film's waits longer.

The films are 1080p with B-frames and a first cut after two seconds: one of about a minute, and one of an hour, made from the same
packets over and over. Both go through the real services, two preprocessors as on any machine of two cores, until the fold of what
they told has a clip that is open for review; nobody waits for the rest of the hour.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from heaters_contracts.fact import Fact, Lane, Told, decode, tell
from heaters_contracts.facts import StageFailed, VideoRequested
from heaters_contracts.ingest import UploadSource
from heaters_contracts.objects import ObjectRef, upload_key
from heaters_edges.bus import Bus
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_media.sample import render_sample
from heaters_review_api.core.fold import fold
from heaters_review_api.core.states import ClipState
from heaters_review_api.core.tables import Tables

from benchmarks._media import ffmpeg
from benchmarks._servers import servers
from benchmarks._services import running
from benchmarks.harness import Claim, note

SERVICES = ("downloader", "preprocessor", "preprocessor-2", "scenes")
_SECONDS, _MINUTE, _HOUR = 20, 3, 180
"""Length of the film that is repeated, and how often it is for a minute and for an hour."""
_LANE: Lane = "interactive"
_WITHIN_S = 120.0


def _film(folder: Path) -> Path:
    """Twenty seconds of 1080p as cameras and editors make them: B-frames, a key frame every two seconds."""
    render_sample(folder / "sample.mp4", seconds=_SECONDS)
    out = folder / "film.mp4"
    ffmpeg(
        [], "-i", folder / "sample.mp4", "-vf", "scale=-2:1080", "-c:v", "libx264", "-preset", "veryfast", "-crf", "30",
        "-x264-params", "keyint=50:bframes=2", "-c:a", "copy", out,
    )  # fmt: skip
    return out


def _repeated(film: Path, times: int) -> Path:
    out = film.with_name(f"{times}.mp4")
    ffmpeg([], "-stream_loop", str(times - 1), "-i", film, "-c", "copy", "-movflags", "+faststart", out)
    return out


async def _until_open(bus: Bus, source: ObjectRef) -> float:
    """Seconds from the request to a clip that is open for review."""
    video_id, told = uuid4(), list[Told[Fact]]()
    fact = VideoRequested(
        source=UploadSource(key=source.key, name="film.mp4"), requester="bench", request_id=str(video_id)
    )
    after = await bus.last_sequence()
    began_s = time.monotonic()
    await bus.publish(tell(fact, video_id=video_id, lane=_LANE, cause=None, time=datetime.now(UTC)))
    async for batch in bus.follow(after):
        for message in batch:
            one = decode(message.subject, message.headers, message.data).stored(message.sequence, message.stored_at)
            if isinstance(one.fact, StageFailed):
                raise RuntimeError(f"{one.fact.stage} failed: {one.fact.reason}")
            if one.video_id == video_id:
                told.append(one)
        if _is_open(video_id, told):
            return time.monotonic() - began_s
    raise RuntimeError("the stream ended")


def _is_open(video_id: UUID, told: list[Told[Fact]]) -> bool:
    tables = fold(Tables.empty(video_id), told)
    return any(clip.live and clip.state == ClipState.PENDING_REVIEW for clip in tables.clips.values())


async def _measure(film: Path, settings: Settings) -> float:
    bus = Bus(settings, source="bench")
    await bus.connect()
    objects = Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 40)
    digest = sha256_of_file(film)
    stored = await objects.put(film, upload_key("bench", digest, ".mp4"), sha256=digest)
    async with asyncio.timeout(_WITHIN_S):
        seconds = await _until_open(bus, stored)
    await bus.close()
    return seconds


def claims() -> Iterator[Claim]:
    """`first_clip` and `first_clip_growth`."""
    waited: list[float] = []
    with tempfile.TemporaryDirectory(prefix="heaters-bench-") as name:
        film = _film(Path(name))
        for times in (_MINUTE, _HOUR):
            whole = _repeated(film, times)
            # Servers of their own for each, so that what is left of one film takes nothing from the other.
            with servers() as (folder, settings), running(folder, settings, SERVICES):
                waited.append(asyncio.run(_measure(whole, settings)))
            note(f"{times * _SECONDS} s of 1080p, {whole.stat().st_size >> 20} MiB: open after {waited[-1]:.1f} s")
    yield Claim.absolute("first_clip", waited[1], limit=10, unit="s", better="lower")
    yield Claim("first_clip_growth", waited[1], waited[0], "s", "lower", 2)
