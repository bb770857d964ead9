"""Thumbnails of images in data sets."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from PIL import Image

from core.errors import ImageError, UnknownImageError
from core.images.decode import decode_image
from core.images.folder_layouts import is_ignored
from core.images.labelled_folders import dataset_folder
from service.datasets.files import too_large
from service.errors import UnreadableImageError

THUMBNAIL_SIDE = 160
"""Side of a thumbnail in pixels; the whole image is shown between gray bars."""
_QUALITY = 85


class Thumbnails:
    """Decodes images in two threads, so that many requests need no more memory than two images."""

    def __init__(self, home: Path, *, max_pixels: int, max_bytes: int) -> None:
        """`max_pixels` of an image and `max_bytes` of a file are the limits of predictions."""
        self._home = home
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="thumbnails")

    async def jpeg(self, dataset: str, file: str) -> bytes:
        """Thumbnail of an image as JPEG; `file` is its path within the data set, which is not listed for it.

        Raises:
            UnknownImageError: there is no such file in the data set.
            UnreadableImageError: the file is too large, is not an image or cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._jpeg, dataset, file)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _jpeg(self, dataset: str, file: str) -> bytes:
        path = _path(dataset_folder(self._home, dataset), file)
        if path is None:
            raise UnknownImageError(dataset, file)
        try:
            if path.stat().st_size > self._max_bytes:
                raise UnreadableImageError(too_large(self._max_bytes), filename=file, index=0)
            decoded = decode_image(
                path.read_bytes(),
                height=THUMBNAIL_SIDE,
                width=THUMBNAIL_SIDE,
                geometry="pad",
                max_pixels=self._max_pixels,
            )
        except ImageError as error:
            raise UnreadableImageError(str(error), filename=file, index=0) from error
        except OSError as error:
            raise UnreadableImageError(f"the file cannot be read: {error.strerror}", filename=file, index=0) from error
        stream = io.BytesIO()
        Image.fromarray(decoded.pixels_HWC).save(stream, "JPEG", quality=_QUALITY)
        return stream.getvalue()


def _path(folder: Path, file: str) -> Path | None:
    """Location of a file that a listing can have; None for links, hidden files and paths out of the data set."""
    steps = PurePosixPath(file).parts
    if not steps or "\0" in file or any(step in ("/", "..") or is_ignored(step) for step in steps):
        return None
    places = [folder.joinpath(*steps[:depth]) for depth in range(len(steps) + 1)]
    try:
        found = places[-1].is_file() and not any(place.is_symlink() for place in places)
    except OSError:  # the name is too long
        return None
    return places[-1] if found else None
