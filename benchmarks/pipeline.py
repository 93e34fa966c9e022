"""What a minute of video costs on its way to review, beside the ffmpeg command that makes the same proxy.

The sample film goes through the real services, each a process of its own as in production, up to the last segment's cuts; right
after it ffmpeg encodes the whole film with the proxy's own settings, one thread each; and again. Ours makes the plan, the packet
index, the tiny array and the cuts besides. Its CPU seconds are those that the facts carry (`work.cpu_s`: of the children that do
the work); what the services' processes used in all is told beside the claim.
"""

import asyncio
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

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
from heaters_media.profiles import REVIEW
from heaters_media.sample import RATE, render_sample

from benchmarks._servers import servers
from benchmarks._services import running
from benchmarks.harness import Claim, note

REPETITIONS = 3  # odd: one of them is the middle
SERVICES = ("downloader", "preprocessor", "scenes")
STAGES = ("download", "plan", "preprocess", "scenes")
_DONE_WITHIN_S = 120.0
_STAGE_OF = {produced.TYPE: work.name for work in PIPELINE for produced in work.produces}


@dataclass(slots=True)
class _Job:
    """One attempt at one message, as its facts tell of it.

    Attributes:
        waited_s: from the cause lying in the stream to the work's start.
        cpu_s: of the child that did the work.
    """

    waited_s: float
    cpu_s: float = 0.0


@dataclass(slots=True)
class _Run:
    """One film, once through the services.

    Attributes:
        jobs: of each stage, by cause, in stream order.
        tree_s: CPU seconds of each service's whole process tree meanwhile, the children's included.
        wall_s: from the request to the last segment's cuts.
        segments: of the film.
    """

    jobs: dict[str, dict[UUID, _Job]] = field(default_factory=lambda: {stage: {} for stage in STAGES})
    tree_s: dict[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    segments: int = 0

    def cpu_s(self, *stages: str) -> float:
        """CPU seconds of these stages' jobs."""
        return sum(job.cpu_s for stage in stages for job in self.jobs[stage].values())

    def waited_s(self, stage: str) -> list[float]:
        """How long each of a stage's jobs waited, in stream order."""
        return [job.waited_s for job in self.jobs[stage].values()]


@dataclass(frozen=True, slots=True)
class _Pair:
    """One run, and the CPU seconds of the ffmpeg that ran right after it."""

    run: _Run
    peer_s: float

    @property
    def ratio(self) -> float:
        """Ours over ffmpeg's, of the work alone."""
        return self.run.cpu_s(*STAGES) / self.peer_s


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
    done = 0
    async for batch in bus.follow(after):
        for message in batch:
            told = decode(message.subject, message.headers, message.data)
            stored_at[told.id] = message.stored_at
            _account(run, told, stored_at)
            done += isinstance(told.fact, SegmentScenesDetected)
            if isinstance(told.fact, VideoPlanned):
                run.segments = len(told.fact.segments)
        if done == run.segments > 0:
            break
    run.wall_s = time.monotonic() - began_s
    run.tree_s = {name: _tree_cpu_s(process) - before_s[name] for name, process in services.items()}
    return run


def _account(run: _Run, told: Told[Fact], stored_at: Mapping[UUID, datetime]) -> None:
    """Add what a fact says of its work. Of the facts that one job tells, the last says what it has used in all."""
    if isinstance(told.fact, StageFailed):
        raise RuntimeError(f"{told.fact.stage} failed: {told.fact.reason}")
    if told.work is None or told.cause is None:
        return
    waited_s = (told.work.started - stored_at[told.cause]).total_seconds()
    job = run.jobs[_STAGE_OF[told.fact.TYPE]].setdefault(told.cause, _Job(waited_s))
    job.cpu_s = max(job.cpu_s, told.work.cpu_s)


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


async def _measure(film: Path, folder: Path, settings: Settings, services: Mapping[str, psutil.Process]) -> list[_Pair]:
    """Ours and ffmpeg's in turns, after one turn that warms caches and children up."""
    bus = Bus(settings, source="bench")
    await bus.connect()
    objects = Objects(S3Store(settings), settings.cache_dir, limit_bytes=1 << 34)
    digest = sha256_of_file(film)
    stored = await objects.put(film, upload_key("bench", digest, ".mp4"), sha256=digest)
    pairs = []
    for _ in range(1 + REPETITIONS):
        async with asyncio.timeout(_DONE_WITHIN_S):
            run = await _through(bus, stored, services)
        pairs.append(_Pair(run, await asyncio.to_thread(_ffmpeg_cpu_s, film, folder / "peer.mp4")))
    await bus.close()
    return pairs[1:]


def _tell_more(pairs: Sequence[_Pair], minutes: float) -> None:
    """Each stage's share, the services' own part, and the time that was not spent working; medians."""
    runs = [pair.run for pair in pairs]
    by_stage = {stage: median(run.cpu_s(stage) for run in runs) / minutes for stage in STAGES}
    note(f"{minutes * 60:.0f} s of film, {runs[0].segments} segments, {len(runs)} times; CPU s per minute of video:")
    for stage, cpu_s in by_stage.items():
        waits = ", ".join(f"{median(one):.3f}" for one in zip(*(run.waited_s(stage) for run in runs), strict=True))
        note(f"{stage:<12}{cpu_s:6.2f} {cpu_s / sum(by_stage.values()):4.0%}  waited for its turn {waits} s")
    note(f"{'ffmpeg':<12}{median(pair.peer_s for pair in pairs) / minutes:6.2f}")
    trees = ", ".join(f"{name} {median(run.tree_s[name] for run in runs) / minutes:.2f}" for name in SERVICES)
    whole = median(sum(pair.run.tree_s.values()) / pair.peer_s for pair in pairs)
    note(f"the services' whole process trees: {trees}; together {whole:.2f} of ffmpeg's")
    note(f"ratios seen: {', '.join(f'{pair.ratio:.2f}' for pair in pairs)}")
    first = median(sum(run.waited_s(stage)[0] for stage in STAGES) for run in runs)
    wall = median(run.wall_s for run in runs)
    note(f"request to the last cuts {wall:.1f} s; the first segment waited {first:.3f} s in all")


def claims() -> Iterator[Claim]:
    """`pipeline_cpu`: CPU seconds of the stages up to review for a minute of video, of the pair with the median ratio."""
    with servers() as (folder, settings):
        film = folder / "sample.mp4"
        minutes = render_sample(film).frames / RATE / 60
        with running(folder, settings, SERVICES) as services:
            pairs = asyncio.run(_measure(film, folder, settings, services))
    _tell_more(pairs, minutes)
    # Others share the machine: what lay next to each other in time is compared, and of that the middle is taken.
    middle = sorted(pairs, key=lambda pair: pair.ratio)[len(pairs) // 2]
    yield Claim("pipeline_cpu", middle.run.cpu_s(*STAGES) / minutes, middle.peer_s / minutes, "CPU s/min", "lower", 1.3)
