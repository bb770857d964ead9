"""Request body and client disconnect: reads bodies and multipart images within limits, then watches for a disconnect.

Both use the ASGI `receive` channel of a request: first the body, then `http.disconnect`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope

from service.engine.decoder import Upload
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    MalformedBodyError,
    NoImageError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from service.http.multipart_images import FIELD, MultipartImages

SWEEP_SECONDS = 0.1
"""Interval of the sweep for bodies whose deadline has passed."""


class BodyReader:
    """Reads request bodies within limits; used from one event loop.

    Most bodies arrive together with the head and are read without waiting. Deadlines are checked by one periodic sweep
    over all unfinished bodies, because a timer per request would cost more than reading the body.
    """

    def __init__(self, *, max_body_bytes: int, max_files: int, deadline_seconds: float) -> None:
        self._max_body_bytes = max_body_bytes
        self._max_files = max_files
        self._deadline_seconds = deadline_seconds
        self._reading: dict[asyncio.Task[object], float] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    async def read(
        self,
        headers: list[tuple[bytes, bytes]],
        receive: Receive,
        *,
        deadline: float,
        max_files: int | None = None,
    ) -> list[Upload]:
        """Read the images of a multipart or raw body, in order; at least one.

        Args:
            headers: ASGI headers of the request.
            receive: ASGI receive channel of the request; the body must be unread.
            deadline: on the clock of `time.perf_counter`; the body must be complete by then.
            max_files: maximum number of images; None for the limit of the service.

        Raises:
            BodyTooLargeError: Content-Length or the received body exceeds the limit.
            ProblemError: wrong media type, malformed body, no image, or the deadline has passed.
        """
        content_type, content_length = _content_headers(headers)
        if content_length is not None:
            _check_length(content_length, self._max_body_bytes)
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            images = MultipartImages(content_type, max_files=max_files or self._max_files)
            await self._receive(receive, deadline, images.feed)
            return [Upload(filename, content) for filename, content in images.finish()]
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise UnsupportedMediaTypeError(kind or None)
        content = await self._read_bytes(receive, deadline)
        if not content:
            raise NoImageError(
                f"the body is empty: send one image as the body, or files in the multipart field {FIELD!r}"
            )
        return [Upload(None, content)]

    async def read_whole(
        self, headers: list[tuple[bytes, bytes]], receive: Receive, *, deadline: float, compressed: bool = False
    ) -> bytes:
        """Read the whole body as bytes, encoded in any way if `compressed`; see `read` for arguments and errors."""
        if compressed:
            headers = [header for header in headers if header[0] != b"content-encoding"]
        _, content_length = _content_headers(headers)
        if content_length is not None:
            _check_length(content_length, self._max_body_bytes)
        return await self._read_bytes(receive, deadline)

    async def _read_bytes(self, receive: Receive, deadline: float) -> bytes:
        chunks: list[bytes] = []
        await self._receive(receive, deadline, chunks.append)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _receive(self, receive: Receive, deadline: float, take: Callable[[bytes], None]) -> None:
        """Pass every chunk of the body to `take` as it arrives."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a request runs in a task
        self._reading[task] = deadline
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        total = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError("the client closed the connection before the body was complete")
                chunk = message.get("body", b"")
                total += len(chunk)
                if total > self._max_body_bytes:
                    raise BodyTooLargeError(self._max_body_bytes)
                if chunk:
                    take(chunk)
                if not message.get("more_body", False):
                    return
        except asyncio.CancelledError:
            if task in self._expired and task.uncancel() == 0:
                raise BodyTimeoutError(self._deadline_seconds) from None
            raise
        finally:
            del self._reading[task]
            self._expired.discard(task)

    def _sweep(self) -> None:
        """Cancel readers whose deadline has passed; not rescheduled when no body is being read."""
        now = time.perf_counter()
        for task, deadline in self._reading.items():
            if now >= deadline and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep) if self._reading else None


def _content_headers(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None]:
    content_type, length = b"", None
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = value
        elif name == b"content-encoding":
            check_encoding(value)
    return content_type.decode("latin-1"), None if length is None else length.decode("latin-1")


def check_encoding(value: bytes) -> None:
    """Check the header Content-Encoding of a route whose bodies cannot be compressed.

    Raises:
        UnsupportedEncodingError: the body is compressed.
    """
    found = value.decode("latin-1").strip().lower()
    if found not in ("", "identity"):
        raise UnsupportedEncodingError(found, ())


def _check_length(content_length: str, limit: int) -> None:
    # int() also accepts signs, underscores and non-ASCII digits, and raises on thousands of digits.
    if not (content_length.isascii() and content_length.isdecimal()):
        raise MalformedBodyError(f"Content-Length {content_length!r} is not a number")
    if len(content_length) > 18 or int(content_length) > limit:
        raise BodyTooLargeError(limit)


class DisconnectWatcher:
    """Fails the futures of a request when its client disconnects after the body has been read.

    Watching needs a task, which is too expensive for fast requests. The batcher calls `watch` for requests that have
    waited for a while.
    """

    __slots__ = ("_futures", "_receive", "_watcher", "caller")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.caller: str = scope["state"]["caller"].id
        self._receive = receive
        self._futures: list[asyncio.Future[Any]] = []
        self._watcher: asyncio.Task[None] | None = None

    def add(self, future: asyncio.Future[Any]) -> None:
        """Register a future that fails with ClientGoneError when the client disconnects."""
        self._futures.append(future)

    def watch(self) -> None:
        """Start watching; repeated calls have no effect."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._wait())

    def close(self) -> None:
        """Stop watching, when the response is ready.

        The futures are released: a failed future references the frames of the route, and with them this and the body.
        """
        self._futures.clear()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _wait(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            return  # by `close`; if raised, the task would keep its frames and the body alive in a reference cycle
        for future in self._futures:
            if not future.done():
                future.set_exception(ClientGoneError("the client closed the connection before the response was ready"))
