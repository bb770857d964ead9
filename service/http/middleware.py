"""Around every request: its id and trace, its access line, its metrics, and the last net for defects."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InternalServiceError, problem_of
from service.http.lifecycle import Lifecycle
from service.http.problem_handlers import problem_response
from service.observability.logging import log_access
from service.observability.metrics import Metrics
from service.observability.request_context import (
    REQUEST_ID_HEADER,
    TRACEPARENT_HEADER,
    RequestContext,
    current_request,
    read_context,
)

log = logging.getLogger("duet.service")

# Probes and scrapes come every few seconds for ever: worth a line only when someone debugs them.
QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})


class RequestMiddleware:
    """Plain ASGI, because it is on the path of every request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, lifecycle: Lifecycle, deadline_seconds: float) -> None:
        self._app = app
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._deadline_seconds = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything that is not HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = read_context(scope["headers"], now=time.perf_counter(), deadline_seconds=self._deadline_seconds)
        scope.setdefault("state", {})["context"] = context
        token = current_request.set(context)
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                headers.append((REQUEST_ID_HEADER, context.id.encode()))
                if context.traceparent is not None:
                    headers.append((TRACEPARENT_HEADER, context.traceparent.encode()))
                if self._lifecycle.draining:
                    headers.append((b"connection", b"close"))
            await send(message)

        try:
            try:
                await self._app(scope, receive, send_marked)
            except Exception:
                log.exception("%s %s failed", scope["method"], scope["path"])
                problem = problem_of(InternalServiceError())
                self._metrics.observe_problem(problem.type.slug)
                if status == 0:
                    await problem_response(problem, context.id, scope["path"])(scope, receive, send_marked)
            route = getattr(scope.get("route"), "path", "unmatched")
            client = scope.get("client")
            finish(self._metrics, context, scope["method"], route, scope["path"], status, client[0] if client else None)
        finally:
            current_request.reset(token)


def finish(
    metrics: Metrics, context: RequestContext, method: str, route: str, path: str, status: int, client: str | None
) -> None:
    """Count a request that has been answered and write its access line.

    Args:
        metrics: where it is counted.
        context: of the request, which is the current one.
        method: of the request.
        route: the template of its path.
        path: of the request.
        status: of the answer.
        client: its address.
    """
    seconds = time.perf_counter() - context.started
    metrics.observe_request(method, route, status, seconds)
    level = logging.DEBUG if route in QUIET_ROUTES else logging.INFO
    log_access(level, method, path, status, seconds, client)
