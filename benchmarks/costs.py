"""What an hour of video costs, stage by stage, what the services cost that do nothing, and what a cluster does in a day.

A film of 1080p goes through everything that `heaters up` starts: every clip is approved, exported and embedded, and a master is stored. CPU
seconds and bytes are those that the facts carry (`work`); memory is the most that a service's processes were seen to have, shared pages
counted once. Then each service starts by itself, some times: how long until it is ready, and what it takes while nothing happens; and
its image as well, once, where it was built. The tables are written to build/costs.md; `make costs` puts them into docs/operations.md.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import psutil
from heaters_contracts.fact import Fact, Told, decode
from heaters_contracts.pipeline import PIPELINE, SERVICES
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_local.client import Api
from heaters_local.launch import Launched
from heaters_local.servers import PostgresServer, free_port
from heaters_local.state import Home, State
from heaters_media.sample import render_sample
from heaters_review_api.__main__ import migrate_all
from heaters_review_api.settings import Settings as ReviewSettings

from benchmarks._media import ffmpeg
from benchmarks._servers import servers
from benchmarks._services import environment_of, running, until_ready
from benchmarks.harness import Claim, note

STARTS = 3  # odd: one of them is the middle
OUT = Path("build/costs.md")
_SECONDS = 24
_HOUR_S = 3600
_IDLE_S = 3.0
_WITHIN_S = 300.0
_STAGE_OF = {produced.TYPE: work.name for work in reversed(PIPELINE) for produced in work.produces}
"""Of two stages that tell the same fact, the first: an embedding that somebody asks for again is not in the table."""
_AFTER_REVIEW = ("export", "keyframe", "embed")
_APPROVED = 0.2
"""Of all that is reviewed, what the table of clusters takes to be approved."""
_BUSY = 0.7
"""Of a cluster's cores, what it takes to be at work on the average."""
_CLUSTERS = (8, 32, 128)


@dataclass(slots=True)
class _Cost:
    """Of one stage, for the whole film."""

    jobs: int = 0
    cpu_s: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0


@dataclass(slots=True)
class _Whole:
    """What the film has cost."""

    stages: dict[str, _Cost] = field(default_factory=lambda: defaultdict(_Cost))
    memory_bytes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tree_cpu_s: float = 0.0
    facts: int = 0
    facts_bytes: int = 0
    clips: int = 0

    @property
    def work_cpu_s(self) -> float:
        """Of all children that did the work."""
        return sum(one.cpu_s for one in self.stages.values())


@dataclass(frozen=True, slots=True)
class _Rest:
    """A service that does nothing. `ready_s` is a median; an image is started once."""

    ready_s: float
    memory_bytes: int
    cpu_share: float
    image_ready_s: float | None
    image_bytes: int | None


def _pss_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children, shared pages counted once."""
    found = 0
    for one in (process, *process.children(recursive=True)):
        try:
            found += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return found


def _cpu_s(process: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:4]) for one in (process, *process.children(recursive=True)))


@contextmanager
def _watched(state: State, whole: _Whole) -> Iterator[None]:
    """Look at the services' memory twice a second, and at what they have used in all in the end."""
    processes = {part.name: psutil.Process(part.pid) for part in state.parts if part.kind == "service" and part.pid}
    before_s, ended = sum(map(_cpu_s, processes.values())), threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            for name, process in processes.items():
                service = name.rpartition("-")[0] or name
                whole.memory_bytes[service] = max(whole.memory_bytes[service], _pss_bytes(process))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(10)
        whole.tree_cpu_s = sum(map(_cpu_s, processes.values())) - before_s


def _film(folder: Path) -> Path:
    render_sample(folder / "sample.mp4", seconds=_SECONDS)
    out = folder / "film.mp4"
    ffmpeg(
        [], "-i", folder / "sample.mp4", "-vf", "scale=-2:1080", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23",
        "-x264-params", "keyint=50:bframes=2", "-c:a", "copy", out,
    )  # fmt: skip
    return out


def _through(api: Api, film: Path) -> UUID:
    """Send the film through everything; every clip is approved."""
    source = {"kind": "upload", "key": api.upload(film)["key"], "name": film.name}
    video_id = api.ingest(source, lane="bulk", options={})["video_id"]
    deadline_s, approved = time.monotonic() + _WITHIN_S, set[str]()
    while time.monotonic() < deadline_s:
        video = api.video(video_id)
        if video["failures"]:
            raise RuntimeError(str(video["failures_list"]))
        segments = video["segments_total"]
        open_ = segments is not None and segments == video["segments_done"]
        for clip in video["clips_list"] if open_ else ():
            if clip["state"] == "pending_review" and clip["id"] not in approved:
                approved.add(clip["id"])
                api.approve(clip["id"])
        if video["state"] == "done" and "store_master" in video["stages"]:
            return UUID(video_id)
        time.sleep(0.5)
    raise TimeoutError(f"the film is not through after {_WITHIN_S} s")


