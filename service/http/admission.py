"""Admission control in uvicorn's HTTP protocol: rejects `/predict` with 429 if the queue of the model is full for the
caller, or a limit of the caller is reached.

At five times the capacity of the service, four of five requests are rejected, so their cost reduces the throughput of
the rest. A rejection by a route needs a task, an ASGI scope and a pass through the framework. A rejection here needs a
queue check and one write, directly after the head of the request has been read. Response, metrics and access line are
the same as those of the route.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, Transport
from typing import TYPE_CHECKING, cast

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.errors import PROBLEM_MEDIA_TYPE, CallerLimitError, Problem, ProblemError, QueueFullError, problem_of
from service.http.middleware import DEFAULT_HEADERS, REQUEST_ID_HEADER, TRACEPARENT_HEADER, finish, read_context
from service.observability.logging import RequestContext, current_request
from service.observability.request_spans import end_request_span, start_request_span

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

PREDICT = "/predict"
_PREDICT_URL = PREDICT.encode()
MAX_HEAD_BYTES = 65_536
"""Limit on the head of a request, not counting the chunk in which it begins: the limit of common proxies. It also
applies to the trailers of a chunked body.
"""

_DEFAULT_HEADER_LINES = b"".join(b"%s: %s\r\n" % header for header in DEFAULT_HEADERS)


def _plain_response(status: int, text: bytes) -> bytes:
    """Response to a request that cannot be read; the connection closes after it."""
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n" % len(text)
    return b"".join((STATUS_LINE[status], _DEFAULT_HEADER_LINES, head, b"\r\n", text))


_HEAD_TOO_LARGE = _plain_response(431, b"The head of the request is too large: 65536 bytes at most.")
_INVALID_REQUEST = _plain_response(400, b"The request is not valid HTTP/1.1.")
_MEDIA_TYPE = PROBLEM_MEDIA_TYPE.encode()


class _RejectedCycle:
    """Completed cycle of a rejected request; the rest of its body is ignored.

    Each rejected request gets a new instance, which shows `SlowConnectionReaper` that the connection makes progress.
    """

    response_complete = True
    disconnected = False
    keep_alive = True

    class message_event:  # noqa: N801  name of uvicorn's attribute
        """Event without waiters."""

        @staticmethod
        def set() -> None:
            """Do nothing."""


class CoalescingTransport:
    """Transport that writes the head and the body of a response with one system call; uvicorn writes them separately.

    If the body does not follow the head in the same turn of the event loop, the head is written alone.
    """

    __slots__ = ("_loop", "_transport", "_waiting")

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Hold back the first piece and write it together with the second; later pieces are written at once."""
        if self._waiting is None:
            self._transport.write(data)
        elif self._waiting:
            self._transport.write(self._waiting + data)
            self._waiting = None
        else:
            self._waiting = data
            self._loop.call_soon(self.flush)

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the underlying transport is closing."""
        return self._transport.is_closing()

    def flush(self) -> None:
        """Write the piece that was held back."""
        if self._waiting and not self._transport.is_closing():
            self._transport.write(self._waiting)
            self._waiting = None


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with admission control, a limit on the size of request heads, and without upgrades.

    The service supports no other protocol, so a request to upgrade is served as if it did not ask for it, as RFC 9110,
    section 7.8 allows. Clients such as Java's ask for HTTP/2 (`Upgrade: h2c`) with every first request.
    """

    _response: CoalescingTransport | None = None
    _head_bytes = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; a head that exceeds the limit is rejected with 431."""
        if self._in_head:  # the chunk in which the head begins is not counted: it may hold other requests
            self._head_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._write(_INVALID_REQUEST)
            self.transport.close()
            return
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._write(_HEAD_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Parser callback: the first byte of a request."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_chunk_header(self) -> None:
        """Parser callback: a chunk of a body or its trailers begin."""
        self._in_head, self._head_bytes = True, 0

    def on_body(self, body: bytes) -> None:
        """Parser callback: a piece of a body."""
        self._in_head = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Parser callback: the end of a request, or of a head that is parsed again."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Parser callback: admit or reject a request for `/predict`; others are left to the app."""
        self._in_head = False
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            return  # the parser stops here, and `_parse` repeats this head without the request to upgrade
        if not self.url.startswith((b"/", b"*")) and self.parser.get_method() != b"CONNECT":
            self._read_absolute_target()
        if self.url.startswith(_PREDICT_URL) and self.parser.get_method() == b"POST" and self._can_respond():
            try:
                self._admit()
            except (QueueFullError, CallerLimitError) as error:
                self._reject(error.with_traceback(None))
                return
            except ProblemError:
                pass  # the route raises it again
        super().on_headers_complete()

    def _read_absolute_target(self) -> None:
        """Split a target such as `http://host/predict` into path and Host, which replaces the header of that name.

        See RFC 9112, section 3.2.2. A missing or repeated header stays an error.
        """
        target = httptools.parse_url(self.url)
        self.url = (target.path or b"/") + (b"" if target.query is None else b"?" + target.query)
        others = [header for header in self.headers if header[0] != b"host"]
        given = len(self.headers) - len(others)
        if given == 1 or (given == 0 and self.parser.get_http_version() == "1.0"):
            host = b"[%s]" % target.host if b":" in target.host else target.host
            self.headers[:] = [*others, (b"host", host if target.port is None else b"%s:%d" % (host, target.port))]

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse received bytes.

        The parser does not read the body of a request to upgrade: it stops after the head and expects the new protocol.
        A new parser then reads the head without the request to upgrade, and the rest of the bytes.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self.parser.get_method() == b"CONNECT":
                    return
                data = memoryview(data)[upgrade.args[0] :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own parser
                self.parser.feed_data(head)
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                lines.append(b"connection: %s" % b", ".join(each for each in tokens if each.lower() != b"upgrade"))
            elif name != b"upgrade":
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _admit(self) -> None:
        """Match, parse and admit the request; the route finds the results in the scope.

        Requests for a particular version, or for a champion that is not loaded, are admitted by the route. So are
        requests with an unknown key, and all requests of an app to which middleware was added, because it must see them
        first.

        Raises:
            QueueFullError: the queue of the champion is full.
            CallerLimitError: a limit of the caller is reached.
            ProblemError: the query does not validate, the key is refused, or the model has no such precision.
        """
        path, _, query_string = self.url.partition(b"?")
        state = self.app_state
        route = state["predict_route"]
        if path != _PREDICT_URL or route is None:
            return
        query = route.parse_query(query_string)
        caller = state["callers"].admit_known(self.headers, self.client[0] if self.client else "")
        if caller is None:
            return
        self.scope["state"]["caller"] = caller
        if query.version is None:
            served = state["engine"].admit_champion(query.model, query.precision, caller=caller.id)
            if served is not None:
                self.scope.update(route=route, query=query)  # type: ignore[call-arg]
                self.scope["state"]["served"] = served

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._response = CoalescingTransport(self.transport, self.loop)
        cycle.transport = cast(Transport, self._response)
        super()._start_asgi_task(cycle, app)

    def _write(self, data: bytes) -> None:
        """Write after the previous response, whose head may still wait for a body (after HEAD there is none)."""
        if self._response is not None:
            self._response.flush()
        self.transport.write(data)

    def _can_respond(self) -> bool:
        """Return whether the connection stays open and no other request on it is in progress, and no page needs more.

        uvicorn closes the connection after each HTTP/1.0 request.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        if self.app_state["settings"].cors_origins and any(name == b"origin" for name, _ in self.headers):
            return False  # the page reads only responses with the headers that `RequestMiddleware` adds
        stays_open = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        return stays_open and not self.app_state["lifecycle"].draining and not self.flow.write_paused

    def _reject(self, error: QueueFullError | CallerLimitError) -> None:
        metrics, deadline_seconds = self.app_state["metrics"], self.app_state["settings"].deadline_seconds
        context = read_context(self.headers, now=time.perf_counter(), deadline_seconds=deadline_seconds)
        tracer, span = self.app_state["tracer"], None
        if tracer is not None:
            context, span = start_request_span(tracer, context, "POST")
        token = current_request.set(context)
        try:
            self.cycle = cast(RequestResponseCycle, _RejectedCycle())
            problem = problem_of(error)
            self._write(_response_bytes(problem, context, self.server_state.default_headers))
            self.on_response_complete()
            model, version = (error.model, error.version) if isinstance(error, QueueFullError) else ("", "")
            metrics.observe_problem(problem.type.slug, model, version)
            client = self.client[0] if self.client else None
            finish(metrics, context, "POST", PREDICT, PREDICT, problem.type.status, client)
            if span is not None:
                scope = {"path": PREDICT, "scheme": self.scheme, "client": self.client}
                end_request_span(span, context, scope, "POST", PREDICT, problem.type.status)
        finally:
            current_request.reset(token)


def _response_bytes(problem: Problem, context: RequestContext, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    body = orjson.dumps(problem.body(context.id))
    lines = [STATUS_LINE[429], _DEFAULT_HEADER_LINES]
    lines += [b"%s: %s\r\n" % header for header in default_headers]
    lines += [b"%s: %s\r\n" % (name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    lines.append(b"content-length: %d\r\ncontent-type: %s\r\n" % (len(body), _MEDIA_TYPE))
    lines.append(b"%s: %s\r\n" % (REQUEST_ID_HEADER, context.id.encode()))
    if context.traceparent is not None:
        lines.append(b"%s: %s\r\n" % (TRACEPARENT_HEADER, context.traceparent.encode()))
    return b"".join([*lines, b"\r\n", body])
