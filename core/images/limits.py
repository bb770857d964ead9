"""Decoding limits: bounds the CPU time and memory of a decoder from the structure of an image file.

A small file can demand much work: tiles larger than the image, thousands of JPEG scans, a canvas that is allocated
before its size can be read. `check_structure` reads the structure of the file itself, before Pillow opens it.
`check_memory` estimates the memory of an opened image before its pixels are loaded.
"""

from __future__ import annotations

import os
import struct

from PIL.ImageFile import ImageFile

from core.errors import ConfigurationError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.header_size import JPEG_FRAMES, JPEG_MARKER, PNG_SIGNATURE, SEQUENTIAL, webp_size
from core.images.tiff_limits import check_tiff

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Maximum size of a file in a data set or a table of predictions."""
MAX_PIXELS = 25_000_000
"""Default limit of an image, in pixels; `configured_max_pixels` is the limit of an installation."""
MAX_SIDE = 65_535
"""The resampling filter's table grows with the longer side, so a strip of one pixel's height needs a limit too."""
MAX_DECODE_BYTES = 150_000_000
"""Memory of one decoder. 25 megapixels of RGB take 100 MB, because Pillow stores four bytes per pixel."""
MAX_SEGMENTS = 20_000
"""PNG chunks, JPEG segments, GIF sub-blocks before the first image, or TIFF tiles. Each costs some microseconds."""
MAX_SCANS = 64
"""Scans of a JPEG. Progressive encoders write about ten."""
MAX_SCAN_PIXELS = 24 * MAX_PIXELS
"""Pixels of a JPEG times its scans; each scan passes over the whole image."""
MAX_RLE_PIXELS = 1_000_000
"""Pixels of a run-length encoded BMP, which Pillow decodes in Python, about ten megapixels per second."""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FIRST_APP, _EXIF, _ADOBE, _LAST_APP, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
# Baseline, extended and progressive, with Huffman or arithmetic coding. Others are lossless or hierarchical.
_JPEG_DECODED = SEQUENTIAL | {0xC2, 0xC9, 0xCA}
# Pixels pass the decoder; these chunks change how. Others (text, profiles, times) may be huge and are never used.
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL"})
_BMP_RLE = {1, 2}


def configured_max_pixels() -> int:
    """Limit of an image in pixels: DUET_MAX_PIXELS, or MAX_PIXELS if it is unset or empty.

    Raises:
        ConfigurationError: the variable is not a positive whole number.
    """
    text = os.environ.get("DUET_MAX_PIXELS", "").strip() or str(MAX_PIXELS)
    if not (text.isascii() and text.isdecimal()) or len(text) > 18 or int(text) < 1:
        raise ConfigurationError("DUET_MAX_PIXELS is not a positive whole number: set it to a number of pixels")
    return int(text)


def check_structure(data: bytes, *, max_pixels: int) -> bytes:
    """Check the structure of an image file, and remove the metadata of a PNG or JPEG that does not affect its pixels.

    Args:
        data: a whole file of a supported format, recognized by its signature.
        max_pixels: largest allowed number of pixels.

    Returns:
        The file to decode: `data`, or for a PNG or JPEG only the parts that affect the pixels.

    Raises:
        ImageTooLargeError: decoding would take too much time or memory; the message names the limit.
        UnsupportedImageError: a JPEG with 12 bits per sample, or with lossless or hierarchical coding.
    """
    if data.startswith(PNG_SIGNATURE):
        return _without_ancillary_chunks(data)
    if data.startswith(b"\xff\xd8"):
        check_scans(data)
        return _without_metadata(data)
    if data.startswith(b"RIFF"):
        _check_webp(data, max_pixels)
    elif data.startswith(b"GIF8"):
        _check_gif(data)
    elif data.startswith(b"BM"):
        _check_bmp(data)
    elif data.startswith((b"II", b"MM")):
        check_tiff(data)
    return data


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Check the width and height of an image.

    Raises:
        ImageTooLargeError: more than `max_pixels` pixels, or a side over `MAX_SIDE`.
    """
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"the image has {width}x{height} pixels, the limit is {megapixels(max_pixels)}: scale it down first"
        )
    if max(size) > MAX_SIDE:
        raise ImageTooLargeError(
            f"the image has {width}x{height} pixels, but no side may exceed {MAX_SIDE}: crop it or scale it down first"
        )


