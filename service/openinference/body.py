"""Body format: optional compression, JSON, then the bytes of binary tensors."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from service.errors import BodyTooLargeError, MalformedBodyError, UnsupportedEncodingError

JSON_LENGTH = "Inference-Header-Content-Length"
"""Header with the bytes of JSON at the start of a body, in requests and responses."""

_JSON_LENGTH_KEY = JSON_LENGTH.lower().encode()
# RFC 9110, section 8.4.1: what HTTP calls deflate is the zlib format.
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True)
class Framing:
    """Body format according to the headers.

    Attributes:
        encoding: `gzip`, `deflate`, or None.
        json_length: bytes of JSON at the start of the decompressed body; None if all of it is JSON, 0 if it is one raw
            tensor.
    """

    encoding: str | None
    json_length: int | None


def max_content_bytes(shape_HWC: tuple[int, ...], max_images: int) -> int:
    """Largest content that a request of `max_images` images needs; JSON has up to eight characters per value."""
    return max_images * prod(shape_HWC) * 8 + 64 * 1024


def read_framing(headers: Iterable[tuple[bytes, bytes]]) -> Framing:
    """Parse the ASGI headers of a request.

    Raises:
        UnsupportedEncodingError: the compression is not supported.
        MalformedBodyError: the JSON length is not a number.
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
    # As for Content-Length: int() would also accept signs, underscores and non-ASCII digits.
    if not (length.isascii() and length.isdecimal() and len(length) <= 18):
        raise MalformedBodyError(f"{JSON_LENGTH} {length[:40]!r} is not a number of bytes")
    return Framing(encoding, int(length))


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """Decompress a body to at most `limit` bytes. Blocks.

    Raises:
        BodyTooLargeError: the content is larger than `limit`.
        MalformedBodyError: the body is damaged, truncated, or followed by other data.
    """
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBodyError(f"the body is not {encoding}: {error}") from error
    if len(content) > limit:
        raise BodyTooLargeError(limit)
    if not stream.eof or stream.unused_data:
        raise MalformedBodyError(f"the {encoding} body is truncated, or followed by other data")
    return content


def split(body: bytes, json_length: int | None) -> tuple[bytes, bytes]:
    """Split a body into JSON and binary tensors.

    Raises:
        MalformedBodyError: the body is shorter than `json_length`.
    """
    if json_length is None:
        return body, b""
    if json_length > len(body):
        raise MalformedBodyError(f"{JSON_LENGTH} is {json_length}, but the body has only {len(body)} bytes")
    return body[:json_length], body[json_length:]
