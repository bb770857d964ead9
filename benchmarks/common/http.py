"""HTTP messages of the load generators: complete requests as bytes, connections, and a reader of answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
BOUNDARY = "----benchmarkboundary7MA4YWxkTrZu0gW"
TIMEOUT_SECONDS = 30.0

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


class BadAnswerError(Exception):
    """The bytes from the server are not a complete HTTP answer with a Content-Length."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP/1.1 answer; `head` is the status line and the headers."""

    status: int
    head: bytes
    body: bytes

    @property
    def ok(self) -> bool:
        """True if the status is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the value of a header; names are case-insensitive."""
        found = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r]*)", self.head, re.IGNORECASE)
        return found.group(1).decode("latin-1").strip() if found else None


@dataclass(frozen=True)
class Connection:
    """Keep-alive connection of an asyncio load generator, with one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a server on this machine; raises OSError."""
        return cls(*await asyncio.open_connection(HOST, port))

    @property
    def usable(self) -> bool:
        """True if the server has not closed the connection."""
        return not self.reader.at_eof() and not self.writer.is_closing()

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and return its answer; a connection that is not usable afterwards is closed.

        Raises:
            OSError: the connection is broken, or there is no answer in time.
            BadAnswerError: the answer is malformed or incomplete.
        """
        answer = None
        try:
            self.writer.write(request)
            buffer = bytearray()
            while (answer := take_answer(buffer)) is None:
                received = await self.reader.read(1 << 16)
                if not received:
                    raise BadAnswerError("closed by the server")
                buffer += received
            return answer
        finally:
            if answer is None or (answer.header("Connection") or "").lower() == "close":
                self.close()

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


def raw_request(path: str, png: bytes) -> bytes:
    """Return a POST request whose body is the PNG file."""
    return _post(path, "image/png", png)


def multipart_request(path: str, *pngs: bytes) -> bytes:
    """Return a POST request with each PNG file as a part of a form, as browsers and curl send it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}.png"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + png
        + b"\r\n"
        for number, png in enumerate(pngs)
    ]
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return _post(path, f"multipart/form-data; boundary={BOUNDARY}", body)


def requests_for(body: str, path: str, pngs: Sequence[bytes]) -> list[bytes]:
    """Return one POST request per PNG file; `body` is `raw` or `multipart`."""
    make = raw_request if body == "raw" else multipart_request
    return [make(path, png) for png in pngs]


def ask(port: int, request: bytes) -> Answer:
    """Send one request over a new connection and return its answer; raises like `Connection.exchange`."""

    async def exchange() -> Answer:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = await Connection.open(port)
            try:
                return await connection.exchange(request)
            finally:
                connection.close()

    return asyncio.run(exchange())


def take_answer(buffer: bytearray) -> Answer | None:
    """Read the answer in `buffer`, or return None if it is incomplete.

    Raises:
        BadAnswerError: the bytes are not HTTP, or there is no Content-Length.
    """
    head, end, body = bytes(buffer).partition(_END_OF_HEAD)
    if not end:
        return None
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.") or length is None:
        raise BadAnswerError(f"not an HTTP answer with a Content-Length: {head[:80]!r}")
    return Answer(int(head[9:12]), head, body) if len(body) >= int(length.group(1)) else None


def _post(path: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
