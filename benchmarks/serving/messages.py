"""The bytes of a request with one picture, ready to be written to a socket, and how an answer is read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.serving.results import Body

HOST = "127.0.0.1"
BOUNDARY = "----benchmarkboundary7MA4YWxkTrZu0gW"

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)


class BadAnswerError(Exception):
    """The bytes that a server sent are not an answer that this reader understands."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP/1.1 answer; `head` is the status line and the headers."""

    status: int
    head: bytes
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def closes(self) -> bool:
        """Whether the server closes the connection after it."""
        return _CLOSE.search(self.head) is not None

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its case."""
        found = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r]*)", self.head, re.IGNORECASE)
        return found.group(1).decode("latin-1").strip() if found else None


def requests_for(body: Body, path: str, pngs: Sequence[bytes]) -> list[bytes]:
    """One whole POST request for each picture."""
    make = raw_request if body == "raw" else multipart_request
    return [make(path, png) for png in pngs]


def raw_request(path: str, png: bytes) -> bytes:
    """The picture is the body."""
    return _request(path, "image/png", png)


def multipart_request(path: str, png: bytes) -> bytes:
    """The picture is a file in a form, as browsers and curl send it."""
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="file"; filename="picture.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    content = head.encode() + png + f"\r\n--{BOUNDARY}--\r\n".encode()
    return _request(path, f"multipart/form-data; boundary={BOUNDARY}", content)


def take_answer(buffer: bytearray) -> Answer | None:
    """Remove the first answer from `buffer`, or return None while it is not there in full.

    Raises:
        BadAnswerError: it is not HTTP, or states no Content-Length.
    """
    end = buffer.find(_END_OF_HEAD)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.") or length is None:
        raise BadAnswerError(f"not an answer with a Content-Length: {head[:80]!r}")
    start = end + len(_END_OF_HEAD)
    stop = start + int(length.group(1))
    if len(buffer) < stop:
        return None
    body = bytes(buffer[start:stop])
    del buffer[:stop]
    return Answer(int(head[9:12]), head, body)


def _request(path: str, content_type: str, content: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {HOST}\r\n"
        "Accept: */*\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
