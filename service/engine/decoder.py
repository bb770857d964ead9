"""Image decoding: uploaded bytes to pixels, inline, on threads or in processes, depending on the possible cost.

Small PNG and baseline JPEG files are decoded inline, larger ones on threads. Large images and all other files go to
processes that can be killed. Threads serve clients in turn, so that a client with many large images does not delay
others. They have a lower priority than the event loop and the models.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as Handle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from core.errors import CropError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.decode import Crop, DecodedImage, decode_images
from core.images.geometry import ModelInput
from core.images.header_size import header_size, is_quick
from core.images.libtiff import silence_libtiff
from core.images.limits import megapixels
from service.engine.decoder_pool import DecoderPool
from service.engine.fair_queue import DecoderCall, FairQueue
from service.engine.queue import DisconnectSource, DrainRate
from service.errors import (
    DeadlineExceededError,
    InvalidParametersError,
    NotReadyError,
    TooManyPixelsError,
    UnreadableImageError,
    UnsupportedImageFormatError,
)

# Small images are decoded inline: a thread hand-over would take longer than decoding.
INLINE_BYTES = 16 * 1024
INLINE_PIXELS = 64 * 64
# PNG and baseline JPEG files up to this size are decoded on threads, because their cost is known. Their buffers are
# small, which keeps the memory of the service small.
THREAD_BYTES = 2 * 1024 * 1024
THREAD_PIXELS = 1_000_000
WAITING_IMAGES = 16
"""Limit of the pixels that are being decoded or wait, per thread, in images of the largest size; about four seconds."""

MAX_REQUEST_IMAGES = 2
"""Images of the largest size that one request may have; any number of smaller ones with as many pixels in all."""

_INITIAL_SECONDS_PER_IMAGE = 0.05
_NICENESS = 5
log = logging.getLogger("duet.decoder")


class Upload(NamedTuple):
    """One uploaded image file; `filename` is None for a raw body."""

    filename: str | None
    content: bytes


Result = TypeVar("Result")


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
        self._running = 0
        self._drain_rate = DrainRate(_INITIAL_SECONDS_PER_IMAGE / threads)
        self._queue = FairQueue(
            max_calls=queue_size,
            max_pixels=WAITING_IMAGES * threads * max_pixels,
            seconds_for=self._drain_rate.seconds_for,
        )
        self._processes = DecoderPool(threads)
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
            client: source of the request; clients are served in turn, and watched for disconnects while an image waits.
            crop: the part of the image to use.

        Raises:
            InvalidParametersError: the crop is not within the image.
            UnreadableImageError: the file is not an image, is damaged, has an unsupported format or too many pixels.
            QueueFullError, TooManyPixelsWaitingError: too many large images are queued.
            DeadlineExceededError: the deadline passed before the image was decoded.
        """
        content, max_pixels = upload.content, self.max_pixels
        try:
            if is_quick(content, max_bytes=INLINE_BYTES, max_pixels=min(INLINE_PIXELS, max_pixels)):
                return decode_images(content, inputs, max_pixels=max_pixels, crop=crop)
            width, height = header_size(content) or (max_pixels, 1)
            call = partial(self._decode_on_thread, content, inputs, crop, deadline)
            return await self.run(call, deadline, client, pixels=min(width * height, max_pixels))
        except CropError as error:
            raise InvalidParametersError([("crop", str(error))]) from error
        except ImageError as error:
            raise _problem(error, upload, index) from error

    async def decode_all(
        self,
        uploads: Sequence[Upload],
        model_input: ModelInput,
        *,
        deadline: float,
        client: DisconnectSource | None = None,
        crop: Crop | None = None,
    ) -> list[DecodedImage]:
        """Decode the images of one request for one model, one after the other, so that few are in memory.

        See `decode` for the other arguments and errors.

        Raises:
            TooManyPixelsError: the images have more pixels in all than one request may have.
        """
        images, pixels, max_pixels = list[DecodedImage](), 0, MAX_REQUEST_IMAGES * self.max_pixels
        for index, upload in enumerate(uploads):
            [image] = await self.decode(upload, index, [model_input], deadline=deadline, client=client, crop=crop)
            images.append(image)
            pixels += image.original_size[0] * image.original_size[1]
            if pixels > max_pixels:
                raise TooManyPixelsError(
                    f"the first {index + 1} images have more than {megapixels(max_pixels)} in all, the limit of one "
                    "request: send fewer images per request, or scale them down",
                    filename=upload.filename,
                    index=index,
                )
        return images

    async def run(
        self,
        call: Callable[[], Result],
        deadline: float,
        client: DisconnectSource | None = None,
        *,
        pixels: int = 0,
    ) -> Result:
        """Run a blocking call that reads data of a request; clients are served in turn.

        Args:
            call: the function; it must end soon after the deadline.
            deadline: on the clock of `time.perf_counter`.
            client: source of the request, watched for disconnects.
            pixels: number of pixels of the image that the call decodes.

        Raises:
            QueueFullError, TooManyPixelsWaitingError: too many calls are queued.
            DeadlineExceededError: the deadline passed before the call returned.
        """
        queued = time.perf_counter()
        caller = client.caller if client is not None else ""
        job = DecoderCall(call, caller, pixels, asyncio.get_running_loop().create_future())
        self._queue.put(job)
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
            self._queue.remove(job)
            del job  # an error in it would keep this frame and the body alive in a reference cycle
        self._drain_rate.record(1, oldest_queued=queued, finished=time.perf_counter())
        return result

    def close(self) -> None:
        """Kill the processes, finish the images that are being decoded on threads, and stop the threads."""
        self._processes.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._processes.close()

    def _decode_on_thread(
        self, content: bytes, inputs: Sequence[ModelInput], crop: Crop | None, deadline: float
    ) -> list[DecodedImage]:
        if is_quick(content, max_bytes=THREAD_BYTES, max_pixels=min(THREAD_PIXELS, self.max_pixels)):
            return decode_images(content, inputs, max_pixels=self.max_pixels, crop=crop)
        try:
            return self._processes.decode(content, inputs, max_pixels=self.max_pixels, crop=crop, until=deadline)
        except TimeoutError:
            raise
        except OSError as error:
            log.error("cannot start a decoder process: %s", error)
            raise NotReadyError("images of this kind cannot be decoded at the moment: retry later") from error

    def _start(self) -> None:
        """Start waiting calls on free threads, with clients in turn."""
        while self._running < self._threads and (job := self._queue.take()) is not None:
            self._running += 1
            handle = self._executor.submit(job.run)
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
