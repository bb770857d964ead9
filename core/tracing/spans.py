"""Spans of a sampled trace, and the span of the request that is running. This module imports nothing of OpenTelemetry.

Steps of a request are recorded after they have ended, from times that were measured anyway. A request that is not
sampled has no span, so that each step costs one look-up of a context variable.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer as OtelTracer

Result = TypeVar("Result")
SpanKind = Literal["internal", "server", "producer", "consumer"]
"""Role of a span: https://opentelemetry.io/docs/specs/otel/trace/api/#spankind."""
Attributes = Mapping[str, str | bool | int | float]
MAX_TEXT = 1024
"""Maximum length of a text attribute. The export queue has up to 2,048 spans, and clients choose paths."""


class Span:
    """A span that is exported when it ends. Times are seconds on the clock of `time.perf_counter`."""

    __slots__ = ("_offset_ns", "_span", "_tracer")

    def __init__(self, tracer: OtelTracer, span: OtelSpan, offset_ns: int) -> None:
        """`offset_ns` is the time since 1970 minus that of `time.perf_counter_ns`, in nanoseconds."""
        self._tracer = tracer
        self._span = span
        self._offset_ns = offset_ns

    @property
    def traceparent(self) -> str:
        """W3C trace context that makes other spans children of this one."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def child(self, name: str, *, kind: SpanKind = "internal", started: float | None = None) -> Span:
        """Start a child; `started` is by default now."""
        from opentelemetry.trace import SpanKind as OtelKind
        from opentelemetry.trace import set_span_in_context

        context, begun = set_span_in_context(self._span), self._epoch_ns(started)
        span = self._tracer.start_span(name, context, kind=OtelKind[kind.upper()], start_time=begun)
        return Span(self._tracer, span, self._offset_ns)

    def record(
        self,
        name: str,
        started: float,
        ended: float | None = None,
        attributes: Attributes | None = None,
        *,
        error: BaseException | None = None,
    ) -> None:
        """Record a step that has ended; `ended` is by default now."""
        step = self.child(name, started=started)
        step.set(attributes or {})
        step.end(ended, error=None if error is None else type(error).__name__)

    def rename(self, name: str) -> None:
        """Replace the name."""
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        """Add attributes; long texts are cut."""
        for name, value in attributes.items():
            self._span.set_attribute(name, value[:MAX_TEXT] if isinstance(value, str) else value)

    def end(self, ended: float | None = None, *, error: str | None = None) -> None:
        """End the span, by default now. `error` is the type of the error that ended the work."""
        if error is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_attribute("error.type", error[:MAX_TEXT])
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end(self._epoch_ns(ended))

    def _epoch_ns(self, seconds: float | None) -> int:
        return self._offset_ns + (time.perf_counter_ns() if seconds is None else round(seconds * 1e9))


active_span: ContextVar[Span | None] = ContextVar("active_span", default=None)
"""Span of the request whose code is running; None if it is not sampled."""


def record_step(name: str, started: float, attributes: Attributes | None = None) -> None:
    """Record a step of the running request that ends now, if the request is sampled.

    Args:
        name: of the span.
        started: on the clock of `time.perf_counter`.
        attributes: of the span.
    """
    span = active_span.get()
    if span is not None:
        span.record(name, started, None, attributes)


def traced(name: str, work: Awaitable[Result]) -> Awaitable[Result]:
    """Return `work`, in a span if the running request is sampled."""
    span = active_span.get()
    return work if span is None else _in_span(span, name, work)


async def _in_span(span: Span, name: str, work: Awaitable[Result]) -> Result:
    step = span.child(name)
    try:
        result = await work
    except BaseException as error:
        step.end(error=type(error).__name__)
        raise
    step.end()
    return result


@contextmanager
def child_span(name: str, attributes: Attributes, *, kind: SpanKind = "internal") -> Iterator[Span | None]:
    """Context manager that runs a step of the running request in a span, and yields it; None if it is not sampled."""
    parent = active_span.get()
    if parent is None:
        yield None
        return
    span = parent.child(name, kind=kind)
    span.set(attributes)
    try:
        yield span
    except BaseException as error:
        span.end(error=type(error).__name__)
        raise
    span.end()
