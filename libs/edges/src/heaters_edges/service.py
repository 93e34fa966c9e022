"""A worker service: settings, edges and duties become a process that answers /healthz, /readyz and /metrics."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import uvicorn
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from prometheus_client import make_asgi_app

from heaters_edges import telemetry
from heaters_edges.bus import Bus
from heaters_edges.child import warm_up
from heaters_edges.delivery import Duty, Worker
from heaters_edges.failure import reason_of
from heaters_edges.maintenance import Chore, Maintenance
from heaters_edges.objects import Objects
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store

log = logging.getLogger(__name__)

Answer = Callable[[bytes], Awaitable[bytes]]


def cache_chore(objects: Objects) -> Chore:
    """The sweep of the node's cache: under its limit, and without what dead processes left."""

    async def sweep() -> str:
        size = await asyncio.to_thread(objects.sweep)
        return f"{size >> 20} MiB in the cache, {objects.free_bytes() >> 20} MiB free"

    return Chore("node cache", "brings the node's cache under its limit and removes what dead processes left", sweep)


def uploads_chore(objects: Objects) -> Chore:
    """The end of uploads that were erased with their videos: what this node holds of them goes, too."""

    async def sweep() -> str:
        return f"{await asyncio.to_thread(objects.forget_lost, 'uploads/')} files are in the store no more"

    return Chore("erased uploads", "forgets cached uploads that the store has no more", sweep)


class Service:
    """One worker process."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.settings = settings
        telemetry.start(name, settings)
        self.objects = Objects(
            S3Store(settings),
            settings.cache_dir,
            limit_bytes=settings.cache_limit_bytes,
            free_space_bytes=settings.free_space_bytes,
        )
        self._bus = Bus(settings, source=name)
        self._worker: Worker | None = None
        self._chores: asyncio.Task[None] | None = None
        self._server: uvicorn.Server | None = None
        self._wrong: str | None = None

    @property
    def bus(self) -> Bus:
        """The connection, for what a handler's own edge keeps in a bucket; it is open while work is done."""
        return self._bus

    def run(
        self,
        duties: list[Duty],
        *,
        preload: Sequence[str] = (),
        answers: Mapping[tuple[str, str], Answer] | None = None,
    ) -> None:
        """Work until SIGTERM.

        Args:
            duties: what to do, most urgent first.
            preload: modules that the children need; imported once, before they are forked.
            answers: what to answer questions with, by subject and queue group.
        """
        warm_up(preload)

        @get
        async def healthz(_: Any) -> AsgiResponse:
            return AsgiResponse(b"ok", status_code=200)

        @get
        async def readyz(_: Any) -> AsgiResponse:
            if wrong := self._not_ready():
                return AsgiResponse(wrong.encode(), status_code=503)
            return AsgiResponse(b"ready", status_code=200)

        async def start() -> None:
            # This hook runs beside the server: what it raises would leave a process that listens and does nothing.
            try:
                await self._start(duties, answers or {})
            except Exception as problem:  # noqa: BLE001 - whatever it is, the service cannot work
                self._wrong = reason_of(problem)
                log.error("cannot start, ending", extra={"reason": self._wrong})
                self._leave_now()

        app = AsgiFastStream(
            self._bus.broker,
            logger=None,
            asgi_routes=[("/healthz", healthz), ("/readyz", readyz), ("/metrics", make_asgi_app(telemetry.REGISTRY))],
            after_startup=[start],
            on_shutdown=[self._stop],
        )
        config = uvicorn.Config(
            app, host=self.settings.host, port=self.settings.port, log_config=None, access_log=False, lifespan="on"
        )
        self._server = uvicorn.Server(config)
        for ending in (signal.SIGTERM, signal.SIGINT):
            # After its clean stop uvicorn raises the signal again: by default that kills us before traces are sent.
            signal.signal(ending, lambda *_: None)
        self._server.run()
        if self._wrong:
            raise SystemExit(1)

    async def _start(self, duties: list[Duty], answers: Mapping[tuple[str, str], Answer]) -> None:
        chores = Maintenance([cache_chore(self.objects), uploads_chore(self.objects)])
        await chores.now("node cache")
        self._chores = asyncio.create_task(chores.run())
        wanted = self.settings.stages
        duties = [duty for duty in duties if not wanted or duty.work.name in wanted]
        if not duties:
            raise ValueError(f"none of {', '.join(wanted)} is done by this service")
        worker = Worker(self._bus, self.objects, self.settings, duties)
        await worker.start()
        self._worker = worker
        for (subject, queue), answer in answers.items():
            await self._bus.answer(subject, queue, answer)
        if self.settings.one_message:
            self._leave = asyncio.create_task(self._leave_when_done(worker))

    async def _leave_when_done(self, worker: Worker) -> None:
        await worker.done.wait()
        self._leave_now()

    def _leave_now(self) -> None:
        if self._server:
            self._server.should_exit = True

    async def _stop(self) -> None:
        if self._chores:
            self._chores.cancel()
        if self._worker:
            await self._worker.stop()
        await self._bus.release()  # FastStream closes the connection

    def _not_ready(self) -> str | None:
        if self._worker is None:
            return "starting"
        if self._bus.denied:
            return f"NATS denies: {self._bus.denied}"
        if not self._bus.connected:
            return "not connected to NATS"
        if short := self.objects.no_space():
            return f"no space: {short}"
        return None
