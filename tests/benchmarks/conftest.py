from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from benchmarks.common.http import HOST

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Respond = Callable[[int], bytes]


class LocalServer:
    """Answers the n-th request (from 0) with `respond(n)`; b"" closes the connection."""

    def __init__(self, respond: Respond) -> None:
        self.bodies: list[bytes] = []
        self.port = 0
        self._respond = respond
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._hang_up())

    async def _hang_up(self) -> None:
        while connections := asyncio.all_tasks() - {asyncio.current_task()}:
            for connection in connections:
                connection.cancel()
            await asyncio.wait(connections)
        await asyncio.sleep(0.05)  # transports close one iteration of the loop later

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.partition("Content-Length: ")[2].partition("\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                answer = self._respond(len(self.bodies) - 1)
                if not answer:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@pytest.fixture
def local_server() -> Iterator[Callable[[Respond], LocalServer]]:
    """Start servers in this process, and stop them after the test."""
    started: list[LocalServer] = []

    def start(respond: Respond) -> LocalServer:
        started.append(LocalServer(respond))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def status_answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    """Return an answer with a status, a body and more header lines."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} Some\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
