"""Image files whose decoding would cost far more than their size suggests, and unusual files that are harmless."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from core.errors import ImageError, ImageTooLargeError

SIDE = 5_000
"""25 megapixels, the limit of an image."""


class HostileFile(NamedTuple):
    """A file, with the error it must raise and part of its message; `error` is None if it must be decoded."""

    name: str
    build: Callable[[], bytes]
    error: type[ImageError] | None = None
    message: str = ""


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    """`image` as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def tiff(tags: dict[int, tuple[int, int]], data: bytes = bytes(64)) -> bytes:
    """TIFF of one directory; `tags` are type (3 for 16-bit, 4 for 32-bit) and value by number."""
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1) + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, (kind, value) in sorted(tags.items())
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def tiff_header(width: int, height: int, compression: int = 5) -> dict[int, tuple[int, int]]:
    """Tags of a grayscale TIFF; compression 5 is LZW."""
    return {256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, compression), 262: (3, 1), 277: (3, 1)}


def tiff_of_huge_tiles() -> bytes:
    """32x32 pixels in one tile of a gigapixel."""
    return tiff(tiff_header(32, 32) | {322: (4, 32_768), 323: (4, 32_768), 324: (4, 150), 325: (4, 16)})


def tiff_of_tall_tiles() -> bytes:
    """1000x16 pixels in 1,000 tiles of 1x140,000,000 pixels that share their data."""
    data = zlib.compress(bytes(1_000_000))
    tags = tiff_header(1_000, 16, compression=8) | {322: (4, 1), 323: (4, 140_000_000), 325: (4, len(data))}
    return tiff(tags | {324: (4, 200)}, bytes(64) + data)


def tiff_of_two_tile_sizes() -> bytes:
    """The tile size of a gigapixel has a type that Pillow skips and libtiff reads; then a small size follows."""
    file = tiff(tiff_header(32, 32) | {322: (4, 32_768), 323: (4, 32_768), 324: (4, 150), 325: (4, 16)})
    for tag in (322, 323):
        file = file.replace(struct.pack("<HHI", tag, 4, 1), struct.pack("<HHI", tag, 17, 1))
    return file


def png_of_two_headers() -> bytes:
    """A header of 32x32 pixels, then one of 25 megapixels."""
    file = saved(Image.new("RGB", (SIDE, SIDE)), "PNG", compress_level=1)
    small = saved(Image.new("RGB", (32, 32)), "PNG")
    return small[:33] + file[8:]


def jpeg_of_many_exif_segments() -> bytes:
    """Baseline JPEG with 15,000 Exif segments of 800 bytes."""
    file = saved(Image.new("RGB", (32, 32)), "JPEG")
    content = b"Exif\0\0" + bytes(794)
    return file[:2] + (b"\xff\xe1" + struct.pack(">H", 802) + content) * 15_000 + file[2:]


def bmp_of_empty_pairs() -> bytes:
    """Run-length encoded BMP of 8x8 pixels with eight million end-of-line pairs."""
    file = bytearray(saved(Image.new("P", (8, 8)), "BMP"))
    struct.pack_into("<I", file, 30, 1)
    (start,) = struct.unpack_from("<I", file, 10)
    return bytes(file[:start]) + b"\0\0" * 8_000_000


def gif_of_many_late_blocks() -> bytes:
    """GIF with seven million blocks after its image data."""
    file = saved(Image.new("P", (32, 32)), "GIF")
    return file[:-1] + b"!\xfe" + b"\1x" * 7_000_000 + b"\0" + file[-1:]


def tiff_of_many_tiles() -> bytes:
    """Uncompressed tiles of one pixel."""
    count = 40_000
    tags = tiff_header(200, 200, compression=1) | {322: (4, 1), 323: (4, 1), 325: (4, 1)}
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    file = tiff(tags | {324: (4, start)}, struct.pack("<I", start) * count)
    return file.replace(struct.pack("<HHII", 324, 4, 1, start), struct.pack("<HHII", 324, 4, count, start))


def jpeg_of_many_scans(scans: int, side: int = SIDE) -> bytes:
    """Progressive JPEG whose last scan is repeated."""
    file = saved(Image.new("RGB", (side, side), (10, 200, 30)), "JPEG", progressive=True)
    last = file.rindex(b"\xff\xda")
    return file[:-2] + file[last:-2] * scans + file[-2:]


