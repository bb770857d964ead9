"""One keep-alive connection of the Python load generator: a request at a time, its answer to a callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import uvloop

from benchmarks.serving.messages import HOST, Answer, BadAnswerError, take_answer

T = TypeVar("T")


class Connection(asyncio.Protocol):
    """Calls `answered` with each answer, or `failed` once when the connection ends while one is due."""

    def __init__(
        self, answered: Callable[[Connection, Answer], None], failed: Callable[[Connection, str], None]
    ) -> None:
        self._answered = answered
        self._failed = failed
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self._waits = False
        self._problem = "closed by the server"

    @property
    def usable(self) -> bool:
        """Whether a request can be sent over it now."""
        return self._transport is not None and not self._transport.is_closing() and not self._waits

    def send(self, request: bytes) -> None:
        """Write a request; the answer to the last one has come, and `usable` is true."""
        assert self._transport is not None
        self._waits = True
        self._transport.write(request)

    def close(self) -> None:
        """Give up on whatever is due, silently."""
        self._waits = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own, of no common class

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        assert self._transport is not None
        self._buffer += data
        try:
            answer = take_answer(self._buffer)
        except BadAnswerError as error:
            self._problem = str(error)
            self._transport.abort()
            return
        if answer is not None:
            self._waits = False
            if answer.closes:
                self._transport.close()
            self._answered(self, answer)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        if self._waits:
            self._waits = False
            self._failed(self, type(error).__name__ if error else self._problem)


async def connect(
    port: int, answered: Callable[[Connection, Answer], None], failed: Callable[[Connection, str], None]
) -> Connection:
    """A new connection; raises OSError."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(answered, failed), HOST, port)
    return connection


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
