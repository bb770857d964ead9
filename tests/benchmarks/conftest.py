from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from benchmarks.common.http import HOST

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Respond = Callable[[int], bytes]


class LocalServer(ThreadingTCPServer):
    """Answers the n-th request (from 0) with `respond(n)`, one at a time; b"" closes the connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, respond: Respond) -> None:
        super().__init__((HOST, 0), _Handler)
        self.port: int = self.server_address[1]
        self.bodies: list[bytes] = []
        self.respond = respond
        self.lock = threading.Lock()


class _Handler(StreamRequestHandler):
    server: LocalServer

    def handle(self) -> None:
        while head := self.rfile.readline():
            head += b"".join(iter(lambda: self.rfile.readline() or b"\r\n", b"\r\n"))
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            body = self.rfile.read(length)
            with self.server.lock:
                self.server.bodies.append(body)
                answer = self.server.respond(len(self.server.bodies) - 1)
            if not answer:
                return
            self.wfile.write(answer)


@pytest.fixture
def local_server() -> Iterator[Callable[[Respond], LocalServer]]:
    """Start servers in this process, and stop them after the test."""
    with ExitStack() as stack:

        def start(respond: Respond) -> LocalServer:
            server = stack.enter_context(LocalServer(respond))
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield start


def status_answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    """Return an answer with a status, a body and more header lines."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} Some\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
