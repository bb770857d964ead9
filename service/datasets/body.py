"""Spooling of a request body to disk, with bounded memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from pathlib import Path

from starlette.types import Receive

from service.errors import BodyTimeoutError, BodyTooLargeError, ClientGoneError

_WRITE_BYTES = 1024 * 1024
"""Bytes buffered per write; writes may block and run in a thread."""


async def spool(
    receive: Receive,
    target: Path,
    threads: Executor,
    *,
    length: int | None,
    limit: int,
    deadline: float,
    seconds: float,
) -> None:
    """Write the body to `target`.

    Args:
        receive: of a request whose body has not been read.
        target: file to create.
        threads: executor of the writes.
        length: Content-Length, if any.
        limit: maximum bytes.
        deadline: for the whole body, on the clock of `time.perf_counter`.
        seconds: time from start to deadline, for the message.

    Raises:
        BodyTooLargeError, BodyTimeoutError, ClientGoneError: the caller removes the partial file.
        OSError: the file cannot be written.
    """
    if length is not None and length > limit:
        raise BodyTooLargeError(limit)
    loop = asyncio.get_running_loop()
    with target.open("wb") as file:
        try:
            async with asyncio.timeout(deadline - time.perf_counter()):
                async for chunk in _chunks(receive, limit):
                    await loop.run_in_executor(threads, file.write, chunk)
        except TimeoutError:
            raise BodyTimeoutError(seconds) from None


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
        if len(buffer) >= _WRITE_BYTES or not more:
            yield bytes(buffer)
            buffer.clear()
