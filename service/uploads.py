"""Reads the images out of a request's body, however it carries them, and never more than allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from starlette.types import Receive

from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    MalformedBodyError,
    NoImageError,
    UnsupportedMediaTypeError,
)
from service.multipart import FIELD, MultipartImages


class Upload(NamedTuple):
    """One file as it was sent; `filename` is None for a raw body."""

    filename: str | None
    content: bytes


class UploadLimits(NamedTuple):
    """How much of a body is read, and for how long."""

    max_body_bytes: int
    max_files: int
    deadline_seconds: float


async def read_uploads(
    headers: list[tuple[bytes, bytes]], receive: Receive, limits: UploadLimits, *, deadline: float
) -> list[Upload]:
    """The images of a multipart or raw body, in the order they were sent, at least one.

    Args:
        headers: of the request, as ASGI gives them.
        receive: of the request, whose body has not been read.
        limits: what is refused.
        deadline: on the clock of `time.perf_counter`; the body must be complete by then.

    Raises:
        BodyTooLargeError: by its Content-Length, before anything is read, or as soon as more bytes have come.
        ProblemError: the body is not one of images, too late, malformed, or holds no image.
    """
    content_type, stated = _of_interest(headers)
    if stated is not None:
        _refuse_by_length(stated, limits.max_body_bytes)
    kind = content_type.partition(";")[0].strip().lower()
    multipart = kind == "multipart/form-data"
    if not multipart and not kind.startswith("image/") and kind != "application/octet-stream":
        raise UnsupportedMediaTypeError(kind or None)
    images = MultipartImages(content_type, max_files=limits.max_files) if multipart else None
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            if images is None:
                return _raw([chunk async for chunk in _chunks(receive, limits.max_body_bytes)])
            async for chunk in _chunks(receive, limits.max_body_bytes):
                images.feed(chunk)
    except TimeoutError:
        raise BodyTimeoutError(limits.deadline_seconds) from None
    return [Upload(filename, content) for filename, content in images.finish()]


def _of_interest(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None]:
    content_type, length = b"", None
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = value
    return content_type.decode("latin-1"), None if length is None else length.decode("latin-1")


def _raw(chunks: list[bytes]) -> list[Upload]:
    content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if not content:
        raise NoImageError(f"the body is empty: send one image as the body, or files in the multipart field {FIELD!r}")
    return [Upload(None, content)]


def _refuse_by_length(stated: str, limit: int) -> None:
    # int() would also take signs, underscores and digits of other alphabets.
    if not (stated.isascii() and stated.isdecimal()):
        raise MalformedBodyError(f"Content-Length {stated!r} is not a number")
    if len(stated) > 18 or int(stated) > limit:
        raise BodyTooLargeError(limit)


async def _chunks(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the client closed the connection before its body was complete")
        chunk = message.get("body", b"")
        total += len(chunk)
        if total > limit:
            raise BodyTooLargeError(limit)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return
