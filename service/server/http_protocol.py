"""Turns requests away at the door while the queue that they want is full.

Under five times the load that a service can carry, four of five requests are refused, and what a refusal costs is
taken from those that are served. One that a route makes costs a task, a scope and two trips through the framework;
here it costs a look at the queue and one write, as soon as the request's head has been read. The answer is the same,
byte for byte but its numbers, and so are its metrics and its access line.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, Transport
from typing import TYPE_CHECKING, cast

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.errors import PROBLEM_MEDIA_TYPE, Problem, QueueFullError, problem_of
from service.http.admission import PREDICT
from service.http.middleware import finish
from service.observability.request_context import (
    REQUEST_ID_HEADER,
    TRACEPARENT_HEADER,
    RequestContext,
    current_request,
    read_context,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

    from service.state import AppState

_PATH = PREDICT.decode()
MAX_HEAD_BYTES = 65_536
"""Of a request, besides the piece that its head begins in: what common proxies allow, and far more than any client of
this service sends. It holds for the trailers of a chunked body as well.
"""

_HEAD_TOO_LARGE = (
    STATUS_LINE[431]
    + b"content-type: text/plain; charset=utf-8\r\ncontent-length: 58\r\nconnection: close\r\n\r\n"
    + b"The head of the request is too large: 65536 bytes at most."
)
_MEDIA_TYPE = PROBLEM_MEDIA_TYPE.encode()


class _Refused:
    """What stands for the exchange of a request that was turned away: it is over, and the rest of its body is not
    looked at. Each request has one of its own, by which it is known that the connection gets on.
    """

    response_complete = True
    disconnected = False
    keep_alive = True

    class message_event:  # noqa: N801  as uvicorn calls it
        """Nobody waits for it."""

        @staticmethod
        def set() -> None:
            """Tell nobody."""


class CoalescingTransport:
    """A transport that writes the head and the body of an answer at once: uvicorn writes them one by one, and each
    write is a system call and a packet.

    Where the body does not follow the head at once, the head goes alone.
    """

    __slots__ = ("_loop", "_transport", "_waiting")

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Hold back the first piece; write it together with the second, and all others as they come."""
        if self._waiting is None:
            self._transport.write(data)
        elif self._waiting:
            self._transport.write(self._waiting + data)
            self._waiting = None
        else:
            self._waiting = data
            self._loop.call_soon(self.flush)

    def close(self) -> None:
        """Write what waits and close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the transport is."""
        return self._transport.is_closing()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting and not self._transport.is_closing():  # nor can it be written to once it has closed
            self._transport.write(self._waiting)
            self._waiting = None


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a door, and with a limit on the head of a request, which uvicorn has none on."""

    _answer: CoalescingTransport | None = None
    _head_bytes = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request; a head that does not end is refused."""
        if self._in_head:  # already: what a head begins with may have come behind other requests, and is not counted
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._write(_HEAD_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_chunk_header(self) -> None:
        """A chunk of a body follows, or, after the last one, trailers."""
        self._in_head, self._head_bytes = True, 0

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        self._in_head = False
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The head of a request has come: turn it away, or let it in."""
        self._in_head = False
        if self.url.startswith(PREDICT) and self.parser.get_method() == b"POST" and self._may_be_answered_here():
            rejection = cast("AppState", self.app_state)["admission"].rejection(self.url)
            if rejection is not None:
                self._refuse(rejection)
                return
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answer = CoalescingTransport(self.transport, self.loop)
        cycle.transport = cast(Transport, self._answer)
        super()._start_asgi_task(cycle, app)

    def _write(self, data: bytes) -> None:
        """Write this behind the answer before it, whose head may wait for a body that never comes, as to a HEAD."""
        if self._answer is not None:
            self._answer.flush()
        self.transport.write(data)

    def _may_be_answered_here(self) -> bool:
        """Nothing is being answered on this connection, and it is to stay open, which uvicorn lets none of HTTP/1.0."""
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        lifecycle = cast("AppState", self.app_state)["lifecycle"]
        stays = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        return stays and not lifecycle.draining and not self.flow.write_paused

    def _refuse(self, rejection: QueueFullError) -> None:
        state = cast("AppState", self.app_state)
        deadline_seconds = state["settings"].deadline_seconds
        context = read_context(self.headers, now=time.perf_counter(), deadline_seconds=deadline_seconds)
        token = current_request.set(context)
        try:
            self.cycle = cast(RequestResponseCycle, _Refused())
            problem = problem_of(rejection)
            self._write(_answer(problem, context, self.server_state.default_headers))
            self.on_response_complete()
            state["metrics"].observe_problem(problem.type.slug, rejection.model, rejection.version)
            client = self.client[0] if self.client else None
            finish(state["metrics"], context, "POST", _PATH, _PATH, problem.type.status, client)
        finally:
            current_request.reset(token)


def _answer(problem: Problem, context: RequestContext, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    body = orjson.dumps(problem.body(context.id))
    lines = [STATUS_LINE[429]]
    lines += [b"%s: %s\r\n" % header for header in default_headers]
    lines += [b"%s: %s\r\n" % (name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    lines.append(b"content-length: %d\r\ncontent-type: %s\r\n" % (len(body), _MEDIA_TYPE))
    lines.append(b"%s: %s\r\n" % (REQUEST_ID_HEADER, context.id.encode()))
    if context.traceparent is not None:
        lines.append(b"%s: %s\r\n" % (TRACEPARENT_HEADER, context.traceparent.encode()))
    return b"".join([*lines, b"\r\n", body])
