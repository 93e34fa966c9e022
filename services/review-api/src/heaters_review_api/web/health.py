"""Health and metrics; open to all, for they tell nothing of any video."""

from typing import Any

from heaters_edges.telemetry import REGISTRY
from litestar import MediaType, Request, Response, get
from prometheus_client.exposition import choose_encoder

from heaters_review_api.web.auth import OPEN
from heaters_review_api.web.desk import TheDesk


@get("/healthz", opt={OPEN: True}, media_type=MediaType.TEXT, tags=["health"])
async def healthz() -> str:
    """The process lives."""
    return "ok"


@get("/readyz", opt={OPEN: True}, tags=["health"])
async def readyz(desk: TheDesk) -> Response[dict[str, Any]]:
    """Whether bus, database, store and projection can be used; else what is wrong with which."""
    troubles = await desk.readiness.troubles()
    return Response({"ready": not troubles, **troubles}, status_code=503 if troubles else 200)


@get("/metrics", opt={OPEN: True}, tags=["health"], sync_to_thread=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Prometheus; with exemplars, for whoever takes OpenMetrics."""
    encode, type_ = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(REGISTRY), media_type=type_)


HANDLERS = [healthz, readyz, metrics]
