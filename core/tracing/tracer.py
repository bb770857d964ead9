"""Tracer: starts the spans of requests and jobs, if the environment asks for traces.

The variables are those of OpenTelemetry. Without them nothing of OpenTelemetry is imported, and there is no tracer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from core.errors import ConfigurationError
from core.tracing.spans import Span, SpanKind

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from core.tracing.export import Pipeline

Component = Literal["api", "worker", "job"]
"""Kind of process: API, worker, or the process of a job."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_RATIO_SAMPLERS = ("traceidratio", "parentbased_traceidratio")
_SAMPLERS = (
    *("always_on", "always_off", "parentbased_always_on", "parentbased_always_off"),
    *_RATIO_SAMPLERS,
)


class Tracer:
    """Starts spans of sampled traces, which a thread exports in the background. Thread-safe."""

    def __init__(self, pipeline: Pipeline) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind as OtelKind

        self._pipeline = pipeline
        self._tracer = pipeline.provider.get_tracer("duet")
        self._should_sample = pipeline.provider.sampler.should_sample
        self._ids = pipeline.ids
        self._no_parent = Context()
        self._kinds = OtelKind

    def start_request(self, method: str, traceparent: str | None, started: float) -> Span | None:
        """Start the span of an HTTP request, or return None if it is not sampled.

        Args:
            method: HTTP method.
            traceparent: W3C trace context of the client, which must be valid.
            started: time when the head of the request was read, on the clock of `time.perf_counter`.
        """
        # The sampler is asked before the SDK, whose `start_span` takes three times as long to return no span.
        kind = self._kinds.SERVER
        if traceparent is not None:
            parent = _parent_context(traceparent)
            if not self._should_sample(parent, int(traceparent[3:35], 16), method, kind).decision.is_sampled():
                return None
            return self._start(method, parent, "server", started)
        trace_id = self._ids.generate_trace_id()
        if not self._should_sample(self._no_parent, trace_id, method, kind).decision.is_sampled():
            return None
        self._ids.choose(trace_id)
        return self._start(method, self._no_parent, "server", started)

    def start(
        self, name: str, traceparent: str | None, *, kind: SpanKind = "internal", started: float | None = None
    ) -> Span | None:
        """Start a span in the trace of `traceparent`, or a new trace without one; None if it is not sampled.

        `started` is by default now, on the clock of `time.perf_counter`.
        """
        return self._start(
            name, self._no_parent if traceparent is None else _parent_context(traceparent), kind, started
        )

    def close(self) -> None:
        """Export the spans that have ended; waits for two seconds at most."""
        self._pipeline.close()

    def _start(self, name: str, context: Context, kind: SpanKind, started: float | None) -> Span | None:
        offset_ns = time.time_ns() - time.perf_counter_ns()
        begun = None if started is None else offset_ns + round(started * 1e9)
        span = self._tracer.start_span(name, context, kind=self._kinds[kind.upper()], start_time=begun)
        return Span(self._tracer, span, offset_ns) if span.get_span_context().trace_flags.sampled else None


def start_tracer(component: Component, environment: Mapping[str, str] = os.environ) -> Tracer | None:
    """Start the tracer of this process; None if the environment does not ask for traces. The caller must close it.

    Raises:
        ConfigurationError: raised by `check_tracing`.
    """
    if not check_tracing(environment):
        return None
    try:
        from core.tracing.export import Pipeline
    except ImportError as error:
        raise ConfigurationError(
            f"the environment asks for traces ({_asked_by(environment)}), but the package {error.name} is missing: "
            "install the extra `tracing` (`pip install 'duet-vision[tracing]'`), or set OTEL_TRACES_EXPORTER=none"
        ) from error
    return Tracer(Pipeline(component))


def check_tracing(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the variables of OpenTelemetry ask for traces, and check those that the SDK does not check.

    Traces are on if an OTLP endpoint is named, or OTEL_TRACES_EXPORTER is `otlp`.

    Raises:
        ConfigurationError: the exporter, protocol, endpoint or sampler is not supported.
    """
    if _text(environment, "OTEL_SDK_DISABLED") == "true":
        return False
    exporter = _text(environment, "OTEL_TRACES_EXPORTER")
    endpoint = next((name for name in _ENDPOINTS if environment.get(name)), None)
    if exporter == "none" or (not exporter and endpoint is None):
        return False
    if exporter not in ("", "otlp"):
        raise ConfigurationError(f"OTEL_TRACES_EXPORTER={exporter}: traces can be exported by otlp only, or by none")
    protocol = next((name for name in _PROTOCOLS if environment.get(name)), None)
    if protocol is not None and _text(environment, protocol) != _PROTOCOL:
        raise ConfigurationError(
            f"{protocol}={environment[protocol]}: traces are exported by {_PROTOCOL} only; set it to that, and the "
            "endpoint to the HTTP port of the collector, by default 4318"
        )
    if endpoint is not None:
        _check_endpoint(endpoint, environment[endpoint])
    _check_sampler(environment)
    return True


def _check_endpoint(name: str, endpoint: str) -> None:
    """Check an endpoint. The message omits its value, which may contain a password."""
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(f"{name} must be a URL such as http://collector:4318")


def _check_sampler(environment: Mapping[str, str]) -> None:
    sampler = _text(environment, "OTEL_TRACES_SAMPLER")
    if sampler and sampler not in _SAMPLERS:
        raise ConfigurationError(f"OTEL_TRACES_SAMPLER={sampler}: use one of {', '.join(_SAMPLERS)}")
    if sampler in _RATIO_SAMPLERS:
        ratio = environment.get("OTEL_TRACES_SAMPLER_ARG", "1")
        try:
            valid = 0.0 <= float(ratio) <= 1.0
        except ValueError:
            valid = False
        if not valid:
            raise ConfigurationError(f"OTEL_TRACES_SAMPLER_ARG={ratio}: use a share from 0 to 1, such as 0.01")


def _asked_by(environment: Mapping[str, str]) -> str:
    return next(name for name in (*_ENDPOINTS, "OTEL_TRACES_EXPORTER") if environment.get(name))


def _text(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, "").strip().lower()


def _parent_context(traceparent: str) -> Context:
    """Context with the remote span that a valid `traceparent` names."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    _, trace_id, span_id, flags = traceparent.split("-")[:4]
    remote = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(remote), Context())
