"""Image decoding: uploaded bytes to pixels. Small PNG and baseline JPEG files are decoded inline, others on threads.

Threads take turns between clients, so that one client with many large images does not delay another with one. They have
a lower priority than the event loop and the models.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future as Handle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from core.errors import CropError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.decode import Crop, DecodedImage, decode_images
from core.images.geometry import ModelInput
from core.images.libtiff import silence_libtiff
from core.images.limits import is_quick
from service.engine.queue import DisconnectSource, DrainRate
from service.errors import (
    DeadlineExceededError,
    InvalidParametersError,
    QueueFullError,
    TooManyPixelsError,
    UnreadableImageError,
    UnsupportedImageFormatError,
)

# Small images are decoded inline: a thread hand-over would take longer than decoding.
INLINE_BYTES = 16 * 1024
INLINE_PIXELS = 64 * 64

_INITIAL_SECONDS_PER_IMAGE = 0.05
_NICENESS = 5


class Upload(NamedTuple):
    """One uploaded image file; `filename` is None for a raw body."""

    filename: str | None
    content: bytes


Result = TypeVar("Result")


class _Job(NamedTuple):
    """A call that waits for a thread; `result` is done early if its request has failed."""

    call: Callable[[], Any]
    result: asyncio.Future[Any]


class Decoder:
    """Decodes images for one event loop. Its threads are separate from those of the models.

    Attributes:
        max_pixels: largest allowed number of pixels of one image.
    """

    def __init__(self, *, threads: int, max_pixels: int, queue_size: int) -> None:
        """At most `queue_size` images are queued for or decoded on the threads."""
        silence_libtiff()
        self._threads = threads
        self.max_pixels = max_pixels
        self._queue_size = queue_size
        self._pending = 0
        self._running = 0
        self._waiting: dict[str, deque[_Job]] = {}
        """Jobs by client address. The first client is served next, and then moves to the end."""
        self._drain_rate = DrainRate(_INITIAL_SECONDS_PER_IMAGE / threads)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode", initializer=_lower_priority)

    async def decode(
        self,
        upload: Upload,
        index: int,
        inputs: Sequence[ModelInput],
        *,
        deadline: float,
        client: DisconnectSource | None = None,
        crop: Crop | None = None,
    ) -> list[DecodedImage]:
        """Decode one image for several models.

        Args:
            upload: the image file.
            index: position of the image in the request, for error messages.
            inputs: input size of each model; the result has one image for each.
            deadline: on the clock of `time.perf_counter`.
            client: takes turns with other clients, and is watched while the image waits for a thread.
            crop: the part of the image to use.

        Raises:
            InvalidParametersError: the crop is not within the image.
            UnreadableImageError: the file is not an image, is damaged, has an unsupported format or too many pixels.
            QueueFullError: too many large images are queued.
            DeadlineExceededError: the deadline passed before the image was decoded.
        """
        decode = partial(decode_images, upload.content, inputs, crop=crop)
        try:
            if is_quick(upload.content, max_bytes=INLINE_BYTES, max_pixels=min(INLINE_PIXELS, self.max_pixels)):
                return decode(max_pixels=self.max_pixels)
            return await self.run(partial(decode, max_pixels=self.max_pixels), deadline, client)
        except CropError as error:
            raise InvalidParametersError([("crop", str(error))]) from error
        except ImageError as error:
            raise _problem(error, upload, index) from error

    async def run(self, call: Callable[[], Result], deadline: float, client: DisconnectSource | None = None) -> Result:
        """Run a blocking call that reads data of a request, in turn with those of other clients.

        Raises:
            QueueFullError: too many calls are queued.
            DeadlineExceededError: the deadline passed before the call was complete.
        """
        address = client.address if client is not None else ""
        if self._pending >= self._queue_size and not self._displace(address):
            raise self._full()
        queued = time.perf_counter()
        job = _Job(call, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(address, deque()).append(job)
        self._pending += 1
        self._start()
        if client is not None:
            client.add(job.result)
            client.watch()
        try:
            async with asyncio.timeout(max(0.0, deadline - queued)):
                result: Result = await job.result
        except TimeoutError:
            raise DeadlineExceededError(
                "the data was not decoded before the deadline of the request: try again later"
            ) from None
        finally:
            self._pending -= 1
            self._discard(address, job)
            del job  # an error in it would keep this frame and the body alive in a reference cycle
        self._drain_rate.record(1, oldest_queued=queued, finished=time.perf_counter())
        return result

    def close(self) -> None:
        """Finish the images that are being decoded and stop the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _full(self) -> QueueFullError:
        return QueueFullError("decoding", self._pending, self._drain_rate.seconds_for(self._pending))

    def _displace(self, address: str) -> bool:
        """Reject the newest image of the client with the most waiting images, if it has more than this one."""
        crowd = max(self._waiting.values(), key=len, default=deque[_Job]())
        if len(crowd) <= len(self._waiting.get(address, ())) + 1:
            return False
        crowd.pop().result.set_exception(self._full())
        return True

    def _discard(self, address: str, job: _Job) -> None:
        """Remove a job that has failed before a thread started it."""
        jobs = self._waiting.get(address, ())
        if job in jobs:
            self._waiting[address].remove(job)
            if not jobs:
                del self._waiting[address]

    def _start(self) -> None:
        """Start waiting jobs on free threads, one client after the other."""
        while self._running < self._threads and self._waiting:
            address = next(iter(self._waiting))
            jobs = self._waiting.pop(address)
            job = jobs.popleft()
            if jobs:
                self._waiting[address] = jobs
            self._running += 1
            handle = self._executor.submit(job.call)
            handle.add_done_callback(partial(self._deliver, job.result.get_loop(), job.result))

    def _deliver(
        self,
        loop: asyncio.AbstractEventLoop,
        result: asyncio.Future[Any],
        handle: Handle[Any],
    ) -> None:
        """Pass the result from the thread to the event loop, unless the loop has closed."""
        if not handle.cancelled() and not loop.is_closed():
            loop.call_soon_threadsafe(self._settle, result, handle)

    def _settle(self, result: asyncio.Future[Any], handle: Handle[Any]) -> None:
        self._running -= 1
        self._start()
        if result.done():
            return  # disconnected or expired
        error = handle.exception()
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(handle.result())


def _lower_priority() -> None:
    """Lower the priority of the calling thread; only Linux has priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _problem(error: ImageError, upload: Upload, index: int) -> UnreadableImageError:
    problem = UnreadableImageError
    if isinstance(error, ImageTooLargeError):
        problem = TooManyPixelsError
    elif isinstance(error, UnsupportedImageError):
        problem = UnsupportedImageFormatError
    named = f"{upload.filename}: {error}" if upload.filename else str(error)
    return problem(named, filename=upload.filename, index=index)
