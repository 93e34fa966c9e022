"""Real servers for this package's tests, and a desk of facts: `Story` tells a video's facts one after another."""

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
import uvicorn
from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told, WorkDone, tell
from heaters_contracts.facts import (
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipKeyframed,
    ClipSkipped,
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    StageFailed,
    StageRequested,
    VideoDownloaded,
    VideoPlanned,
    VideoRequested,
)
from heaters_contracts.facts.clip import Keyframe, Proof, ProxyPart
from heaters_contracts.facts.segment import Cut
from heaters_contracts.facts.video import Technical
from heaters_contracts.ingest import Options, UrlSource
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Segment, Span
from heaters_local.servers import NatsServer, PostgresServer, S3Server, free_port
from heaters_media.film import FilmKind, render_film
from heaters_media.ledger import FrameTable
from heaters_media.plan import Plan, plan
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW
from heaters_review_api.__main__ import migrate_all
from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.secrets import hash_password
from heaters_review_api.app import Application
from heaters_review_api.db import schema
from heaters_review_api.settings import Settings
from sqlalchemy import text

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOKEN = "a-token-for-tests"


def ref(name: str, size: int = 1000) -> ObjectRef:
    return ObjectRef(key=name, bytes=size, sha256=hashlib.sha256(name.encode()).hexdigest())


