"""Image decoding: uploaded bytes to pixels. Small images are decoded inline, large ones on threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future as Handle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from core.errors import CropError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.decode import Crop, DecodedImage, decode_images
from core.images.geometry import ModelInput
from service.engine.queue import DisconnectSource, DrainRate
from service.errors import (
    DeadlineExceededError,
    InvalidParametersError,
    QueueFullError,
    TooManyPixelsError,
    UnreadableImageError,
    UnsupportedImageFormatError,
)

# Images below both limits are decoded inline: a thread hand-over would take longer than decoding.
INLINE_BYTES = 16 * 1024
INLINE_PIXELS = 64 * 64

_INITIAL_SECONDS_PER_IMAGE = 0.05


class Upload(NamedTuple):
    """One uploaded image file; `filename` is None for a raw body."""

    filename: str | None
    content: bytes


class Decoder:
    """Decodes images for one event loop. Its threads are separate from those of the models."""

    def __init__(self, *, threads: int, max_pixels: int, queue_size: int) -> None:
        """At most `queue_size` images are queued for or decoded on the threads."""
        self._max_pixels = max_pixels
        self._queue_size = queue_size
        self._pending = 0
        self._drain_rate = DrainRate(_INITIAL_SECONDS_PER_IMAGE / threads)
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
        """Decode one image for several models.

        Args:
            upload: the image file.
            index: position of the image in the request, for error messages.
            inputs: input size of each model; the result has one image for each.
            deadline: on the clock of `time.perf_counter`.
            client: watched while the image waits for a thread.
            crop: the part of the image to use.

        Raises:
            InvalidParametersError: the crop is not within the image.
            UnreadableImageError: the file is not an image, is damaged, has an unsupported format or too many pixels.
            QueueFullError: too many large images are queued.
            DeadlineExceededError: the deadline passed before the image was decoded.
        """
        decode = partial(decode_images, upload.content, inputs, crop=crop)
        try:
            if len(upload.content) <= INLINE_BYTES:
                try:
                    return decode(max_pixels=min(INLINE_PIXELS, self._max_pixels))
                except ImageTooLargeError:
                    pass  # small files can hold many pixels; decode those on a thread, with the configured limit
            return await self._on_thread(partial(decode, max_pixels=self._max_pixels), deadline, client)
        except CropError as error:
            raise InvalidParametersError([("crop", str(error))]) from error
        except ImageError as error:
            raise _problem(error, upload, index) from error

    def close(self) -> None:
        """Finish the images that are being decoded and stop the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _on_thread(
        self, decode: partial[list[DecodedImage]], deadline: float, client: DisconnectSource | None
    ) -> list[DecodedImage]:
        if self._pending >= self._queue_size:
            raise QueueFullError("decoding", self._pending, self._drain_rate.seconds_for(self._pending))
        loop = asyncio.get_running_loop()
        queued = time.perf_counter()
        result: asyncio.Future[list[DecodedImage]] = loop.create_future()
        handle = self._executor.submit(decode)
        handle.add_done_callback(partial(_deliver, loop, result))
        if client is not None:
            client.add(result)
            client.watch()
        self._pending += 1
        try:
            async with asyncio.timeout(max(0.0, deadline - queued)):
                images = await result
        except TimeoutError:
            raise DeadlineExceededError("the image was not decoded before the deadline of the request") from None
        finally:
            self._pending -= 1
            handle.cancel()
            del handle, result  # an error in them would keep this frame and the body alive in a reference cycle
        self._drain_rate.record(1, oldest_queued=queued, finished=time.perf_counter())
        return images


def _deliver(
    loop: asyncio.AbstractEventLoop, result: asyncio.Future[list[DecodedImage]], handle: Handle[list[DecodedImage]]
) -> None:
    """Pass the result from the thread to the event loop, unless the loop has closed."""
    if not handle.cancelled() and not loop.is_closed():
        loop.call_soon_threadsafe(_settle, result, handle)


def _settle(result: asyncio.Future[list[DecodedImage]], handle: Handle[list[DecodedImage]]) -> None:
    if result.done():
        return  # disconnected or expired
    error = handle.exception()
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(handle.result())


def _problem(error: ImageError, upload: Upload, index: int) -> UnreadableImageError:
    problem = UnreadableImageError
    if isinstance(error, ImageTooLargeError):
        problem = TooManyPixelsError
    elif isinstance(error, UnsupportedImageError):
        problem = UnsupportedImageFormatError
    named = f"{upload.filename}: {error}" if upload.filename else str(error)
    return problem(named, filename=upload.filename, index=index)
