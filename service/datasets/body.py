"""Request body of an upload: spooling to disk with bounded memory, and multipart parsing of one file at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from pathlib import Path

from multipart import MultipartError, ParserLimitReached, PushMultipartParser
from starlette.types import Receive

from service.datasets.files import Candidate, Limits, Skipped, too_large
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    MalformedBodyError,
    TooManyFilesError,
    WrongFieldError,
)
from service.http.multipart_images import FIELD, HEADER_CHARSET, header_text, read_boundary

_CHUNK_BYTES = 1024 * 1024
"""Bytes per write to disk, which may block and runs in a thread, and per read."""


async def spool(
    receive: Receive,
    target: Path,
    threads: Executor,
    limits: Limits,
    *,
    length: int | None,
    started: float,
) -> None:
    """Write the body to `target`.

    Args:
        receive: of a request whose body has not been read.
        target: file to create.
        threads: executor of the writes.
        limits: size of the body, and time from `started` to its end.
        length: Content-Length, if any.
        started: time of the request's head, on the clock of `time.perf_counter`.

    Raises:
        BodyTooLargeError, BodyTimeoutError, ClientGoneError: the caller removes the partial file.
        OSError: the file cannot be written.
    """
    if length is not None and length > limits.upload_bytes:
        raise BodyTooLargeError(limits.upload_bytes)
    loop = asyncio.get_running_loop()
    with target.open("wb") as file:
        try:
            async with asyncio.timeout(started + limits.seconds - time.perf_counter()):
                async for chunk in _chunks(receive, limits.upload_bytes):
                    await loop.run_in_executor(threads, file.write, chunk)
        except TimeoutError:
            raise BodyTimeoutError(limits.seconds) from None


async def _chunks(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    buffer, total, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the client closed the connection before its body was complete")
        chunk = message.get("body", b"")
        total += len(chunk)
        if total > limit:
            raise BodyTooLargeError(limit)
        buffer += chunk
        more = message.get("more_body", False)
        if len(buffer) >= _CHUNK_BYTES or not more:
            yield bytes(buffer)
            buffer.clear()


def read_images(path: Path, content_type: str, label: str, limits: Limits) -> Iterator[Candidate | Skipped]:
    """Yield the files of the field `file`, each an image of class `label`.

    Raises:
        MalformedBodyError: the body is not multipart, or is truncated.
        WrongFieldError, TooManyFilesError: the form has another field, or more files than allowed.
    """
    name, content, oversize = "", bytearray(), False
    for event in _events(path, content_type, limits.images):
        if isinstance(event, str):
            name, content, oversize = event, bytearray(), False
        elif event is None:
            yield Skipped(name, too_large(limits.image_bytes)) if oversize else Candidate(name, label, bytes(content))
        elif len(content) + len(event) > limits.image_bytes:
            oversize = True
        else:
            content += event


def write_single_file(path: Path, content_type: str, target: Path) -> None:
    """Write the only file of the field `file` to `target`.

    Raises:
        MalformedBodyError, WrongFieldError: as `read_images`.
        TooManyFilesError: there are several files.
    """
    with target.open("wb") as out:
        for event in _events(path, content_type, 1):
            if event is not None and not isinstance(event, str):
                out.write(event)


def _events(path: Path, content_type: str, max_parts: int) -> Iterator[str | bytes | bytearray | None]:
    """Yield for each file its name, its content in chunks, and None."""
    boundary = read_boundary(content_type)
    files = 0
    try:
        with (
            path.open("rb") as stream,
            PushMultipartParser(boundary, max_segment_count=max_parts, header_charset=HEADER_CHARSET) as parser,
        ):
            while not parser.closed:
                # An empty chunk marks the end of the body.
                for event in parser.parse(stream.read(_CHUNK_BYTES)):
                    if event is None or isinstance(event, bytes | bytearray):
                        yield event
                        continue
                    if event.name != FIELD:
                        raise WrongFieldError(header_text(event.name), FIELD)
                    files += 1
                    yield header_text(event.filename or "") or f"file {files}"
    except ParserLimitReached as error:
        if files == max_parts:
            raise TooManyFilesError(max_parts) from error
        raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from error
    except MultipartError as error:
        raise MalformedBodyError(f"the multipart body cannot be parsed: {error}") from error