async def _told(state: State, video_id: UUID, folder: Path) -> list[tuple[Told[Fact], int]]:
    """The video's facts, and how many bytes each takes in the stream."""
    settings = Settings(
        nats_url=state.urls["nats"],
        s3_endpoint=state.urls["s3"],
        s3_bucket="none",
        s3_access_key="none",
        s3_secret_key="none",  # noqa: S106 - nothing is asked of it
        cache_dir=folder,
        listen="127.0.0.1:0",
    )
    bus = Bus(settings, source="bench")
    await bus.connect()
    try:
        return [
            (
                decode(one.subject, one.headers, one.data),
                len(one.subject) + len(one.data) + sum(len(name) + len(said) for name, said in one.headers.items()),
            )
            for one in await bus.history(video_id)
        ]
    finally:
        await bus.close()


def _account(whole: _Whole, told: Sequence[tuple[Told[Fact], int]]) -> None:
    """Add up what the facts say. Of those that one job tells, the last says what it has used in all."""
    jobs: dict[tuple[str, UUID], _Cost] = {}
    for one, size in told:
        whole.facts += 1
        whole.facts_bytes += size
        if one.work is not None and one.cause is not None:
            work, cost = one.work, jobs.setdefault((_STAGE_OF[one.fact.TYPE], one.cause), _Cost(jobs=1))
            cost.cpu_s = max(cost.cpu_s, work.cpu_s)
            cost.read_bytes = max(cost.read_bytes, work.read_bytes)
            cost.written_bytes = max(cost.written_bytes, work.written_bytes)
    for (stage, _), cost in jobs.items():
        total = whole.stages[stage]
        total.jobs += 1
        total.cpu_s += cost.cpu_s
        total.read_bytes += cost.read_bytes
        total.written_bytes += cost.written_bytes
    whole.clips = whole.stages["export"].jobs


def _measured_whole(folder: Path) -> _Whole:
    film, whole = _film(folder), _Whole()
    for name, value in {"HEATERS_REUSE": "false", "HEATERS_MASTER": "true", "HEATERS_FREE_SPACE_BYTES": "0"}.items():
        os.environ[name] = value
    launched = Launched(Home(folder / "home"))
    try:
        state = launched.until_ready()
        with Api(state.urls["review"], state.token) as api, _watched(state, whole):
            video_id = _through(api, film)
        _account(whole, asyncio.run(_told(state, video_id, folder / "bench-cache")))
    finally:
        launched.stop()
    return whole


def _resting(folder: Path, settings: ReviewSettings, service: str) -> _Rest:
    """Start a service some times, and look at it while it does nothing."""
    more = {service: _of_review(settings) if service == "review-api" else {}}
    ready = []
    for start in range(STARTS):
        began_s = time.monotonic()
        with running(folder, settings, (service,), more) as processes:
            ready.append(time.monotonic() - began_s)
            if start == 0:
                time.sleep(1)
                before_s = _cpu_s(processes[service])
                time.sleep(_IDLE_S)
                cpu = (_cpu_s(processes[service]) - before_s) / _IDLE_S
                memory = _pss_bytes(processes[service])
    image = _Image.of(service)
    image_ready = image.ready_s(folder, settings, more[service]) if image else None
    return _Rest(median(ready), memory, cpu, image_ready, image.size_bytes if image else None)


def _of_review(settings: ReviewSettings) -> dict[str, str]:
    return {"HEATERS_DATABASE_URL": settings.database_url.get_secret_value(), "HEATERS_TOKEN": "a-token-for-benches"}


