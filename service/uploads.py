"""Reads the images out of a request's body, however it carries them, and never more than allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    MalformedBodyError,
    NoImageError,
    UnsupportedMediaTypeError,
)
from service.multipart import FIELD, MultipartImages


@dataclass(frozen=True)
class Upload:
    """One file as it was sent; `filename` is None for a raw body."""

    filename: str | None
    content: bytes


@dataclass(frozen=True)
class UploadLimits:
    """How much of a body is read, and for how long."""

    max_body_bytes: int
    max_files: int
    deadline_seconds: float


async def read_uploads(request: Request, limits: UploadLimits, *, deadline: float) -> list[Upload]:
    """The images of a multipart or raw body, in the order they were sent, at least one.

    Args:
        request: its body has not been read.
        limits: what is refused.
        deadline: on the clock of `time.perf_counter`; the body must be complete by then.

    Raises:
        BodyTooLargeError: by its Content-Length, before anything is read, or as soon as more bytes have come.
        ProblemError: the body is not one of images, too late, malformed, or holds no image.
    """
    _refuse_by_length(request, limits.max_body_bytes)
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    multipart = kind == "multipart/form-data"
    if not multipart and not kind.startswith("image/") and kind != "application/octet-stream":
        raise UnsupportedMediaTypeError(kind or None)
    chunks = _limited(request, limits.max_body_bytes)
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            if multipart:
                return await _files(chunks, content_type, limits.max_files)
            return await _raw(chunks)
    except TimeoutError:
        raise BodyTimeoutError(limits.deadline_seconds) from None
    except ClientDisconnect:
        raise ClientGoneError("the client closed the connection before its body was complete") from None


async def _files(chunks: AsyncIterator[bytes], content_type: str, max_files: int) -> list[Upload]:
    images = MultipartImages(content_type, max_files=max_files)
    async for chunk in chunks:
        images.feed(chunk)
    return [Upload(filename, content) for filename, content in images.finish()]


async def _raw(chunks: AsyncIterator[bytes]) -> list[Upload]:
    content = b"".join([chunk async for chunk in chunks])
    if not content:
        raise NoImageError(f"the body is empty: send one image as the body, or files in the multipart field {FIELD!r}")
    return [Upload(None, content)]


def _refuse_by_length(request: Request, limit: int) -> None:
    stated = request.headers.get("content-length")
    if stated is None:
        return
    if not stated.isdecimal():
        raise MalformedBodyError(f"Content-Length {stated!r} is not a number")
    # Python refuses to convert thousands of digits, and no limit has more than these.
    if len(stated) > 18 or int(stated) > limit:
        raise BodyTooLargeError(limit)


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limit:
            raise BodyTooLargeError(limit)
        yield chunk
