"""Export of spans by OTLP over HTTP, in a background thread. The only module that imports the SDK of OpenTelemetry.

A collector that does not respond does not delay requests: spans wait in a queue of bounded length, and the oldest are
dropped. The log gets one line when the export begins to fail, and one when it works again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextvars import ContextVar
from threading import Thread

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from core.release import release
from core.tracing.tracer import Component

CLOSE_SECONDS = 2.0
"""Time limit for exporting the last spans when the process ends."""
REPORT_SECONDS = 600.0
"""Minimum time between two reports of an outage, for a collector that fails now and then."""
_QUEUE_LOGGER = "opentelemetry.sdk._shared_internal"
"""Logger of the SDK that reports a full queue every 20 s."""
log = logging.getLogger("duet.traces")


class Pipeline:
    """Provider of tracers with a bounded queue and an exporter, both configured by the environment.

    Attributes:
        ids: generator of the ids of spans and traces.
        provider: it is not the global one, so that other libraries record no spans of their own.
    """

    def __init__(self, component: Component) -> None:
        own = {"service.name": "duet", "service.version": release(), "duet.process": component}
        resource = Resource.create(own | dict(OTELResourceDetector().detect().attributes))
        self.ids = TraceIds()
        self.provider = TracerProvider(resource=resource, id_generator=self.ids, shutdown_on_exit=False)
        self._exporter = _QuietExporter()
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter))
        logging.getLogger(_QUEUE_LOGGER).setLevel(logging.CRITICAL)
        log.info("traces are exported, sampled by %s", self.provider.sampler.get_description())

    def close(self) -> None:
        """Export the queued spans and stop; after CLOSE_SECONDS, the rest is dropped."""
        closing = Thread(target=self.provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            self._exporter.shutdown()  # ends the pauses between its attempts


class TraceIds(RandomIdGenerator):
    """Random ids. The trace id of the next span can be chosen, so that the sampler can be asked before the SDK."""

    def __init__(self) -> None:
        self._chosen: ContextVar[int | None] = ContextVar("chosen_trace_id", default=None)

    def choose(self, trace_id: int) -> None:
        """Return this trace id at the next call in the same thread or task."""
        self._chosen.set(trace_id)

    def generate_trace_id(self) -> int:
        """Return the chosen trace id once, otherwise a random one."""
        chosen = self._chosen.get()
        if chosen is None:
            return super().generate_trace_id()
        self._chosen.set(None)
        return chosen


class _QuietExporter(OTLPSpanExporter):
    """OTLP exporter that logs the start and the end of an outage instead of each failed attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._reported = False
        self._next_report = 0.0
        self._reason = _FirstMessage()
        trace_exporter._logger.addFilter(self._reason)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; blocks for up to OTEL_EXPORTER_OTLP_TIMEOUT (10 s) while the collector does not respond."""
        self._reason.text = ""
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._reported:
                log.warning("traces are exported again")
            self._reported = False
        elif not self._reported and time.monotonic() >= self._next_report:
            log.warning("traces cannot be exported, and spans are dropped until they can: %s", self._reason.text)
            self._reported, self._next_report = True, time.monotonic() + REPORT_SECONDS
        return result

    def shutdown(self) -> None:
        """Stop, also in the middle of an export."""
        super().shutdown()  # type: ignore[no-untyped-call]
        trace_exporter._logger.removeFilter(self._reason)


class _FirstMessage(logging.Filter):
    """Suppresses the lines of a logger and keeps the first, which names the cause."""

    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.text = self.text or record.getMessage()
        return False
