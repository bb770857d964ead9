"""Image inputs of the client and their encoding as multipart form parts."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from core.images.class_labels import shown
from duet.client.errors import ClientError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[np.uint8]"
"""A file's path, a file's content, a Pillow image, or uint8 pixels [H, W, 3] (RGB) or [H, W] (gray)."""

Crop: TypeAlias = tuple[int, int, int, int]
"""Left, top, width and height, in pixels of the image as a viewer shows it."""

_ORIENTATION_TAG = 0x0112

FilePart: TypeAlias = tuple[str, tuple[str, bytes, str]]


def file_part(image: ImageInput, index: int) -> FilePart:
    """Return the multipart form part of an image; `index` is the file name of an image without a path.

    Raises:
        ClientError: the file cannot be read or the array is not an image.
    """
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        try:
            return _part(shown(path.name), path.read_bytes())
        except OSError as error:
            raise ClientError(f"cannot read {shown(str(path))}: {error.strerror}") from error
    if isinstance(image, bytes):
        return _part(f"image-{index}", image)
    return _part(f"image-{index}.png", _png(image))


def as_parameter(crop: Crop | None) -> str | None:
    """Return the crop as a query parameter."""
    return None if crop is None else ",".join(map(str, crop))


def _part(filename: str, content: bytes) -> FilePart:
    return "file", (filename, content, "application/octet-stream")


def _png(image: Image.Image | npt.NDArray[np.uint8]) -> bytes:
    import numpy as np
    from PIL import Image

    if not isinstance(image, Image.Image):
        pixels = np.asarray(image)
        shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
        if pixels.dtype != np.uint8 or not shaped or not pixels.size:
            raise ClientError(
                f"unsupported image: {type(image).__name__} of {pixels.dtype} {list(pixels.shape)}: pass a path, "
                "bytes, a Pillow image, or uint8 [H, W, 3] or [H, W]"
            )
        image = Image.fromarray(pixels)
    stream = io.BytesIO()
    try:
        image.save(stream, "PNG", exif=_orientation(image))
    except OSError as error:
        raise ClientError(
            f"a Pillow image of mode {image.mode} cannot be saved as PNG: call image.convert('RGB') first"
        ) from error
    return stream.getvalue()


def _orientation(image: Image.Image) -> Image.Exif:
    """EXIF block with the orientation of the image only, which the service applies; a damaged block is ignored."""
    from PIL import Image

    kept = Image.Exif()
    with suppress(Exception):  # Pillow raises many kinds of errors on damaged EXIF blocks
        value = image.getexif().get(_ORIENTATION_TAG)
        if isinstance(value, int):
            kept[_ORIENTATION_TAG] = value
    return kept
