"""Wiring: settings become edges, edges become the desk, and the desk an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from heaters_contracts.addresses import AddressPolicy
from heaters_edges.bus import Bus
from heaters_edges.ending import end
from heaters_edges.maintenance import Maintenance
from heaters_edges.objects import Objects
from heaters_edges.pauses import Pauses
from heaters_edges.service import cache_chore
from heaters_edges.store import S3Store
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp
from sqlalchemy.ext.asyncio import AsyncEngine
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from heaters_review_api.accounts.audit import Audit
from heaters_review_api.accounts.gate import Gate, LocalMode
from heaters_review_api.accounts.oidc import Provider
from heaters_review_api.accounts.store import Store
from heaters_review_api.admission import Admission
from heaters_review_api.auto_approval import AutoApproval
from heaters_review_api.clip_cache import ClipCache, playback_chore
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.indexes import Indexes
from heaters_review_api.db.leases import Leases
from heaters_review_api.db.passed import Passed, listen
from heaters_review_api.db.personal import Personal
from heaters_review_api.db.projector import Projector
from heaters_review_api.db.queries import Queries
from heaters_review_api.db.search import SearchQueries
from heaters_review_api.db.uploads import Sessions
from heaters_review_api.db.webhooks import Webhooks
from heaters_review_api.decisions import Decisions
from heaters_review_api.expansion import expand
from heaters_review_api.exports.gather import Gatherer
from heaters_review_api.frames import Frames
from heaters_review_api.lag import watch_lag
from heaters_review_api.lasting import Lasting
from heaters_review_api.ledgers import Ledgers
from heaters_review_api.live import Changes, ProgressBoard
from heaters_review_api.openapi import openapi_config
from heaters_review_api.ops.doctor import Doctor
from heaters_review_api.ops.erase import Eraser
from heaters_review_api.playback import Playback
from heaters_review_api.readiness import Readiness
from heaters_review_api.scores import Scores
from heaters_review_api.search.asking import Asking
from heaters_review_api.search.finder import Finder
from heaters_review_api.search.models import Models
from heaters_review_api.settings import Settings
from heaters_review_api.signing import signer_of
from heaters_review_api.stages import Stages
from heaters_review_api.timeline import Timeline
from heaters_review_api.uploads import Uploads, uploads_chore
from heaters_review_api.web import (
    cdn,
    clips,
    events,
    exports,
    health,
    ingest,
    operations,
    pages,
    people,
    personal,
    problems,
    remarks,
    review,
    screen,
    search,
    signin,
    stages,
    uploads,
    videos,
    watch,
)
from heaters_review_api.web.auth import Authentication
from heaters_review_api.web.desk import Desk
from heaters_review_api.web.headers import adds_security
from heaters_review_api.web.measures import Measured
from heaters_review_api.webhooks import Teller

log = logging.getLogger(__name__)

_AGAIN_S = 1.0

ROUTES = [
    *health.HANDLERS,
    *pages.HANDLERS,
    *signin.HANDLERS,
    *people.HANDLERS,
    *watch.HANDLERS,
    *stages.HANDLERS,
    *operations.HANDLERS,
    *videos.HANDLERS,
    *screen.HANDLERS,
    *clips.HANDLERS,
    *cdn.HANDLERS,
    *review.HANDLERS,
    *uploads.HANDLERS,
    *search.HANDLERS,
    *ingest.HANDLERS,
    *personal.HANDLERS,
    *events.HANDLERS,
    *exports.HANDLERS,
]


class Application:
    """One replica of review-api: its edges, its background tasks and its routes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bus = Bus(settings, source="review-api")
        self.engine: AsyncEngine = make_engine(settings, lock_wait_s=settings.lock_wait_s)
        self.passed = Passed()
        self.projector = Projector(self.engine, self.passed)
        queries = Queries(self.engine)
        store = S3Store(settings)
        objects = Objects(
            store,
            settings.cache_dir,
            limit_bytes=settings.cache_limit_bytes,
            free_space_bytes=settings.free_space_bytes,
        )
        ledgers = Ledgers(objects, queries, kept=settings.ledgers_kept)
        wait_s = settings.decision_timeout_s
        uploads = Uploads(
            store,
            Sessions(self.engine),
            limit_bytes=settings.upload_limit_bytes,
            part_bytes=settings.upload_part_bytes,
            expires_s=settings.upload_expires_s,
            kept_s=settings.upload_kept_s,
        )
        clips_kept = ClipCache(
            settings.cache_dir / "playback",
            limit_bytes=settings.playback_cache_bytes,
            age_s=settings.playback_cache_age_s,
            free_space_bytes=settings.free_space_bytes,
        )
        chores = [
            cache_chore(objects),
            playback_chore(clips_kept, settings.playback_sweep_s),
            uploads_chore(uploads),
        ]
        searches, asking = SearchQueries(self.engine), Asking(self.bus, timeout_s=settings.question_timeout_s)
        leases, progress = Leases(self.engine, lease_s=settings.lease_s), ProgressBoard()
        changes = Changes(queries, self.passed)
        self.desk = Desk(
            settings=settings,
            gate=Gate(
                LocalMode(settings.token) if settings.token else None,
                Store(self.engine, session_s=settings.session_s, idle_s=settings.session_idle_s),
                attempts=settings.sign_in_attempts,
                lock_s=settings.lock_out_s,
                per_min=settings.sign_ins_per_min,
            ),
            provider=Provider(settings) if settings.oidc_issuer else None,
            audit=Audit(self.engine),
            queries=queries,
            ledgers=ledgers,
            lasting=Lasting(queries, ledgers),
            playback=Playback(objects, queries, ledgers, clips_kept, whole_bytes=settings.playback_whole_bytes),
            frames=Frames(objects, queries, ledgers, limit_bytes=settings.frames_cache_bytes),
            timeline=Timeline(objects, queries, ledgers),
            scores=Scores(objects, queries),
            exports=Gatherer(queries, ledgers),
            decisions=Decisions(
                self.bus,
                queries,
                self.passed,
                timeout_s=wait_s,
                cut_distance_frames=settings.cut_distance_frames,
                written=self.projector,
            ),
            leases=leases,
            personal=Personal(self.engine),
            admission=Admission(self.bus, queries, self.passed, timeout_s=wait_s, terms=settings.terms),
            uploads=uploads,
            stages=Stages(self.bus, Pauses(self.bus), queries, self.passed, timeout_s=wait_s),
            objects=objects,
            progress=progress,
            changes=changes,
            glances=watch.glances(progress, leases, closing=changes.closing),
            readiness=Readiness(self.bus, queries, objects, self.projector, self.passed),
            finder=Finder(searches, asking, objects),
            indexes=Indexes(self.engine),
            maintenance=Maintenance(chores),
            doctor=Doctor(self.bus, self.engine, store, objects, self.passed),
            signer=signer_of(settings),
            eraser=Eraser(self.bus, self.engine, store, queries, self.passed, objects, clips_kept, timeout_s=wait_s),
            models=Models(self.bus, searches, asking, self.passed, timeout_s=wait_s),
        )
        self.teller = Teller(
            queries,
            self.passed,
            Webhooks(self.engine),
            terms=settings.terms,
            policy=AddressPolicy.parse(settings.webhook_hosts),
            patience_s=settings.webhook_patience_s,
        )
        self.auto_approval = AutoApproval(queries, self.passed, ledgers, self.desk.decisions, self.desk.audit)
        self._tasks: list[asyncio.Task[None]] = []
        self.site = Litestar(
            route_handlers=ROUTES,
            dependencies={"desk": Provide(lambda: self.desk, sync_to_thread=False)},
            middleware=[DefineMiddleware(Authentication, gate=self.desk.gate, settings=settings)],
            exception_handlers=problems.HANDLERS,
            before_send=[
                adds_security(
                    settings.s3_public_endpoint or settings.s3_endpoint,
                    self.desk.signer.origin if self.desk.signer else "",
                ),
                remarks.remarked(self.desk.audit),
            ],
            lifespan=[self._lifespan],
            openapi_config=openapi_config(),
            debug=False,
            # Logs are set up once, by telemetry; the framework would put its own handlers in their place.
            logging_config=None,
        )
        measured: ASGIApp = Measured(self.site)
        # Before anything looks at an address or a scheme: what our own proxies say of them, and nobody else.
        proxies = list(settings.trusted_proxies)
        self.asgi: ASGIApp = ProxyHeadersMiddleware(measured, trusted_hosts=proxies) if proxies else measured  # type: ignore[arg-type,assignment]  # uvicorn and litestar have types of their own for ASGI

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncIterator[None]:
        self._keep("listener", lambda: listen(self.engine, self.passed))
        self._keep("bus", self._on_the_bus)
        self._keep("indexes", self.desk.indexes.keep)
        self._keep("maintenance", self.desk.maintenance.run)
        self._keep("audit", self.desk.audit.run)
        try:
            yield
        finally:
            self.desk.changes.closing.set()
            while self._tasks:  # one of them begins others
                ending, self._tasks = self._tasks, []
                await end(ending)
            self.teller.close()
            await self.bus.close()
            await self.engine.dispose()

    async def _on_the_bus(self) -> None:
        """Whatever needs NATS begins once it answers, and the database, too; pages are answered before."""
        await self.bus.connect()
        await self.desk.stages.remind()
        self._keep("projector", lambda: self.projector.run(self.bus))
        self._keep("admission", lambda: self.desk.admission.consume(self.bus))
        self._keep("webhooks", lambda: self.teller.run(self.bus))
        self._keep("expansion", lambda: expand(self.bus, self.desk.admission))
        self._keep("auto-approval", lambda: self.auto_approval.run(self.bus))
        self._keep("orders", lambda: self.desk.decisions.orders.sweep())
        self._keep("models", lambda: self.desk.models.keep(self.engine))
        self._keep("lag", lambda: watch_lag(self.bus))
        self._keep("progress", lambda: self.desk.progress.watch(self.bus))
        await asyncio.Event().wait()

    def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(_kept(name, work), name=name))


async def _kept(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """A task that ends is begun again after a pause: what it depends on may be gone for a while, and no other task ends with it."""
    while True:
        with suppress(Exception):  # `_named` has said what it was
            await _named(name, work())
        await asyncio.sleep(_AGAIN_S)


async def _named(name: str, work: Coroutine[Any, Any, None]) -> None:
    """A task should not end by itself: say so, for nobody waits for it."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException:
        log.exception("a background task ended", extra={"task": name})
        raise
    log.error("a background task ended without a reason", extra={"task": name})


def make_app(settings: Settings) -> ASGIApp:
    """The ASGI application of one replica."""
    return Application(settings).asgi