@dataclass
class Story:
    """What the stages would tell of one video. Each method tells one fact, after its cause; `told` holds them in order."""

    frames: Sequence[int] = (100, 100, 100)
    video_id: UUID = field(default_factory=uuid4)
    first_sequence: int = 1
    told: list[Told[Fact]] = field(default_factory=list)
    packets: dict[int, ObjectRef] = field(default_factory=dict)
    proxies: dict[int, ObjectRef] = field(default_factory=dict)
    storyboards: dict[int, ObjectRef] = field(default_factory=dict)
    waveforms: dict[int, ObjectRef] = field(default_factory=dict)
    table: ObjectRef | None = None
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self.time_base = (1, 12800)
        self.source = ref(f"videos/{self.video_id}/source", 5000)

    def say(self, fact: Fact, cause: Told[Any] | None, *, worked_s: float | None = 1.0) -> Told[Any]:
        sequence = self.first_sequence + len(self.told)
        at = NOON + timedelta(seconds=10 * sequence)
        work = None
        if worked_s is not None:
            began = at - timedelta(seconds=worked_s)
            work = WorkDone(
                started=began, finished=at, attempt=1, cpu_s=worked_s, read_bytes=1, written_bytes=2, host="here"
            )
        one: Told[Fact] = tell(
            fact, video_id=self.video_id, lane="bulk", cause=cause.id if cause else None, time=at, work=work
        )
        self.told.append(one.stored(sequence, at))
        return self.told[-1]

    def segments(self) -> list[Segment]:
        found, first = [], 0
        for index, frames in enumerate(self.frames):
            found.append(
                Segment(
                    index=index,
                    first_frame=first,
                    frames=frames,
                    start_ticks=first * 512,
                    end_ticks=(first + frames) * 512,
                )
            )
            first += frames
        return found

    def requested(self) -> Told[Any]:
        fact = VideoRequested(
            source=UrlSource(url="https://films.example/harbour.mp4"),
            requester="films",
            request_id=str(self.video_id),
            options=self.options,
        )
        return self.say(fact, None, worked_s=None)

    def downloaded(self, cause: Told[Any]) -> Told[Any]:
        return self.say(VideoDownloaded(source=self.source, title="Harbour walk"), cause)

    def planned_segment(self, segment: Segment, cause: Told[Any]) -> Told[Any]:
        return self.say(
            SegmentPlanned(
                source=self.source, segment=segment, time_base=self.time_base, frames_known=sum(self.frames)
            ),
            cause,
        )

    def planned(self, cause: Told[Any]) -> Told[Any]:
        technical = Technical(container="mp4", codec="h264", width_px=64, height_px=36)
        fact = VideoPlanned(
            source=self.source,
            technical=technical,
            frames=sum(self.frames),
            time_base=self.time_base,
            frame_table=self.table or ref(f"videos/{self.video_id}/frames.npz"),
            segments=tuple(self.segments()),
        )
        return self.say(fact, cause)

    def preprocessed(self, segment: Segment, cause: Told[Any]) -> Told[Any]:
        at = f"videos/{self.video_id}/{segment.index}"
        fact = SegmentPreprocessed(
            segment=segment,
            profile="p1",
            proxy=self.proxies.get(segment.index, ref(f"{at}/proxy.mp4")),
            packets=self.packets.get(segment.index, ref(f"{at}/packets.npz")),
            tiny=ref(f"{at}/tiny.npz"),
            storyboard=self.storyboards.get(segment.index),
            waveform=self.waveforms.get(segment.index),
            width_px=64,
            height_px=36,
        )
        return self.say(fact, cause)

    def detected(self, segment: Segment, cuts: Sequence[int], cause: Told[Any], *, detector: str = "d") -> Told[Any]:
        inside = [c for c in cuts if segment.span.start <= c < segment.span.end]
        fact = SegmentScenesDetected(
            segment=segment,
            detector=detector,
            cuts=tuple(Cut(frame=c, start=c, end=c + 1, confidence=0.9) for c in inside),
        )
        return self.say(fact, cause)

    def ready(self, cuts: Sequence[int]) -> "Story":
        """Everything up to review, in the plain order."""
        downloaded = self.downloaded(self.requested())
        plans = [self.planned_segment(segment, downloaded) for segment in self.segments()]
        self.planned(downloaded)
        for segment, planned in zip(self.segments(), plans, strict=True):
            self.detected(segment, cuts, self.preprocessed(segment, planned))
        return self

    def clip_id(self, start: int, end: int) -> UUID:
        return ids.clip_id(self.video_id, self.source.key, self.source.bytes, Span(start=start, end=end))

    def verdict(self, verdict: str, start: int, end: int, *, key: str = "k", by: str = "ana") -> Told[Any]:
        span, clip_id = Span(start=start, end=end), self.clip_id(start, end)
        if verdict == "skip":
            return self.say(ClipSkipped(clip_id=clip_id, span=span, by=by, idempotency_key=key), None, worked_s=None)
        if verdict == "archive":
            return self.say(ClipArchived(clip_id=clip_id, span=span, by=by, idempotency_key=key), None, worked_s=None)
        parts = (ProxyPart(segment=self.segments()[0], proxy=ref("proxy"), packets=ref("packets")),)
        fact = ClipApproved(clip_id=clip_id, span=span, by=by, idempotency_key=key, parts=parts)
        return self.say(fact, None, worked_s=None)

    def replayed(self, stage: str, message: Told[Any]) -> Told[Any]:
        fact = StageRequested(
            stage=stage, message_sequence=message.sequence, by="ops", idempotency_key="again", replay=True
        )
        return self.say(fact, message, worked_s=None)

    def exported(self, approved: Told[ClipApproved], *, object_key: str | None = None) -> Told[Any]:
        return self.exported_for(approved, approved, object_key=object_key)

    def exported_for(
        self, approved: Told[ClipApproved], cause: Told[Any], *, object_key: str | None = None
    ) -> Told[Any]:
        clip = approved.fact
        fact = ClipExported(
            clip_id=clip.clip_id,
            span=clip.span,
            object=ref(object_key or f"clips/{clip.clip_id}.mp4"),
            proof=Proof(frames_counted=clip.span.frames, frames_copied=clip.span.frames, frames_encoded=0),
        )
        return self.say(fact, cause)

    def keyframed(self, exported: Told[ClipExported]) -> Told[Any]:
        clip = exported.fact
        keyframe = Keyframe(frame=clip.span.start, object=ref(f"clips/{clip.clip_id}.jpg"))
        return self.say(
            ClipKeyframed(clip_id=clip.clip_id, span=clip.span, strategy="middle", keyframes=(keyframe,)), exported
        )

    def embedded(self, keyframed: Told[ClipKeyframed], vector: Sequence[float] = (1.0, 0.0, 0.0)) -> Told[Any]:
        clip = keyframed.fact
        packed = base64.b64encode(struct.pack(f"<{len(vector)}e", *vector)).decode()
        fact = ClipEmbedded(
            clip_id=clip.clip_id,
            span=clip.span,
            model="tiny@1",
            strategy="middle",
            dimensions=len(vector),
            vector=packed,
        )
        return self.say(fact, keyframed)

    def failed(self, stage: str, cause: Told[Any], reason: str = "it is no film") -> Told[Any]:
        fact = StageFailed(
            stage=stage,
            reason=reason,
            failure_class="bad_input",
            attempts=4,
            message_subject="heaters.x",
            message_sequence=cause.sequence,
        )
        return self.say(fact, cause)


