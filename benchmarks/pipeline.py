"""What a minute of video costs on its way to review, beside the ffmpeg command that makes the same proxy.

The sample film goes through the real services, each a process of its own as in production, up to the last segment's cuts; then
ffmpeg encodes the whole film with the proxy's own settings, one thread each; and again, in turns. Ours makes the plan, the packet
index, the tiny array and the cuts besides, and its children's CPU seconds are those that the facts carry (`work.cpu_s`).
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import imageio_ffmpeg
import psutil
from heaters_contracts.fact import Fact, Told, decode, tell
from heaters_contracts.facts import SegmentScenesDetected, StageFailed, VideoPlanned, VideoRequested
from heaters_contracts.ingest import UploadSource
from heaters_contracts.objects import ObjectRef, upload_key
from heaters_contracts.pipeline import PIPELINE
from heaters_edges.bus import Bus
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_local.process import Child, tail
from heaters_local.servers import free_port
from heaters_media.profiles import REVIEW
from heaters_media.sample import RATE, render_sample

from benchmarks._servers import servers
from benchmarks.harness import Claim, note

REPETITIONS = 3
SERVICES = ("downloader", "preprocessor", "scenes")
STAGES = ("download", "plan", "preprocess", "scenes")
_READY_WITHIN_S = 60.0
_DONE_WITHIN_S = 120.0
_POLL_S = 0.1
_STAGE_OF = {produced.TYPE: work.name for work in PIPELINE for produced in work.produces}


@dataclass(slots=True)
class _Run:
    """One film, once through the services.

    Attributes:
        cpu_s: each stage's CPU seconds, in the children that did the work.
        tree_s: CPU seconds of each service's whole process tree meanwhile, the children's included.
        waited_s: of each stage, from the cause lying in the stream to the work's start: job by job, in stream order.
        wall_s: from the request to the last segment's cuts.
        segments: of the film.
    """

    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    tree_s: dict[str, float] = field(default_factory=dict)
    waited_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wall_s: float = 0.0
    segments: int = 0


def _environment(settings: Settings, service: str, port: int) -> dict[str, str]:
    return os.environ | {
        "HEATERS_NATS_URL": settings.nats_url,
        "HEATERS_S3_ENDPOINT": settings.s3_endpoint,
        "HEATERS_S3_BUCKET": settings.s3_bucket,
        "HEATERS_S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "HEATERS_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "HEATERS_CACHE_DIR": str(settings.cache_dir),
        "HEATERS_LISTEN": f"127.0.0.1:{port}",
        "HEATERS_SERVICE_INSTANCE": service,
        "HEATERS_MASTER": "false",  # the master is its own job, never on the way to review
    }


@contextmanager
def _services(folder: Path, settings: Settings) -> Iterator[Mapping[str, psutil.Process]]:
    """The stages up to review, one process each, ready for work."""
    with ExitStack() as stack:
        children: dict[str, tuple[Child, int]] = {}
        for service in SERVICES:
            port = free_port()
            command = [sys.executable, "-m", f"heaters_{service}"]
            child = Child(command, log=folder / f"{service}.log", env=_environment(settings, service, port))
            stack.callback(child.stop, 10)
            children[service] = child, port
        for service, (child, port) in children.items():
            _until_ready(service, child, port)
        yield {service: psutil.Process(child.pid) for service, (child, _) in children.items()}


def _until_ready(service: str, child: Child, port: int) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while child.exit_code is None and time.monotonic() < deadline_s:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=1).is_success:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(_POLL_S)
    raise RuntimeError(f"{service} did not come up (exit code {child.exit_code}):\n{tail(child.log)}")


def _tree_cpu_s(service: psutil.Process) -> float:
    """CPU seconds of a service, of its living children, and of those that have ended and were waited for."""
    return sum(sum(process.cpu_times()[:4]) for process in (service, *service.children(recursive=True)))


async def _through(bus: Bus, film: ObjectRef, services: Mapping[str, psutil.Process]) -> _Run:
    """Send the film through the services, as a new video, and wait for the cuts of its last segment."""
    run, stored_at, video_id = _Run(), dict[UUID, datetime](), uuid4()
    fact = VideoRequested(
        source=UploadSource(key=film.key, name="sample.mp4"), requester="bench", request_id=str(video_id)
    )
    after = await bus.last_sequence()
    before_s = {name: _tree_cpu_s(process) for name, process in services.items()}
    began_s = time.monotonic()
    await bus.publish(tell(fact, video_id=video_id, lane="interactive", cause=None, time=datetime.now(UTC)))
    done, jobs = 0, set[tuple[str, UUID | None]]()
    async for batch in bus.follow(after):
        for message in batch:
            told = decode(message.subject, message.headers, message.data)
            stored_at[told.id] = message.stored_at
            _account(run, told, stored_at, jobs)
            done += isinstance(told.fact, SegmentScenesDetected)
            if isinstance(told.fact, VideoPlanned):
                run.segments = len(told.fact.segments)
        if done == run.segments > 0:
            break
    run.wall_s = time.monotonic() - began_s
    run.tree_s = {name: _tree_cpu_s(process) - before_s[name] for name, process in services.items()}
    return run


def _account(
    run: _Run, told: Told[Fact], stored_at: Mapping[UUID, datetime], jobs: set[tuple[str, UUID | None]]
) -> None:
    """Add what a fact says of its work. A job may tell several facts: it waited once, and its last one says what it used in all."""
    if isinstance(told.fact, StageFailed):
        raise RuntimeError(f"{told.fact.stage} failed: {told.fact.reason}")
    if told.work is None or told.cause is None:
        return
    stage = _STAGE_OF[told.fact.TYPE]
    run.cpu_s[stage] += told.work.cpu_s
    if (stage, told.cause) not in jobs:
        jobs.add((stage, told.cause))
        run.waited_s[stage].append((told.work.started - stored_at[told.cause]).total_seconds())


def _ffmpeg_cpu_s(film: Path, out: Path) -> float:
    """CPU seconds of the ffmpeg command that makes the same proxy: x264 and AAC as the profile says, one thread each."""
    options = REVIEW.x264_options(Fraction(RATE))
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-threads", "1", "-i", str(film)),
        *("-map", "0:v:0", "-map", "0:a:0", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-c:v", "libx264"),
        *(word for name, value in options.items() for word in (f"-{name}", value)),
        *("-c:a", "aac", "-b:a", str(REVIEW.audio_bits_per_s), "-filter_threads", "1"),
        *("-movflags", "+faststart", str(out)),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


async def _measure(
    film: Path, folder: Path, settings: Settings, services: Mapping[str, psutil.Process]
) -> tuple[list[_Run], list[float]]:
    """Ours and ffmpeg's in turns, after one turn that warms caches and children up."""
    bus = Bus(settings, source="bench")
    await bus.connect()
    objects = Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 34)
    digest = sha256_of_file(film)
    stored = await objects.put(film, upload_key("bench", digest, ".mp4"), sha256=digest)
    ours: list[_Run] = []
    peer_s: list[float] = []
    for _ in range(1 + REPETITIONS):
        async with asyncio.timeout(_DONE_WITHIN_S):
            ours.append(await _through(bus, stored, services))
        peer_s.append(await asyncio.to_thread(_ffmpeg_cpu_s, film, folder / "peer.mp4"))
    await bus.close()
    return ours[1:], peer_s[1:]


