"""A small collector of traces: OTLP over HTTP, as a real one takes it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Span:
    """A span as it was sent."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    """Traces that it is linked to."""
    video: str
    """The id of the video that it says it is about, or nothing."""


@dataclass
class Collector:
    """What has been sent so far."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Read one request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                for one in scope.spans:
                    links = tuple(link.trace_id.hex() for link in one.links)
                    ids = (one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex())
                    video = "".join(a.value.string_value for a in one.attributes if a.key == "video_id")
                    self.spans.append(Span(service, one.name, *ids, links, video))


@contextmanager
def collecting() -> Iterator[Collector]:
    """The collector on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
                collector.refused.append(f"{self.path} {self.headers['content-type']}")
                self.send_error(404)
                return
            collector.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield collector
    server.shutdown()
    server.server_close()
