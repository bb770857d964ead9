"""The short way for the picture that models are asked about most: a small PNG that has the model's size already.

Pillow parses any PNG, and for one of 32x32 spends twice as long on that as on its pixels. Where a file is exactly
what image libraries write for such a picture (8-bit RGB, not interlaced, no chunk besides its pixels), libspng
decodes it at once. Everything else, damaged files among it, is left to Pillow, whose verdict counts.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pyspng import c as spng

MAX_BYTES = 65_536
"""libspng decodes without letting go of Python's lock, which is right for tens of microseconds and no longer."""

_IDAT, _IEND = b"IDAT", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_RGB8 = spng.SPNG_FMT_RGB8


def decode_plain_png(data: bytes, *, height: int, width: int) -> npt.NDArray[np.uint8] | None:
    """uint8 RGB [height, width, 3], read-only, or None where the file needs a reader that knows more.

    The pixels are those that Pillow gives, bit for bit. The checksum of each chunk is verified here, since libspng's
    binding ignores them. That of the pixels within them is not: what breaks it alone, with the chunk's own made to fit,
    is no damage but a writer's doing, and gives its pixels, where Pillow refuses the file.

    Args:
        data: a file of any kind.
        height: that the image must have.
        width: that the image must have.
    """
    head = _head(height, width)
    if not data.startswith(head) or len(data) > MAX_BYTES or not _holds_pixels_alone(data, len(head)):
        return None
    try:
        pixels_HWC: npt.NDArray[np.uint8] = spng.spng_decode_image_bytes(data, _RGB8)
    except RuntimeError:  # damaged: Pillow says so in its own way
        return None
    pixels_HWC.flags.writeable = False
    return pixels_HWC


def _holds_pixels_alone(data: bytes, start: int) -> bool:
    """Whether intact IDAT chunks and the final one are all there is from `start` on."""
    view = memoryview(data)
    while data.startswith(_IDAT, start + 4):
        end = start + 8 + int.from_bytes(view[start : start + 4], "big")
        if crc32(view[start + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return False
        start = end + 4
    return data[start:] == _IEND


@lru_cache(64)
def _head(height: int, width: int) -> bytes:
    """Signature and IHDR of an 8-bit RGB image that is not interlaced (PNG specification, 5.2 and 11.2.1)."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", crc32(header))