def check_memory(image: ImageFile, data: bytes, *, converted_pixels: int) -> None:
    """Check the memory that decoding needs, for an image whose pixels are not loaded.

    Args:
        image: opened by Pillow; for a JPEG, after `draft`.
        data: the file.
        converted_pixels: pixels of the RGB copy that is made of the image; 0 if it is used as it is.

    Raises:
        ImageTooLargeError: more than `MAX_DECODE_BYTES`.
    """
    width, height = image.size
    per_pixel = 16 if image.format == "WEBP" else _stored_bytes(image.mode)  # libwebp holds four RGBA canvases
    needed = width * height * per_pixel + 4 * converted_pixels
    if image.format == "JPEG":
        needed += _coefficient_bytes(data)
    elif image.format == "TIFF":
        needed += check_tiff(data)
    if needed > MAX_DECODE_BYTES:
        raise ImageTooLargeError(
            f"decoding this {image.format} image takes {needed / 1e6:.0f} MB of memory, the limit is "
            f"{MAX_DECODE_BYTES / 1e6:.0f} MB: scale it down or save it as an RGB PNG or baseline JPEG"
        )


def has_end_marker(data: bytes) -> bool:
    """False for a JPEG that ends before its end marker."""
    segments = _segments(data)
    return bool(segments) and segments[-1][0] == _END_OF_IMAGE


def megapixels(pixels: int) -> str:
    """A number of pixels in words, such as "25 megapixels"."""
    return f"{pixels / 1e6:g} megapixels"


def _stored_bytes(mode: str) -> int:
    """Bytes per pixel in Pillow's memory."""
    return {"1": 1, "L": 1, "P": 1}.get(mode, 2 if mode.startswith("I;16") else 4)


def _too_many(what: str, limit: int) -> ImageTooLargeError:
    return ImageTooLargeError(f"the image has more than {limit:,} {what}: save it again with another program")


def _without_ancillary_chunks(data: bytes) -> bytes:
    parts, position, dropped = [PNG_SIGNATURE], len(PNG_SIGNATURE), False
    for _ in range(MAX_SEGMENTS + 1):
        if position + 8 > len(data):
            break
        (length,) = struct.unpack_from(">I", data, position)
        kind, end = data[position + 4 : position + 8], position + 12 + length
        if (kind == b"IHDR") != (position == len(PNG_SIGNATURE)):
            raise ImageError("the PNG image is damaged, because it must begin with its only IHDR: save it again")
        if kind in _PNG_CHUNKS or kind[:1].isupper():
            parts.append(data[position:end])
        else:
            dropped = True
        position = end
        if kind == b"IEND":
            break
    else:
        raise _too_many("chunks", MAX_SEGMENTS)
    return b"".join(parts) if dropped else data


def _without_metadata(data: bytes) -> bytes:
    """Remove application segments and comments before the first scan, except the first JFIF, Exif and Adobe ones."""
    parts, position, kept = [], 0, set[int]()
    for marker, start in _segments(data):
        if marker == _START_OF_SCAN:
            break
        if not (_FIRST_APP <= marker <= _LAST_APP or marker == _COMMENT):
            continue
        content = data[start + 4 : start + 10]
        wanted = marker in (_FIRST_APP, _ADOBE) or (marker == _EXIF and content.startswith(b"Exif"))
        if wanted and marker not in kept:
            kept.add(marker)
            continue
        parts.append(data[position:start])
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    return b"".join([*parts, data[position:]])


def _segments(data: bytes) -> list[tuple[int, int]]:
    """Marker and position of each segment of a JPEG up to its end marker.

    Raises:
        ImageTooLargeError: more than `MAX_SEGMENTS`.
    """
    segments, position = [], 2
    while found := JPEG_MARKER.search(data, position):
        marker, start = found[1][0], found.start()
        segments.append((marker, start))
        if len(segments) > MAX_SEGMENTS:
            raise _too_many("segments", MAX_SEGMENTS)
        if marker == _END_OF_IMAGE or start + 4 > len(data):
            break
        position = start + 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
    return segments


