"""Small test images and their encoded bytes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.images.decode import DecodedImage, decode_image


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def at_32(data: bytes) -> DecodedImage:
    return decode_image(data, height=32, width=32)


def png(depth: int, color_type: int, row: bytes, key: bytes | None = None, size: tuple[int, int] = (2, 1)) -> bytes:
    """A PNG written by hand, for the pixel types that Pillow cannot write and the sizes nobody could hold.

    One row of pixels; `key` is the content of a tRNS chunk, which names one color transparent.
    """
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0))]
    chunks += [(b"tRNS", key)] if key is not None else []
    chunks += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
