"""Rate, errors and duration of every route, and who watches: what Prometheus reads of the API itself."""

import time

from heaters_edges.telemetry import REGISTRY, exemplar, span
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "heaters_http_requests", "Requests, by what came of them", ["method", "route", "status"], registry=REGISTRY
)
SECONDS = Histogram(
    "heaters_http_seconds",
    "Time until an answer begins",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
_UNTRACED = {"/healthz", "/readyz", "/metrics", "/api/events"}
"""Asked all the time, or without an end: spans of them tell nothing."""
WATCHERS = Gauge("heaters_watchers", "Clients of the live updates", registry=REGISTRY)


class Measured:
    """Counts and times what passes; routes by their template, so that ids make no series."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if str(scope["type"]) != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method, route = str(scope.get("method")), str(scope.get("path_template") or "unmatched")
                REQUESTS.labels(method, route, str(message["status"])).inc()
                SECONDS.labels(method, route).observe(time.perf_counter() - began_s, exemplar())
            await send(message)

        if str(scope.get("path")) in _UNTRACED:
            await self._app(scope, receive, counted)
            return
        # What is told while we answer carries this trace on, to whoever works on it.
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        with span(f"{scope.get('method')}", parent=parent, kind=SpanKind.SERVER, path=str(scope.get("path"))):
            await self._app(scope, receive, counted)