def _tell_more(runs: Sequence[_Run], peer_s: Sequence[float], minutes: float) -> None:
    """Each stage's share, the services' own part, and the time that was not spent working."""
    middle = {stage: statistics.median(run.cpu_s[stage] for run in runs) for stage in STAGES}
    peer = statistics.median(peer_s)
    note(f"{minutes * 60:.0f} s of film, {runs[0].segments} segments, {len(runs)} times; CPU s per minute of video:")
    for stage, cpu_s in middle.items():
        waits = [statistics.median(one) for one in zip(*(run.waited_s[stage] for run in runs), strict=True)]
        waited = ", ".join(f"{wait_s:.3f}" for wait_s in waits)
        note(f"{stage:<12} {cpu_s / minutes:6.2f}  {cpu_s / sum(middle.values()):4.0%}   waited {waited} s")
    trees_s = statistics.median(sum(run.tree_s.values()) for run in runs)
    parts = ", ".join(
        f"{name} {statistics.median(run.tree_s[name] for run in runs) / minutes:.2f}" for name in SERVICES
    )
    note(f"whole process trees {trees_s / minutes:.2f} ({parts}), {trees_s / peer:.2f} of ffmpeg's")
    note(f"ffmpeg       {peer / minutes:6.2f}")
    handed = statistics.median(sum(run.waited_s[stage][0] for stage in STAGES) for run in runs)
    wall = statistics.median(run.wall_s for run in runs)
    note(f"request to the last cuts {wall:.1f} s; the first segment waited {handed:.3f} s in all")


def claims() -> Iterator[Claim]:
    """`pipeline_cpu`: CPU seconds of the stages up to review, for a minute of video."""
    with servers() as (folder, settings):
        film = folder / "sample.mp4"
        minutes = render_sample(film).frames / RATE / 60
        with _services(folder, settings) as services:
            runs, peer_s = asyncio.run(_measure(film, folder, settings, services))
    _tell_more(runs, peer_s, minutes)
    ours_s = statistics.median(sum(run.cpu_s.values()) for run in runs)
    yield Claim("pipeline_cpu", ours_s / minutes, statistics.median(peer_s) / minutes, "CPU s/min", "lower", 1.3)
