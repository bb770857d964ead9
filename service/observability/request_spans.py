"""Span of an HTTP request, with the attributes of OpenTelemetry's conventions for HTTP servers.

See https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.tracing.spans import Span
from core.tracing.tracer import Tracer
from service.observability.logging import RequestContext

UNMATCHED = "unmatched"
"""Route of requests that match none."""


def start_request_span(tracer: Tracer, context: RequestContext, method: str) -> tuple[RequestContext, Span | None]:
    """Start the span of a request, if it is sampled.

    Returns:
        The context of the request, whose `traceparent` is that of the span, and the span. A request that is not sampled
        has its own context and no span.
    """
    span = tracer.start_request(method, context.traceparent, context.started)
    return (context, None) if span is None else (context._replace(traceparent=span.traceparent), span)


def end_request_span(
    span: Span, context: RequestContext, scope: Mapping[str, Any], method: str, route: str, status: int
) -> None:
    """End the span of a request.

    Args:
        span: of the request.
        context: of the request.
        scope: ASGI scope of the request.
        method: HTTP method.
        route: path template, or UNMATCHED.
        status: of the response; 0 if there was none.
    """
    attributes: dict[str, str | bool | int | float] = {
        "http.request.method": method,
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
        "duet.request_id": context.id,
    }
    if route != UNMATCHED:
        span.rename(f"{method} {route}")
        attributes["http.route"] = route
    if status:
        attributes["http.response.status_code"] = status
    if scope.get("client"):
        attributes["client.address"] = scope["client"][0]
    span.set(attributes)
    span.end(error=str(status or "no response") if status >= 500 or not status else None)
