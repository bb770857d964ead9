"""Turns uploaded bytes into pixels without holding up the event loop for large images."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future as Handle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from core.errors import CropError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.decode import Crop, DecodedImage, decode_images
from core.images.geometry import ModelInput
from service.engine.drain_rate import DrainRate
from service.engine.queue import DisconnectSource
from service.engine.upload import Upload
from service.errors import (
    DeadlineExceededError,
    InvalidParametersError,
    QueueFullError,
    TooManyPixelsError,
    UnreadableImageError,
    UnsupportedImageFormatError,
)

# Below both, decoding takes less time than handing it to a thread and back.
INLINE_BYTES = 16 * 1024
INLINE_PIXELS = 64 * 64

_FIRST_GUESS_SECONDS = 0.05


class Decoder:
    """Decodes small images at once and large ones on threads of its own, beside the models'; used from one loop."""

    def __init__(self, *, threads: int, max_pixels: int, queue_size: int) -> None:
        """At most `queue_size` images wait for or are on the threads."""
        self._max_pixels = max_pixels
        self._queue_size = queue_size
        self._pending = 0
        self._throughput = DrainRate(_FIRST_GUESS_SECONDS / threads)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")

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
        """One image as each of several models takes it.

        Args:
            upload: the image.
            index: its place in the request, for the error.
            inputs: what the models take, one result for each.
            deadline: on the clock of `time.perf_counter`.
            client: watched while the image waits for a thread.
            crop: the part of it that is taken.

        Raises:
            InvalidParametersError: that part is not within the image.
            UnreadableImageError: not an image, damaged, of a foreign format, or of too many pixels.
            QueueFullError, DeadlineExceededError: no place, or no time, for a large one.
        """
        decode = partial(decode_images, upload.content, inputs, crop=crop)
        try:
            if len(upload.content) <= INLINE_BYTES:
                try:
                    return decode(max_pixels=min(INLINE_PIXELS, self._max_pixels))
                except ImageTooLargeError:
                    pass  # few bytes can hold many pixels: those are decoded on a thread, under the real limit
            return await self._on_thread(partial(decode, max_pixels=self._max_pixels), deadline, client)
        except CropError as error:
            raise InvalidParametersError([("crop", str(error))]) from error
        except ImageError as error:
            raise _problem(error, upload, index) from error

    def close(self) -> None:
        """Finish the images that are being decoded."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _on_thread(
        self, decode: partial[list[DecodedImage]], deadline: float, client: DisconnectSource | None
    ) -> list[DecodedImage]:
        if self._pending >= self._queue_size:
            raise QueueFullError("decoding", self._pending, self._throughput.seconds_for(self._pending))
        loop = asyncio.get_running_loop()
        queued = time.perf_counter()
        answer: asyncio.Future[list[DecodedImage]] = loop.create_future()
        handle = self._executor.submit(decode)
        handle.add_done_callback(partial(_pass_on, loop, answer))
        if client is not None:
            client.add(answer)
            client.watch()
        self._pending += 1
        try:
            async with asyncio.timeout(max(0.0, deadline - queued)):
                images = await answer
        except TimeoutError:
            raise DeadlineExceededError("the image was not decoded before the request's deadline") from None
        finally:
            self._pending -= 1
            handle.cancel()  # nobody waits for it any more
            del handle, answer  # an error that they hold would hold this frame, and the body, in a cycle
        self._throughput.record(1, oldest_queued=queued, finished=time.perf_counter())
        return images


def _pass_on(
    loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[DecodedImage]], handle: Handle[list[DecodedImage]]
) -> None:
    """From the thread to the loop, which may have closed meanwhile."""
    if not handle.cancelled() and not loop.is_closed():
        loop.call_soon_threadsafe(_settle, answer, handle)


def _settle(answer: asyncio.Future[list[DecodedImage]], handle: Handle[list[DecodedImage]]) -> None:
    if answer.done():
        return  # the client has gone, or the deadline has passed
    error = handle.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(handle.result())


def _problem(error: ImageError, upload: Upload, index: int) -> UnreadableImageError:
    problem = UnreadableImageError
    if isinstance(error, ImageTooLargeError):
        problem = TooManyPixelsError
    elif isinstance(error, UnsupportedImageError):
        problem = UnsupportedImageFormatError
    named = f"{upload.filename}: {error}" if upload.filename else str(error)
    return problem(named, filename=upload.filename, index=index)
