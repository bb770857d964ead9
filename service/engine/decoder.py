"""Turns uploaded bytes into pixels without holding up the event loop for large images."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from core.errors import ImageError, ImageTooLargeError, UnsupportedImageError
from core.images import DecodedImage, decode_image
from service.errors import TooManyPixelsError, UnreadableImageError, UnsupportedImageFormatError
from service.uploads import Upload

# Below both, decoding takes less time than handing it to a thread and back.
INLINE_BYTES = 16 * 1024
INLINE_PIXELS = 64 * 64


class Decoder:
    """Decodes small images at once and large ones on threads of its own, beside the models'."""

    def __init__(self, *, threads: int, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    async def decode(self, upload: Upload, index: int, *, height: int, width: int) -> DecodedImage:
        """One image at the size a model takes; `index` is its place in the request, for the error.

        Raises:
            UnreadableImageError: not an image, damaged, of a foreign format, or of too many pixels.
        """
        decode = partial(decode_image, upload.content, height=height, width=width)
        try:
            if len(upload.content) <= INLINE_BYTES:
                try:
                    return decode(max_pixels=min(INLINE_PIXELS, self._max_pixels))
                except ImageTooLargeError:
                    pass  # few bytes can hold many pixels: those are decoded on a thread, under the real limit
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, partial(decode, max_pixels=self._max_pixels))
        except ImageError as error:
            raise _problem(error, upload, index) from error

    def close(self) -> None:
        """Finish the images that are being decoded."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _problem(error: ImageError, upload: Upload, index: int) -> UnreadableImageError:
    problem = UnreadableImageError
    if isinstance(error, ImageTooLargeError):
        problem = TooManyPixelsError
    elif isinstance(error, UnsupportedImageError):
        problem = UnsupportedImageFormatError
    named = f"{upload.filename}: {error}" if upload.filename else str(error)
    return problem(named, filename=upload.filename, index=index)