def jpeg_of_many_segments() -> bytes:
    """Baseline JPEG after 30,000 empty comments."""
    file = saved(Image.new("RGB", (32, 32)), "JPEG")
    return file[:2] + b"\xff\xfe\0\2" * 30_000 + file[2:]


def webp_canvas(side: int) -> bytes:
    """WebP header of a canvas of `side` x `side` pixels with an empty lossless image."""
    extended = bytes(4) + (side - 1).to_bytes(3, "little") * 2
    lossless = b"\x2f" + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little") + bytes(4)
    chunks = b"VP8X" + struct.pack("<I", 10) + extended + b"VP8L" + struct.pack("<I", len(lossless)) + lossless
    return b"RIFF" + struct.pack("<I", len(chunks) + 5) + b"WEBP" + chunks


class _Bits:
    """Writer of bits, the lowest bit of each byte first."""

    def __init__(self) -> None:
        self._bits: list[int] = []

    def put(self, value: int, count: int) -> None:
        """Append the `count` lowest bits of `value`, the lowest first."""
        self._bits += [value >> bit & 1 for bit in range(count)]

    def bytes(self) -> bytes:
        """All bits, filled up with zeros."""
        return np.packbits(np.array(self._bits, np.uint8), bitorder="little").tobytes()


def webp_of_many_codes(side: int = 1_024) -> bytes:
    """Lossless WebP of `side` x `side` pixels with separate Huffman codes for each tile of 4x4 pixels.

    libwebp stores tables of about 5 kB for each of these (at most 65,536) groups of codes before it reads a pixel; see
    the specification of the WebP lossless bitstream, section 6.2.
    """
    tiles = -(-side // 4)
    bits = _Bits()
    bits.put(0x2F, 8)
    for value, count in ((side - 1, 14), (side - 1, 14), (0, 1), (0, 3)):  # size, alpha, version
        bits.put(value, count)
    for value, count in ((0, 1), (0, 1), (1, 1), (0, 3)):  # no transform, no cache, many codes, tiles of 2^2 pixels
        bits.put(value, count)
    bits.put(0, 1)  # the image of tile numbers has no cache
    for symbols, unused in ((256, 24), (256, 0)):  # its green and red: 256 codes of 8 bits each
        bits.put(0, 1)
        bits.put(8, 4)  # 12 lengths, in the order of the specification: only 0 and 8 occur, with one bit each
        for length in (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1):
            bits.put(length, 3)
        bits.put(0, 1)
        for _ in range(symbols):
            bits.put(1, 1)
        bits.put(0, unused)
    for _ in range(3):  # its blue, alpha and distance: one code of no bits
        bits.put(0b0001, 4)
    for number in range(tiles * tiles):
        for byte in (number & 255, number >> 8 & 255):
            bits.put(int(f"{byte:08b}"[::-1], 2), 8)
    for _ in range(5 * tiles * tiles):  # green, red, blue, alpha and distance of each group: one code of no bits
        bits.put(0b0001, 4)
    lossless = bits.bytes()
    lossless += bytes(len(lossless) % 2)
    chunk = b"VP8L" + struct.pack("<I", len(lossless)) + lossless
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes) -> bytes:
    """32x32 PNG with chunks between its header and its pixels."""
    file = saved(Image.new("RGB", (32, 32), (200, 20, 20)), "PNG")
    return file[:33] + b"".join(chunks) + file[33:]


def png_of_big_profile() -> bytes:
    """PNG with an intact color profile of 4 MB."""
    return png_with(png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(4_000_000))))


def png_of_big_texts() -> bytes:
    """PNG with 200 intact texts of 1 MB each."""
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000)))
    return png_with(*[text] * 200)


def gif_of_many_blocks() -> bytes:
    """GIF with an extension of a million blocks before its image."""
    file = saved(Image.new("P", (32, 32)), "GIF")
    start = 13 + (3 << (file[10] & 7) + 1)
    return file[:start] + b"!\xfe" + b"\1x" * 1_000_000 + b"\0" + file[start:]


def bmp_of_runs() -> bytes:
    """Run-length encoded BMP of 25 megapixels without pixel data."""
    file = bytearray(saved(Image.new("P", (8, 8)), "BMP"))
    struct.pack_into("<ii", file, 18, SIDE, SIDE)
    struct.pack_into("<I", file, 30, 1)
    return bytes(file)


