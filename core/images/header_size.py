"""Image size from the header of a file, read in microseconds without Pillow, before the file is decoded."""

from __future__ import annotations

import re
import struct

from core.errors import ImageError
from core.images.tiff_limits import tiff_size

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG frame headers, which contain the size of the image."""
SEQUENTIAL = frozenset({0xC0, 0xC1})
"""Markers of sequential (not progressive) frames."""
JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
"""Markers that have a segment, and the end marker. Excluded: stuffed zeros, fill bytes, restart markers, TEM, SOI."""

_IHDR = b"\0\0\0\x0dIHDR"
_MAX_JPEG_SEGMENTS = 256
"""Maximum number of segments to search for the frame header; a photograph has about ten before it."""


def header_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of an image in pixels; None if its header is damaged, unusual or of another format."""
    try:
        if data.startswith(PNG_SIGNATURE):
            return _png_size(data)
        if data.startswith(b"\xff\xd8"):
            frame = _jpeg_frame(data)
            return frame and frame[1:]
        if data.startswith(b"RIFF"):
            return webp_size(data)
        if data.startswith(b"GIF8"):
            width, height = struct.unpack_from("<HH", data, 6)
        elif data.startswith(b"BM"):
            short = struct.unpack_from("<I", data, 14)[0] < 40
            width, height = struct.unpack_from("<HH" if short else "<ii", data, 18)
        elif data.startswith((b"II", b"MM")):
            width, height = tiff_size(data)
        else:
            return None
    except (struct.error, ImageError):
        return None
    return abs(width), abs(height)


def is_quick(data: bytes, *, max_bytes: int, max_pixels: int) -> bool:
    """True for a PNG or baseline JPEG of limited size, whose decoding takes about 10 ns per pixel."""
    if len(data) > max_bytes:
        return False
    if data.startswith(PNG_SIGNATURE):
        size = _png_size(data)
    elif data.startswith(b"\xff\xd8"):
        frame = _jpeg_frame(data)
        size = frame[1:] if frame is not None and frame[0] in SEQUENTIAL else None
    else:
        return False
    return size is not None and 0 < size[0] * size[1] <= max_pixels


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the canvas of a WebP, from its first chunk; None if the chunk is unknown or incomplete."""
    kind, header = data[12:16], data[20:30]
    if kind == b"VP8X" and len(header) == 10:
        return 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
    if kind == b"VP8 " and len(header) == 10:
        width, height = struct.unpack_from("<HH", header, 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and len(header) >= 5:
        bits = int.from_bytes(header[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[8:16] != _IHDR or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_frame(data: bytes) -> tuple[int, int, int] | None:
    """Marker, width and height of the first frame header."""
    position = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        found = JPEG_MARKER.search(data, position)
        if found is None or found.start() + 9 > len(data):
            return None
        marker, start = found[1][0], found.start()
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, start + 5)
            return marker, width, height
        position = start + 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
    return None
