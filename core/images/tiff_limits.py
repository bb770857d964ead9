"""Decoding limits of TIFF files: tiles and strips, read from the directory of the first image.

Pillow and libtiff both read this directory, and each ignores entries that the other uses: Pillow skips unknown types
and later duplicates, libtiff does not. Such entries of the tags that decide the memory are therefore rejected.
"""

from __future__ import annotations

import struct

from core.errors import ImageError, ImageTooLargeError

MAX_TILES = 20_000
MAX_TILE_FACTOR = 4
"""Bytes of all tiles or strips over the bytes of the image. Tiles at the edges extend beyond the image."""
MIN_WORK_BYTES = 16_000_000
"""Bytes of all tiles that a small image may have."""
MAX_ENTRIES = 4_096

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 277, 278, 284, 322, 323
_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES = 273, 279, 324, 325
_STRUCTURE = {
    _WIDTH,
    _HEIGHT,
    _BITS,
    _SAMPLES,
    _ROWS,
    _PLANAR,
    _TILE_WIDTH,
    _TILE_HEIGHT,
    _STRIP_OFFSETS,
    _STRIP_BYTES,
    _TILE_OFFSETS,
    _TILE_BYTES,
}
_TYPES = {3: "H", 4: "L", 16: "Q"}
_START_OF_SCAN = b"\xff\xda"
_DAMAGED = "the TIFF image is damaged or truncated: send the whole file"


def check_tiff(data: bytes) -> int:
    """Check the tiles or strips of a TIFF.

    Returns:
        Bytes of one tile or strip, which libtiff holds while it decodes.

    Raises:
        ImageTooLargeError: too many tiles, tiles much larger than the image, or too many scans of JPEG in them.
        ImageError: the directory is damaged, or an entry is ambiguous.
    """
    tags = _directory(data)
    width, height, samples = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), max(1, tags.get(_SAMPLES, 1))
    planes = samples if tags.get(_PLANAR) == 2 else 1
    bits = max(1, tags.get(_BITS, 1)) * samples // planes
    if _TILE_WIDTH in tags or _TILE_HEIGHT in tags:
        tile_width, tile_height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    else:
        tile_width, tile_height = width, min(tags.get(_ROWS, height), height)
    if min(width, height, tile_width, tile_height) < 1:
        raise ImageError(_DAMAGED)
    tiles = -(-width // tile_width) * -(-height // tile_height) * planes
    tile_bytes = -(-tile_width * bits // 8) * tile_height
    if tiles > MAX_TILES:
        raise ImageTooLargeError(f"the image has {tiles:,} tiles, the limit is {MAX_TILES:,}: save it again")
    limit = max(MIN_WORK_BYTES, MAX_TILE_FACTOR * (-(-width * bits // 8) * height * planes))
    if tiles * tile_bytes > limit:
        raise ImageTooLargeError(
            f"the tiles of the image have {tiles * tile_bytes / 1e6:.0f} MB, the limit for {width}x{height} pixels is "
            f"{limit / 1e6:.0f} MB: save it again without tiles"
        )
    # Baseline JPEG has one scan, or one for each component.
    if data.count(_START_OF_SCAN) > samples * tiles + 64:
        raise ImageTooLargeError("the JPEG data of the TIFF image has too many scans: save it again without JPEG")
    return tile_bytes


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first image.

    Raises:
        ImageError: as `check_tiff`.
    """
    tags = _directory(data)
    return tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)


def _directory(data: bytes) -> dict[int, int]:
    """First value of each tag that decides about memory."""
    order = "<" if data[:2] == b"II" else ">"
    large = data[2:4] in (b"+\0", b"\0+")
    count_format, offset_format, entry_size = ("Q", "Q", 20) if large else ("H", "L", 12)
    try:
        (start,) = struct.unpack_from(order + offset_format, data, 8 if large else 4)
        (entries,) = struct.unpack_from(order + count_format, data, start)
        start += struct.calcsize(order + count_format)
        if entries > MAX_ENTRIES:
            raise ImageTooLargeError(
                f"the TIFF image has {entries:,} tags, the limit is {MAX_ENTRIES:,}: save it again"
            )
        tags: dict[int, int] = {}
        for position in range(start, start + entries * entry_size, entry_size):
            tag, kind, count = struct.unpack_from(f"{order}HH{offset_format}", data, position)
            if tag not in _STRUCTURE:
                continue
            if tag in tags or kind not in _TYPES or count < 1:
                raise ImageError(_DAMAGED)
            value = position + (12 if large else 8)
            if count * struct.calcsize(order + _TYPES[kind]) > (8 if large else 4):
                (value,) = struct.unpack_from(order + offset_format, data, value)
            (tags[tag],) = struct.unpack_from(order + _TYPES[kind], data, value)
    except (struct.error, OverflowError) as error:
        raise ImageError(_DAMAGED) from error
    return tags
