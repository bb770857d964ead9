"""Raw HTTP over a socket, for requests that HTTP clients do not send."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

BOUNDARY = "XyZ"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Answer:
    """Response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


def head(*lines: str, path: str = "/predict") -> bytes:
    """Return the head of a POST with these header lines."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: duet", *lines, "", ""]).encode()


def request(body: bytes, *lines: str, path: str = "/predict", content_type: str = "image/png") -> bytes:
    """Return a complete POST."""
    return head(f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *lines, path=path) + body


def form(files: Sequence[bytes]) -> bytes:
    """Return a body of the type `FORM` with the files 0.png, 1.png and so on in the field `file`."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{i}.png"\r\n\r\n'.encode() + content
        for i, content in enumerate(files)
    ]
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def answer_on(connection: socket.socket) -> Answer:
    """Return the next complete response on a connection."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, headers, answer.read())


class Peer:
    """A connection to a service in the same event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Self:
        """Open a connection."""
        return cls(*await asyncio.open_connection(*address))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Write these bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer:
        """Return the next complete response."""
        status_line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(status_line.split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """Return all bytes until the server closes the connection."""
        return await self._reader.read()

    async def until_reset(self) -> bytes:
        """Return all bytes until the server closes or resets the connection."""
        received = bytearray()
        with suppress(ConnectionError):
            while piece := await self._reader.read(65_536):
                received += piece
        return bytes(received)

    def hang_up_sending(self) -> None:
        """Close the sending half of the connection."""
        self._writer.write_eof()

    def hang_up(self, *, rudely: bool = False) -> None:
        """Close the connection in order, or `rudely` with a reset."""
        if rudely:
            self._writer.transport.abort()
        else:
            self._writer.close()