@dataclass(frozen=True)
class Servers:
    nats: NatsServer
    postgres: PostgresServer
    s3: S3Server


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with (
        NatsServer(folder / "nats", free_port()) as nats,
        PostgresServer(folder / "postgres", free_port()) as postgres,
        S3Server(folder / "s3", free_port()) as s3,
    ):
        yield Servers(nats, postgres, s3)


@pytest.fixture(scope="session")
def settings(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    wanted: dict[str, Any] = {
        "nats_url": servers.nats.url,
        "s3_endpoint": servers.s3.endpoint,
        "s3_bucket": "heaters",
        "s3_access_key": servers.s3.access_key,
        "s3_secret_key": servers.s3.secret_key,
        "cache_dir": tmp_path_factory.mktemp("cache"),
        "free_space_bytes": 0,
        "listen": f"127.0.0.1:{free_port()}",
        "database_url": servers.postgres.dsn,
        "token": TOKEN,
        "upload_limit_bytes": 1024 * 1024,
    }
    return Settings(**wanted)


@pytest.fixture(scope="session")
async def migrated(settings: Settings) -> Settings:
    """Two at once, as two replicas' jobs would."""
    await asyncio.gather(migrate_all(settings), migrate_all(settings))
    return settings


class Desk:
    """A running application and a signed-in client of it."""

    def __init__(self, application: Application, client: httpx.AsyncClient) -> None:
        self.application = application
        self.client = client

    async def publish(self, story: Story) -> None:
        """Tell a story to the stream, and wait until the tables hold it."""
        sequence = 0
        for told in story.told:
            sequence = (await self.application.bus.publish(told)).sequence
        await self.application.passed.wait_for(sequence, timeout_s=60)

    async def rows(self) -> dict[str, list[Any]]:
        """The whole projection, as text, sorted."""
        found = {}
        async with self.application.engine.connect() as connection:
            for table in schema.PROJECTION:
                rows = await connection.execute(text(f"SELECT t::text FROM {table} t ORDER BY 1"))  # noqa: S608 - our own table names
                found[str(table)] = [row[0] for row in rows]
        return found


class _Quiet(uvicorn.Server):
    """Leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Desk]:
    """An application behind a real socket, and a signed-in client of it; left when it is ready."""
    settings = settings.model_copy(update={"listen": f"127.0.0.1:{free_port()}"})
    application = Application(settings)
    config = uvicorn.Config(
        application.asgi,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=1,
        proxy_headers=False,
    )
    server = _Quiet(config)
    serving = asyncio.create_task(server.serve())
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.port}",
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=30,
            trust_env=False,
        ) as client:
            async with asyncio.timeout(120):
                while not (server.started and (await client.get("/readyz")).status_code == 200):
                    if serving.done():
                        serving.result()
                    await asyncio.sleep(0.05)
            yield Desk(application, client)
    finally:
        server.should_exit = True
        await serving


@dataclass(frozen=True)
class Film:
    """A real numbered film of 60 frames in three segments, in the store."""

    path: Path
    frames: tuple[int, ...]
    segments: list[Segment]
    proxies: dict[int, ObjectRef]
    packets: dict[int, ObjectRef]
    storyboards: dict[int, ObjectRef]
    waveforms: dict[int, ObjectRef]
    table: ObjectRef

    def story(self) -> Story:
        told = Story(frames=self.frames, proxies=self.proxies, packets=self.packets, table=self.table)
        told.storyboards, told.waveforms = self.storyboards, self.waveforms
        told.segments = lambda: self.segments  # type: ignore[method-assign]  # its ticks are the film's, not made up
        return told


@pytest.fixture(scope="session")
async def film(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("film")
    path = render_film(folder / "film.mp4", FilmKind(audio_rate=48000))
    *_, whole = plan(path, parts=3)
    assert isinstance(whole, Plan)
    objects = desk.application.desk.objects
    segments, proxies, packets, storyboards, waveforms = [], {}, {}, {}, {}
    for piece in whole.segments:
        out = folder / str(piece.index)
        out.mkdir()
        made = preprocess(path, piece, total_frames=whole.frames, out_dir=out, profile=REVIEW)
        proxies[piece.index] = await objects.put(made.proxy, f"film/proxy-{piece.index}.mp4")
        packets[piece.index] = await objects.put(made.packets, f"film/packets-{piece.index}.npz")
        storyboards[piece.index] = await objects.put(made.storyboard, f"film/storyboard-{piece.index}.jpg")
        waveforms[piece.index] = await objects.put(made.waveform, f"film/waveform-{piece.index}.npz")
        segments.append(Segment(**asdict(piece)))
    whole.table.save(folder / "frames.npz")
    table = await objects.put(folder / "frames.npz", "film/frames.npz")
    frames = tuple(s.frames for s in segments)
    return Film(path, frames, segments, proxies, packets, storyboards, waveforms, table)


@pytest.fixture(scope="session")
async def desk(migrated: Settings) -> AsyncIterator[Desk]:
    async with running(migrated) as one:
        yield one


@pytest.fixture(scope="session")
def start() -> Callable[[Settings], Any]:
    return running


@pytest.fixture(scope="session")
def story() -> type[Story]:
    return Story


@pytest.fixture(scope="session")
async def guarded(migrated: Settings) -> AsyncIterator[Desk]:
    """A desk with accounts and no token of local mode."""
    async with running(
        migrated.model_copy(update={"token": None, "sign_in_attempts": 3, "sign_ins_per_min": 6000})
    ) as one:
        yield one


PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def account(guarded: Desk) -> Callable[..., Any]:
    """Makes an account of some roles, and a token of all of them."""

    async def make(roles: Sequence[str], *, days: int = 1) -> Any:
        store, wanted = guarded.application.desk.gate.store, [Role(name) for name in roles]
        made = await store.add(f"u{uuid4().hex[:12]}", "Ana", wanted, password=await hash_password(PASSWORD))
        _, word = await store.make_token(made.id, "for tests", wanted, days=days)
        return made, word

    return make


@pytest.fixture(scope="session")
async def tokens(account: Callable[..., Any]) -> dict[Role, str]:
    """A token of one account of each role."""
    return {role: (await account([role]))[1] for role in Role}


@pytest.fixture
def exported(desk: Desk, tmp_path: Path) -> Callable[..., Any]:
    """A video of 300 frames whose spans are exported, each a file of its own bytes; its frames lie at `pts`."""

    async def make(
        spans: Sequence[tuple[int, int]] = ((0, 50), (50, 200)),
        pts: Sequence[int] = tuple(range(0, 300 * 512, 512)),
        time_base: tuple[int, int] = (1, 12800),
        *,
        end: int | None = None,
    ) -> Story:
        objects = desk.application.desk.objects
        one = Story()
        one.time_base = time_base
        FrameTable(np.array(pts, np.int64), Fraction(*time_base), end or 2 * pts[-1] - pts[-2]).save(tmp_path / "t.npz")
        one.table = await objects.put(tmp_path / "t.npz", f"videos/{one.video_id}/frames.npz")
        one.ready(sorted({frame for span in spans for frame in span} - {0, 300}))
        for start, end_frame in spans:
            approved = one.verdict("approve", start, end_frame, key=f"k{start}")
            path = tmp_path / f"{start}.mp4"
            path.write_bytes(bytes([start % 251]) * (70_000 + start))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            key = f"videos/{one.video_id}/clips/{start}-{digest[:16]}.mp4"
            stored = await objects.put(path, key, sha256=digest)
            told = one.exported(approved, object_key=key)
            fact = told.fact.model_copy(update={"object": stored})
            one.told[-1] = type(told)(**{**{s: getattr(told, s) for s in told.__slots__}, "fact": fact})
        await desk.publish(one)
        return one

    return make
