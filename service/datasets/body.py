"""Writes a request's body to disk as it comes, so that its size is no matter of memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from pathlib import Path

from starlette.types import Receive

from service.errors import BodyTimeoutError, BodyTooLargeError, ClientGoneError

_WRITE_BYTES = 1024 * 1024
"""How much is gathered before it is written: a write may block, and so is done in a thread."""


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
        target: is made.
        threads: where the writing is done.
        length: what the request says of its body, if anything.
        limit: most bytes.
        deadline: when the body must have come, on the clock of `time.perf_counter`.
        seconds: how long that was from the start, for the message.

    Raises:
        BodyTooLargeError, BodyTimeoutError, ClientGoneError: what was written so far stays, for the caller to remove.
        OSError: the disk refused.
    """
    if length is not None and length > limit:
        raise BodyTooLargeError(limit)
    loop = asyncio.get_running_loop()
    with target.open("wb") as file:
        try:
            async with asyncio.timeout(deadline - time.perf_counter()):
                async for piece in _pieces(receive, limit):
                    await loop.run_in_executor(threads, file.write, piece)
        except TimeoutError:
            raise BodyTimeoutError(seconds) from None


async def _pieces(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    gathered, total, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the client closed the connection before its body was complete")
        chunk = message.get("body", b"")
        total += len(chunk)
        if total > limit:
            raise BodyTooLargeError(limit)
        gathered += chunk
        more = message.get("more_body", False)
        if len(gathered) >= _WRITE_BYTES or not more:
            yield bytes(gathered)
            gathered.clear()