@dataclass(frozen=True, slots=True)
class _Image:
    """A service's image, where it was built here."""

    service: str
    size_bytes: int

    @classmethod
    def of(cls, service: str) -> "_Image | None":
        """The image, or None."""
        if shutil.which("podman") is None:
            return None
        name = f"localhost/heaters-{service}:dev"
        found = subprocess.run(
            ["podman", "image", "inspect", "--format", "{{.Size}}", name], capture_output=True, text=True, check=False
        )
        return cls(service, int(found.stdout)) if found.returncode == 0 else None

    def ready_s(self, folder: Path, settings: Settings, more: Mapping[str, str]) -> float:
        """Seconds from `podman run` until it is ready."""
        port = free_port()
        said = environment_of(settings, self.service, port) | dict(more) | {"HEATERS_CACHE_DIR": "/cache"}
        wanted = [f"--env={name}={value}" for name, value in said.items() if name.startswith("HEATERS_")]
        command = [
            *("podman", "run", "--rm", "--network=host", "--read-only", "--tmpfs=/tmp", f"--name=bench-{self.service}"),
            *wanted,
            f"localhost/heaters-{self.service}:dev",
        ]
        environment = os.environ | {"CONTAINERS_CONF": str(Path("deploy/docker/containers.conf").absolute())}
        began_s = time.monotonic()
        with (folder / f"image-{self.service}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            until_ready(self.service, port, lambda: process.poll(), folder / f"image-{self.service}.log")
            return time.monotonic() - began_s
        finally:
            process.terminate()
            process.wait(60)


def _rows(whole: _Whole, rests: Mapping[str, _Rest], hours: float) -> list[str]:
    """The tables, in Markdown."""
    by = {work.name: work.by for work in PIPELINE}
    lines = [
        "| stage | CPU s | read | written | the service's memory, at most |",
        "|---|---|---|---|---|",
    ]
    for work in PIPELINE:
        if work.name in whole.stages:
            cost = whole.stages[work.name]
            of_what = " (of approved video)" if work.name in _AFTER_REVIEW else ""
            lines.append(
                f"| {work.name}{of_what} | {cost.cpu_s / hours:,.0f} | {_size(cost.read_bytes / hours)} |"
                f" {_size(cost.written_bytes / hours)} | {_size(whole.memory_bytes[by[work.name]])} |"
            )
    lines += [
        "",
        f"An hour of video is {whole.facts / hours:,.0f} facts of {whole.facts_bytes / whole.facts:,.0f} bytes, {_size(whole.facts_bytes / hours)}"
        f" in all, with a clip every {hours * _HOUR_S / whole.clips:.0f} s. Beside the work itself the services used"
        f" {(whole.tree_cpu_s - whole.work_cpu_s) / hours:,.0f} CPU s for each hour of video"
        f" ({(whole.tree_cpu_s - whole.work_cpu_s) / whole.facts * 1000:,.0f} ms a fact), review-api included.",
        "",
        "| service | ready after | memory at rest | CPU at rest | image | image ready after |",
        "|---|---|---|---|---|---|",
    ]
    for service, rest in rests.items():
        image = _size(rest.image_bytes) if rest.image_bytes else "-"
        ready = f"{rest.image_ready_s:.1f} s" if rest.image_ready_s else "-"
        lines.append(
            f"| {service} | {rest.ready_s:.1f} s | {_size(rest.memory_bytes)} | {rest.cpu_share:.1%} | {image} | {ready} |"
        )
    lines += ["", *_clusters(whole, hours)]
    return lines


def _clusters(whole: _Whole, hours: float) -> list[str]:
    """Hours of video a day, by cores."""
    to_review = sum(whole.stages[name].cpu_s for name in ("download", "plan", "preprocess", "scenes")) / hours
    after = sum(whole.stages[name].cpu_s for name in _AFTER_REVIEW) / hours
    master = whole.stages["store_master"].cpu_s / hours
    own = (whole.tree_cpu_s - whole.work_cpu_s) / hours
    lines = [
        f"| cores | open for review | and {_APPROVED:.0%} of it exported and embedded | and lossless masters |",
        "|---|---|---|---|",
    ]
    for cores in _CLUSTERS:
        a_day = cores * 24 * 3600 * _BUSY
        costs = (to_review + own, to_review + own + _APPROVED * after, to_review + own + _APPROVED * after + master)
        lines.append(f"| {cores} | {' | '.join(f'{a_day / cost:,.0f} h' for cost in costs)} |")
    return [*lines, "", f"Hours of video a day, with cores at work {_BUSY:.0%} of the time."]


def _size(count: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.{0 if count >= 10 * scale else 1}f} {unit}"
    return f"{count:,.0f} B"


def claims() -> Iterator[Claim]:
    """`cold_start`, `idle_memory`, `facts_per_hour`: the slowest service, all six at rest, and the stream's bytes for an hour of video."""
    with tempfile.TemporaryDirectory(prefix="heaters-bench-", ignore_cleanup_errors=True) as name:
        whole = _measured_whole(Path(name))
    hours = _SECONDS / _HOUR_S
    with servers() as (folder, settings), PostgresServer(folder / "postgres", free_port()) as postgres:
        review = ReviewSettings(**settings.model_dump() | {"database_url": postgres.dsn})
        asyncio.run(migrate_all(review))
        rests = {service: _resting(folder, review, service) for service in SERVICES}
    rows = [
        f"Measured on {os.cpu_count()} cores, at a load of {os.getloadavg()[2]:.1f} with the measurement itself in it.",
        "",
    ]
    rows += _rows(whole, rests, hours)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(rows) + "\n")
    for row in rows:
        note(row)
    yield Claim.absolute("cold_start", max(rest.ready_s for rest in rests.values()), limit=15, unit="s", better="lower")
    idle = sum(rest.memory_bytes for rest in rests.values())
    yield Claim.absolute("idle_memory", idle / 1e6, limit=1500, unit="MB", better="lower")
    yield Claim.absolute("facts_per_hour", whole.facts_bytes / hours / 1e6, limit=20, unit="MB/h", better="lower")


def write(into: Path) -> None:
    """Put the tables into a page, between its marks."""
    begin, end = "<!-- costs: `make costs` -->", "<!-- costs end -->"
    page = into.read_text()
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{into} has no {begin} and {end}")
    into.write_text(f"{before}{begin}\n\n{OUT.read_text()}\n{end}{after}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
