"""OpenTelemetry collector in the test's own process: receives spans by OTLP over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Received:
    """A span; `parent` is the id of its parent or empty, times are nanoseconds since 1970."""

    name: str
    id: str
    parent: str
    trace: str
    kind: str
    started: int
    ended: int
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """All spans that were received; `status` is that of the next responses."""

    port: int = 0
    status: int = 200
    spans: list[Received] = field(default_factory=list)
    requests: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process that exports to this collector without delay."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "NO_PROXY": "127.0.0.1",
        }

    def named(self, name: str) -> list[Received]:
        """Spans of this name, in the order of their start."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.started)

    def only(self, name: str) -> Received:
        """The one span of this name."""
        [span] = self.named(name)
        return span

    def wait_for(self, name: str, count: int = 1) -> list[Received]:
        """Wait until `count` spans of this name have arrived, and return all of them."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self.named(name)) < count:
            assert time.monotonic() < deadline, sorted(span.name for span in self.spans)
            time.sleep(0.01)
        return found

    def children(self, parent: Received) -> list[str]:
        """Names of the children of a span, in the order of their start."""
        found = [span for span in self.spans if span.parent == parent.id]
        assert all(span.trace == parent.trace for span in found)
        return [span.name for span in sorted(found, key=lambda span: (span.started, span.ended))]

    def receive(self, body: bytes) -> None:
        """Decode and store one export."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            facts = values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [received(span, facts) for span in scope.spans]


def received(span: SpanMessage, resource: dict[str, Any]) -> Received:
    return Received(
        name=span.name,
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        trace=span.trace_id.hex(),
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        started=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=values(span.attributes),
        resource=resource,
    )


def values(attributes: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        kind = pair.value.WhichOneof("value")
        return getattr(pair.value, kind) if kind else None

    return {pair.key: value(pair) for pair in attributes}


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            if self.path == "/v1/traces" and collector.status == 200:
                collector.receive(body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
