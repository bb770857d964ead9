"""Reads the body of a request, or the images out of it, however it carries them, and never more than allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import Receive

from service.engine.upload import Upload
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    MalformedBodyError,
    NoImageError,
    UnsupportedMediaTypeError,
)
from service.http.multipart import FIELD, MultipartImages

SWEEP_SECONDS = 0.1
"""How often bodies that are still on their way are looked through for passed deadlines."""


class BodyReader:
    """Reads bodies within limits; used from one event loop.

    Most bodies have come with the head of their request and are read without ever waiting. A timer for each would
    cost more than reading it, so one sweep looks after all that are still on their way.
    """

    def __init__(self, *, max_body_bytes: int, max_files: int, deadline_seconds: float) -> None:
        self._max_body_bytes = max_body_bytes
        self._max_files = max_files
        self._deadline_seconds = deadline_seconds
        self._reading: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    async def read(
        self,
        headers: list[tuple[bytes, bytes]],
        receive: Receive,
        *,
        deadline: float,
        max_files: int | None = None,
    ) -> list[Upload]:
        """The images of a multipart or raw body, in the order they were sent, at least one.

        Args:
            headers: of the request, as ASGI gives them.
            receive: of the request, whose body has not been read.
            deadline: on the clock of `time.perf_counter`; the body must be complete by then.
            max_files: most images, where it is not the service's limit.

        Raises:
            BodyTooLargeError: by its Content-Length, before anything is read, or as soon as more bytes have come.
            ProblemError: the body is not one of images, too late, malformed, or holds no image.
        """
        content_type, stated = _of_interest(headers)
        if stated is not None:
            _refuse_by_length(stated, self._max_body_bytes)
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            images = MultipartImages(content_type, max_files=max_files or self._max_files)
            await self._body(receive, deadline, images.feed)
            return [Upload(filename, content) for filename, content in images.finish()]
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise UnsupportedMediaTypeError(kind or None)
        content = await self._whole(receive, deadline)
        if not content:
            raise NoImageError(
                f"the body is empty: send one image as the body, or files in the multipart field {FIELD!r}"
            )
        return [Upload(None, content)]

    async def read_whole(self, headers: list[tuple[bytes, bytes]], receive: Receive, *, deadline: float) -> bytes:
        """The whole body, whatever it holds; arguments and errors as of `read`."""
        _, stated = _of_interest(headers)
        if stated is not None:
            _refuse_by_length(stated, self._max_body_bytes)
        return await self._whole(receive, deadline)

    async def _whole(self, receive: Receive, deadline: float) -> bytes:
        chunks: list[bytes] = []
        await self._body(receive, deadline, chunks.append)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _body(self, receive: Receive, deadline: float, take: Callable[[bytes], None]) -> None:
        """Give every chunk of the body to `take`, as it comes."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine of a request runs in a task
        self._reading[task] = deadline
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        total = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError("the client closed the connection before its body was complete")
                chunk = message.get("body", b"")
                total += len(chunk)
                if total > self._max_body_bytes:
                    raise BodyTooLargeError(self._max_body_bytes)
                if chunk:
                    take(chunk)
                if not message.get("more_body", False):
                    return
        except asyncio.CancelledError:
            if task in self._late and task.uncancel() == 0:
                raise BodyTimeoutError(self._deadline_seconds) from None
            raise
        finally:
            del self._reading[task]
            self._late.discard(task)

    def _sweep(self) -> None:
        """Cancel the reading of bodies that are late; at rest when none is on its way."""
        now = time.perf_counter()
        for task, deadline in self._reading.items():
            if now >= deadline and task not in self._late:
                self._late.add(task)
                task.cancel()
        again = bool(self._reading)
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep) if again else None


def _of_interest(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None]:
    content_type, length = b"", None
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = value
    return content_type.decode("latin-1"), None if length is None else length.decode("latin-1")


def _refuse_by_length(stated: str, limit: int) -> None:
    # int() would also take signs, underscores and digits of other alphabets, and refuses thousands of digits.
    if not (stated.isascii() and stated.isdecimal()):
        raise MalformedBodyError(f"Content-Length {stated!r} is not a number")
    if len(stated) > 18 or int(stated) > limit:
        raise BodyTooLargeError(limit)