def _frame(data: bytes) -> tuple[bool, int, int, list[tuple[int, int]], int]:
    """Read a JPEG's coding (True if sequential), width, height, sampling factors by component, and number of scans.

    Raises:
        UnsupportedImageError: libjpeg does not decode this kind of JPEG.
        ImageError: the file has no complete frame header.
    """
    segments = _segments(data)
    scans = sum(marker == _START_OF_SCAN for marker, _ in segments)
    for marker, start in segments:
        if marker in JPEG_FRAMES and len(data) >= start + 10 + 3 * data[start + 9 : start + 10][0]:
            bits, height, width, components = struct.unpack_from(">BHHB", data, start + 4)
            if marker not in _JPEG_DECODED or bits != 8:
                kind = f"{bits} bits per sample" if bits != 8 else "lossless or hierarchical coding"
                raise UnsupportedImageError(f"JPEG images with {kind} are not supported: save it as a baseline JPEG")
            factors = [data[start + 11 + 3 * number] for number in range(components)]
            return marker in SEQUENTIAL, width, height, [(factor >> 4, factor & 15) for factor in factors], scans
    raise ImageError("the JPEG image is damaged or truncated: send the whole file")


def check_scans(data: bytes, *, passes: int = 1) -> None:
    """Check the scans of a JPEG that is decoded `passes` times.

    Raises:
        ImageTooLargeError: too many scans, or too many for its size.
        ImageError: the file has no complete frame header.
    """
    _, width, height, _, scans = _frame(data)
    scans *= passes
    if scans > MAX_SCANS or scans * width * height > MAX_SCAN_PIXELS:
        raise ImageTooLargeError(
            f"the JPEG image has {scans} scans of {width}x{height} pixels, the limit is {MAX_SCANS} scans and "
            f"{megapixels(MAX_SCAN_PIXELS)} in all: save it as a baseline JPEG"
        )


def _coefficient_bytes(data: bytes) -> int:
    """Memory of the coefficients that libjpeg keeps until the last scan; 0 if there is one scan."""
    sequential, width, height, factors, scans = _frame(data)
    if sequential and scans <= 1:
        return 0
    across = max((horizontal for horizontal, _ in factors), default=1) or 1
    down = max((vertical for _, vertical in factors), default=1) or 1
    return sum(2 * width * height * horizontal * vertical // (across * down) for horizontal, vertical in factors)


def _check_webp(data: bytes, max_pixels: int) -> None:
    """Check the canvas, which libwebp allocates when Pillow opens the file."""
    size = webp_size(data)
    if size is not None:
        check_size(size, max_pixels)


def _check_gif(data: bytes) -> None:
    """Count the sub-blocks of extensions before the first image, which Pillow reads one by one in Python."""
    position = 13 + ((3 << (data[10] & 7) + 1) if len(data) > 10 and data[10] & 128 else 0)
    blocks = 0
    while data[position : position + 1] == b"!":
        position += 2
        while position < len(data) and data[position]:
            position += 1 + data[position]
            blocks += 1
            if blocks > MAX_SEGMENTS:
                raise _too_many("extension blocks", MAX_SEGMENTS)
        position += 1


def _check_bmp(data: bytes) -> None:
    if len(data) >= 34 and struct.unpack_from("<I", data, 14)[0] >= 40:
        width, height, compression = *struct.unpack_from("<ii", data, 18), struct.unpack_from("<I", data, 30)[0]
        # At most two bytes per pixel, and two per row; other pairs do nothing and cost as much.
        max_bytes = 2 * abs(width * height) + 2 * abs(height) + 4_096
        if compression in _BMP_RLE and len(data) > max_bytes:
            raise ImageTooLargeError(
                f"the run-length encoded BMP image has {len(data):,} bytes, the limit for {abs(width)}x{abs(height)} "
                f"pixels is {max_bytes:,}: save it as a PNG"
            )
        if compression in _BMP_RLE and abs(width * height) > MAX_RLE_PIXELS:
            raise ImageTooLargeError(
                f"the run-length encoded BMP image has {abs(width)}x{abs(height)} pixels, the limit is "
                f"{megapixels(MAX_RLE_PIXELS)}: save it as a PNG"
            )
