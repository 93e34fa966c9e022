"""How far behind everybody is, for Prometheus: each consumer's messages that wait, and the stream's end."""

import asyncio
import logging

from heaters_contracts.pipeline import CONSUMERS
from heaters_edges.bus import Bus, BusError
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Gauge

log = logging.getLogger(__name__)

PENDING = Gauge("heaters_consumer_pending", "Messages that wait for a stage", ["stage", "lane"], registry=REGISTRY)
IN_FLIGHT = Gauge(
    "heaters_consumer_in_flight", "Messages that a stage has in hand", ["stage", "lane"], registry=REGISTRY
)
END = Gauge("heaters_stream_sequence", "The last sequence of the facts stream", registry=REGISTRY)

EVERY_S = 10.0


async def watch_lag(bus: Bus, *, every_s: float = EVERY_S) -> None:
    """Look again and again; for ever."""
    while True:
        try:
            END.set(await bus.last_sequence())
            for work, lane in CONSUMERS:
                pending, in_flight = await bus.backlog(work.consumer(lane))
                PENDING.labels(work.name, lane).set(pending)
                IN_FLIGHT.labels(work.name, lane).set(in_flight)
        except BusError as problem:
            log.warning("the lag of the stages is not known just now", extra={"reason": str(problem)})
        await asyncio.sleep(every_s)
