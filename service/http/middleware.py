"""Request middleware: checks the Host, adds headers to every response, logs and counts requests, and responds 500 to
unexpected errors.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.tracing.spans import active_span
from core.tracing.tracer import Tracer
from service.errors import InternalServiceError, ProblemError, problem_of
from service.http.cors import CrossOriginAccess
from service.http.problem_handlers import problem_for, problem_response
from service.observability.logging import RequestContext, current_request, log_access
from service.observability.metrics import Metrics
from service.observability.request_spans import UNMATCHED, end_request_span, start_request_span
from service.security.origins import HostCheck

log = logging.getLogger("duet.service")

REQUEST_ID_HEADER = b"x-request-id"
TRACEPARENT_HEADER = b"traceparent"
DEFAULT_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""Headers of every response that does not set them itself: browsers neither guess types nor keep answers."""
QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Routes of probes and scrapes; their access lines are logged at level debug."""

_VALID_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header; version ff and all-zero ids are invalid.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?")
_process_id = os.urandom(8).hex()
_numbers = count()


@dataclass
class Lifecycle:
    """Lifecycle of the server process.

    Attributes:
        draining: set once, when the process is asked to stop.
        on_closing: called after the last request, before the service closes its parts.
    """

    draining: bool = False
    on_closing: Callable[[], None] = lambda: None


class RequestMiddleware:
    """ASGI middleware around every request; plain ASGI, because Starlette's base class is slower.

    Args:
        tracer: records spans of sampled requests; None for none.
        hosts: check of the Host header.
        cors: access for pages of other origins; None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        lifecycle: Lifecycle,
        deadline_seconds: float,
        tracer: Tracer | None,
        hosts: HostCheck,
        cors: CrossOriginAccess | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._deadline_seconds = deadline_seconds
        self._tracer = tracer
        self._hosts = hosts
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other ASGI events pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = read_context(scope["headers"], now=time.perf_counter(), deadline_seconds=self._deadline_seconds)
        span = None
        if self._tracer is not None and scope["path"] not in QUIET_ROUTES:
            context, span = start_request_span(self._tracer, context, scope["method"])
            span_token = active_span.set(span)
        scope.setdefault("state", {})["context"] = context
        token = current_request.set(context)
        self._metrics.in_progress += 1
        cors = [] if self._cors is None else self._cors.headers(scope["headers"])
        method, status = scope["method"], 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                names = [name for name, _ in headers]
                headers += [header for header in DEFAULT_HEADERS if header[0] not in names]
                headers.extend(cors)
                headers.append((REQUEST_ID_HEADER, context.id.encode()))
                if context.traceparent is not None:
                    headers.append((TRACEPARENT_HEADER, context.traceparent.encode()))
                if self._lifecycle.draining:
                    headers.append((b"connection", b"close"))
            await send(message)

        send_response: Send = send_with_headers
        if method == "HEAD":
            scope, send_response = {**scope, "method": "GET"}, _without_body(send_with_headers)
        try:
            try:
                response = self._refuse(context, scope) or self._answer_preflight(scope) or self._app
                await response(scope, receive, send_response)
            except Exception:
                log.exception("%s %s failed", method, scope["path"])
                problem = problem_of(InternalServiceError())
                self._metrics.observe_problem(problem.type.slug)
                if status == 0:
                    await problem_response(problem, context.id, scope["path"])(scope, receive, send_response)
            client = scope.get("client")
            finish(self._metrics, context, method, _route(scope), scope["path"], status, client[0] if client else None)
        finally:
            self._metrics.in_progress -= 1
            current_request.reset(token)
            if span is not None:
                active_span.reset(span_token)
                end_request_span(span, context, scope, method, _route(scope), status)

    def _refuse(self, context: RequestContext, scope: Scope) -> Response | None:
        """The response to a request with a Host that is not accepted, otherwise None."""
        if self._hosts.accepts(context.host, scope):
            return None
        try:
            self._hosts.check(context.host)
        except ProblemError as error:
            return problem_for(error, scope)
        return None

    def _answer_preflight(self, scope: Scope) -> Response | None:
        """The response to a preflight request of a page of another origin, otherwise None."""
        if self._cors is None or scope["method"] != "OPTIONS":
            return None
        granted = self._cors.preflight_headers(scope["headers"])
        if granted is None:
            return None
        response = Response(status_code=204)
        response.raw_headers += granted
        return response


def _route(scope: Scope) -> str:
    """Path template of the matched route."""
    return getattr(scope.get("route"), "path", UNMATCHED)


def _without_body(send: Send) -> Send:
    """Channel of the response to HEAD: sends the head that GET would have, and ends the response after it.

    The end of the response disconnects its sender, so that a stream of events stops too.
    """
    is_complete = False

    async def send_head(message: Message) -> None:
        nonlocal is_complete
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            is_complete = True
        elif not is_complete:
            await send(message)

    return send_head


def read_context(headers: Iterable[tuple[bytes, bytes]], *, now: float, deadline_seconds: float) -> RequestContext:
    """The context of the request with these ASGI headers; `now` is on the clock of `time.perf_counter`."""
    request_id = traceparent = ""
    host: bytes | None = None
    for name, value in headers:
        if name == b"host":
            host = value if host is None else b"%s, %s" % (host, value)
        elif name == REQUEST_ID_HEADER:
            request_id = value.decode("latin-1")
        elif name == TRACEPARENT_HEADER:
            traceparent = value.decode("latin-1")
    return RequestContext(
        request_id if request_id and _VALID_ID.fullmatch(request_id) else _new_id(),
        traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        now,
        now + deadline_seconds,
        host,
    )


def finish(
    metrics: Metrics, context: RequestContext, method: str, route: str, path: str, status: int, client: str | None
) -> None:
    """Record the metrics and write the access line of a finished request.

    `context` must be the current one; `route` is the path template, `client` the address.
    """
    seconds = time.perf_counter() - context.started
    metrics.observe_request(method, route, status, seconds)
    level = logging.DEBUG if route in QUIET_ROUTES else logging.INFO
    log_access(level, method, path, status, seconds, client)


def _new_id() -> str:
    """A unique id of 32 hexadecimal digits: 16 random ones per process and a counter."""
    return f"{_process_id}{next(_numbers):016x}"
