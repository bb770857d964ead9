"""How a request's body is put together: perhaps compressed, JSON first, then the bytes of binary tensors."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import BodyTooLargeError, MalformedBodyError, UnsupportedEncodingError

JSON_LENGTH = "Inference-Header-Content-Length"
"""The header that says how much of a body is JSON; also set on answers."""

_JSON_LENGTH_KEY = JSON_LENGTH.lower().encode()
# RFC 9110, section 8.4.1: what HTTP calls deflate is the zlib format.
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True)
class Framing:
    """What the headers say of a body.

    Attributes:
        encoding: `gzip`, `deflate`, or None where it is not compressed.
        json_length: bytes of JSON at its start once it is decompressed; None where all of it is JSON, 0 where it is
            one tensor and nothing else.
    """

    encoding: str | None
    json_length: int | None


def read_framing(headers: Iterable[tuple[bytes, bytes]]) -> Framing:
    """What the headers, as ASGI gives them, say of the body.

    Raises:
        UnsupportedEncodingError: it is compressed in another way.
        MalformedBodyError: the length of its JSON is not a number.
    """
    encoding, length = None, None
    for name, value in headers:
        if name == b"content-encoding":
            encoding = value.decode("latin-1").strip().lower()
        elif name == _JSON_LENGTH_KEY:
            length = value.decode("latin-1").strip()
    if encoding in ("", "identity"):
        encoding = None
    if encoding is not None and encoding not in _WINDOW_BITS:
        raise UnsupportedEncodingError(encoding)
    if length is None:
        return Framing(encoding, None)
    # As for Content-Length: int() would also take signs, underscores and digits of other alphabets.
    if not (length.isascii() and length.isdecimal() and len(length) <= 18):
        raise MalformedBodyError(f"{JSON_LENGTH} {length[:40]!r} is not a number of bytes")
    return Framing(encoding, int(length))


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a compressed body; never makes more than `limit` bytes of it, and one. Blocks.

    Raises:
        BodyTooLargeError: it holds more.
        MalformedBodyError: it is damaged, cut short, or followed by something else.
    """
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBodyError(f"the body is not {encoding}: {error}") from error
    if len(content) > limit:
        raise BodyTooLargeError(limit)
    if not stream.eof or stream.unused_data:
        raise MalformedBodyError(f"the {encoding} body is cut short, or more follows after its end")
    return content


def split(body: bytes, json_length: int | None) -> tuple[bytes, bytes]:
    """The JSON of a body, and what follows it.

    Raises:
        MalformedBodyError: it is shorter than its JSON is said to be.
    """
    if json_length is None:
        return body, b""
    if json_length > len(body):
        raise MalformedBodyError(f"{JSON_LENGTH} is {json_length}, but the body has only {len(body)} bytes")
    return body[:json_length], body[json_length:]
