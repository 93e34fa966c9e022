"""Logs, traces and metrics: JSON lines with trace ids on stderr, OpenTelemetry spans, a Prometheus registry."""

import json
import logging
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from heaters_edges.settings import Settings

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # processor time, memory and open files of the service itself, without its children

JOBS = Counter("heaters_jobs", "Messages worked on, by how it ended", ["stage", "lane", "outcome"], registry=REGISTRY)
GIVEN_UP = Counter(
    "heaters_given_up",
    "Work that was told as failed for good, by class: bad_input, transient, quota or bug",
    ["stage", "failure_class"],
    registry=REGISTRY,
)
JOB_SECONDS = Histogram(
    "heaters_job_seconds",
    "Time from taking a message to having told its result",
    ["stage", "lane"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600),
    registry=REGISTRY,
)
JOB_CPU_SECONDS = Counter(
    "heaters_job_cpu_seconds", "CPU time of the children that did the work", ["stage"], registry=REGISTRY
)
PAUSED = Gauge("heaters_stage_paused", "1 while a stage takes no work", ["stage"], registry=REGISTRY)
BURSTS = Counter(
    "heaters_stage_bursts", "Times that a stage was let rest for a burst of failures", ["stage"], registry=REGISTRY
)
REDELIVERIES = Counter("heaters_redeliveries", "Messages that came more than once", ["stage"], registry=REGISTRY)
S3_REQUESTS = Counter("heaters_s3_requests", "Requests to the object store", ["stage", "operation"], registry=REGISTRY)
S3_BYTES = Counter(
    "heaters_s3_bytes", "Bytes moved to and from the object store", ["stage", "operation"], registry=REGISTRY
)
CACHE = Counter("heaters_cache_lookups", "Look-ups in the node's artifact cache", ["outcome"], registry=REGISTRY)
CACHE_BYTES = Gauge("heaters_cache_bytes", "Size of the node's artifact cache at its last sweep", registry=REGISTRY)
CACHE_EVICTIONS = Counter("heaters_cache_evictions", "Files that were put out of the node's cache", registry=REGISTRY)
FREE_BYTES = Gauge(
    "heaters_free_space_bytes", "Free space at the node's cache when it was looked at last", registry=REGISTRY
)
NO_SPACE = Gauge("heaters_no_space", "1 while the disk is too full for work that came, or for any", registry=REGISTRY)
WORKING = Gauge("heaters_working", "1 while a message is worked on", ["stage"], registry=REGISTRY)

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("heaters")
"""Asked for once: to ask for it again took half as long as a span itself."""
_plain = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


_DRIVES = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What JSON lets stand, and what drives terminals, ends lines for some readers, or turns the order of what is read."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message (a constant sentence), its fields, and the trace's id."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._who = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._who,
        }
        for name, value in record.__dict__.items():
            if name not in _plain and not name.startswith("_"):
                # A field never stands in for what every line says, and JSON has no word for infinity.
                sayable = value if not isinstance(value, float) or math.isfinite(value) else str(value)
                line[f"{name}_" if name in line else name] = sayable
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _DRIVES.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(line, default=str, ensure_ascii=False))


def start(service: str, settings: Settings) -> None:
    """Set up logs and traces for this process, once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service, settings.service_instance))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in (
        "botocore",
        "boto3",
        "urllib3",
        "s3transfer",
        "nats",
        "faststream",
        "uvicorn.access",
        "httpx",
        "httpcore",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": f"heaters-{service}", "service.instance.id": settings.service_instance}
        )
    )
    if settings.otlp_endpoint:
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"))
        )
    trace.set_tracer_provider(provider)


@contextmanager
def span(
    name: str,
    *,
    parent: str | None = None,
    linked: bool = False,
    kind: SpanKind = SpanKind.INTERNAL,
    **attributes: str | int,
) -> Iterator[None]:
    """A span around some work.

    Args:
        name: of the work.
        parent: a traceparent header from elsewhere; without one, the span belongs to the current one.
        linked: whether the span that is current here, of another trace than the parent's, is linked to.
        kind: of span.
        **attributes: of the span.
    """
    context = _propagator.extract({"traceparent": parent}) if parent else None
    here = trace.get_current_span().get_span_context()
    links = [Link(here)] if linked and here.is_valid else []
    with _tracer.start_as_current_span(
        name, context=context, kind=kind, attributes=attributes, links=links, record_exception=True
    ) as current:
        try:
            yield
        except BaseException as problem:
            current.set_status(Status(StatusCode.ERROR, str(problem)[:200]))
            raise


def exemplar() -> dict[str, str] | None:
    """The current trace, for a measurement to point at; None outside of any."""
    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.is_valid else None


def traceparent() -> str | None:
    """The current span as a traceparent header; None outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    """The id of the current trace; None outside of any."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