def photograph(side: int) -> Image.Image:
    """Smooth random image."""
    small_HWC = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(small_HWC).resize((side, side), Image.Resampling.BICUBIC)


def jpeg_without_end() -> bytes:
    """Whole baseline JPEG without its end marker."""
    return saved(photograph(200), "JPEG")[:-2]


def truncated_jpeg() -> bytes:
    """Baseline JPEG without its lower half."""
    file = saved(photograph(200), "JPEG", quality=95)
    return file[: len(file) // 2]


def rgba(side: int) -> Image.Image:
    """Half-transparent image."""
    return Image.new("RGBA", (side, side), (10, 200, 30, 128))


FILES = [
    HostileFile("tiff_huge_tiles", tiff_of_huge_tiles, ImageTooLargeError, "1074 MB"),
    HostileFile("tiff_many_tiles", tiff_of_many_tiles, ImageTooLargeError, "40,000 tiles"),
    HostileFile("tiff_tall_tiles", tiff_of_tall_tiles, ImageTooLargeError, "tiles of the image have"),
    HostileFile("tiff_two_tile_sizes", tiff_of_two_tile_sizes, ImageError, "damaged"),
    HostileFile("png_two_headers", png_of_two_headers, ImageError, "only IHDR"),
    HostileFile("jpeg_many_exif_segments", jpeg_of_many_exif_segments),
    HostileFile("bmp_empty_pairs", bmp_of_empty_pairs, ImageTooLargeError, "run-length encoded"),
    HostileFile("gif_many_late_blocks", gif_of_many_late_blocks),
    HostileFile("jpeg_many_scans", lambda: jpeg_of_many_scans(1_000), ImageTooLargeError, "scans of 5000x5000"),
    HostileFile("jpeg_allowed_scans", lambda: jpeg_of_many_scans(6)),
    HostileFile("jpeg_small_many_scans", lambda: jpeg_of_many_scans(2_000, 64), ImageTooLargeError, "64 scans"),
    HostileFile("jpeg_many_segments", jpeg_of_many_segments, ImageTooLargeError, "more than 20,000 segments"),
    HostileFile(
        "jpeg_progressive_cmyk",
        lambda: saved(Image.new("CMYK", (SIDE, SIDE)), "JPEG", progressive=True, subsampling=0),
        ImageTooLargeError,
        "MB of memory",
    ),
    HostileFile("jpeg_without_end", jpeg_without_end),
    HostileFile("jpeg_truncated", truncated_jpeg, ImageError, "damaged or truncated"),
    HostileFile("webp_canvas", lambda: webp_canvas(16_384), ImageTooLargeError, "16384x16384 pixels"),
    HostileFile(
        "webp_memory",
        lambda: saved(Image.new("RGB", (SIDE, SIDE)), "WEBP", lossless=True, quality=0, method=0),
        ImageTooLargeError,
        "400 MB of memory",
    ),
    HostileFile("webp_largest", lambda: saved(Image.new("RGB", (3_000, 3_000)), "WEBP", quality=1, method=0)),
    HostileFile("png_big_profile", png_of_big_profile),
    HostileFile("png_big_texts", png_of_big_texts),
    HostileFile(
        "png_many_chunks",
        lambda: png_with(*[png_chunk(b"tEXt", b"a\0b")] * 30_000),
        ImageTooLargeError,
        "more than 20,000 chunks",
    ),
    HostileFile("png_rgba", lambda: saved(rgba(SIDE), "PNG", compress_level=1)),
    HostileFile("png_16_bit", lambda: saved(Image.fromarray(np.zeros((SIDE, SIDE), np.uint16)), "PNG")),
    HostileFile("png_rgb", lambda: saved(Image.new("RGB", (SIDE, SIDE)), "PNG", compress_level=1)),
    HostileFile("gif_many_blocks", gif_of_many_blocks, ImageTooLargeError, "more than 20,000 extension blocks"),
    HostileFile("gif_palette", lambda: saved(Image.new("P", (SIDE, SIDE)), "GIF")),
    HostileFile("bmp_runs", bmp_of_runs, ImageTooLargeError, "run-length encoded"),
    HostileFile("tiff_rgba", lambda: saved(rgba(SIDE), "TIFF", compression="tiff_lzw")),
    HostileFile("tiff_fax", lambda: saved(Image.new("1", (SIDE, SIDE)), "TIFF", compression="group4")),
]
