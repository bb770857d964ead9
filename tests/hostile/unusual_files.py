"""Image files of unusual structure: animations, JPEG codings, TIFF directories and planes, PNG chunks, BMP headers."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from core.errors import ImageError, ImageTooLargeError, UnsupportedImageError
from tests.hostile.image_files import (
    SIDE,
    HostileFile,
    photograph,
    png_chunk,
    png_with,
    saved,
    tiff,
    tiff_header,
)


def small(red: int = 0) -> Image.Image:
    """Image of 32x32 pixels."""
    return Image.new("RGB", (32, 32), (red % 256, 20, 20))


def animated(file_format: str, frames: int) -> bytes:
    """Animation of different frames."""
    return saved(small(), file_format, save_all=True, append_images=[small(97 * number) for number in range(1, frames)])


def png_frame(number: int, side: int) -> bytes:
    """Control chunk of a frame of an animated PNG."""
    return png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, side, side, 0, 0, 1, 10, 0, 0))


def png_of_huge_frames() -> bytes:
    """Animated PNG of 32x32 pixels that announces two billion frames, and whose second one has 900 megapixels."""
    file = saved(small(), "PNG")
    announced = png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)) + png_frame(0, 32)
    second = png_frame(1, 30_000) + png_chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(100)))
    return file[:33] + announced + file[33:-12] + second + file[-12:]


def webp_of_many_frames() -> bytes:
    """Animated WebP of 200,000 frames of 32x32 pixels."""
    file = animated("WEBP", 2)
    start = file.index(b"ANMF")
    (length,) = struct.unpack_from("<I", file, start + 4)
    content = file[8:start] + file[start : start + 8 + length + length % 2] * 200_000
    return b"RIFF" + struct.pack("<I", len(content)) + content


def gif_of_many_frames() -> bytes:
    """GIF of 45,000 frames of 2x2 pixels, just small enough for its frames to be counted."""
    file = saved(Image.new("P", (2, 2)), "GIF")
    start = file.index(b",", 13)
    return file[:start] + file[start:-1] * 45_000 + b";"


def gif_on_screen(side: int, screen: int) -> bytes:
    """GIF whose only frame and whose screen differ in size."""
    file = bytearray(saved(Image.new("P", (side, side)), "GIF"))
    struct.pack_into("<HH", file, 6, screen, screen)
    return bytes(file)


def gif_of_huge_frame() -> bytes:
    """GIF with a frame of four gigapixels on a screen of 8x8."""
    file = bytearray(saved(Image.new("P", (8, 8)), "GIF"))
    struct.pack_into("<HH", file, file.index(b",", 13) + 5, 65_535, 65_535)
    return bytes(file)


def jpeg_of(marker: int = 0xC0, bits: int = 8) -> bytes:
    """JPEG with another frame marker and precision; its image data stays that of a baseline JPEG."""
    file = bytearray(saved(photograph(64), "JPEG"))
    start = file.index(b"\xff\xc0")
    file[start + 1], file[start + 4] = marker, bits
    return bytes(file)


def tiff_of_planes(side: int) -> bytes:
    """RGB TIFF with one strip for each color, which share their data."""
    data = zlib.compress(bytes(side * side))
    tags = {256: (4, side), 257: (4, side), 259: (3, 8), 262: (3, 2), 277: (3, 3), 278: (4, side), 284: (3, 2)}
    lists = {258: (3, [8] * 3), 273: (4, [0] * 3), 279: (4, [len(data)] * 3)}
    place = 8 + 2 + 12 * (len(tags) + len(lists)) + 4
    lists[273] = (4, [place + 30] * 3)
    entries, tail = [], b""
    for tag, (kind, value) in tags.items():
        entries.append(
            (tag, struct.pack("<HHI" + ("HH" if kind == 3 else "I"), tag, kind, 1, *([value, 0][: 5 - kind])))
        )
    for tag, (kind, values) in lists.items():
        entries.append((tag, struct.pack("<HHII", tag, kind, 3, place + len(tail))))
        tail += struct.pack("<3H" if kind == 3 else "<3I", *values)
    written = b"".join(entry for _, entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + written + bytes(4) + tail + data


def tiff_of_looped_directories() -> bytes:
    """TIFF whose sub-directories, Exif directory and next directory are its first directory."""
    tags = tiff_header(32, 32, compression=1) | {273: (4, 300), 278: (4, 32), 279: (4, 1_024)}
    tags |= dict.fromkeys((330, 34_665, 34_853, 40_965), (4, 8))
    file = tiff(tags, bytes(2_048))
    end = 8 + 2 + 12 * len(tags)
    return file[:end] + struct.pack("<I", 8) + file[end + 4 :]


def tiff_of_many_directories(count: int) -> bytes:
    """TIFF of many pages."""
    tags = tiff_header(32, 32, compression=1) | {273: (4, 8), 278: (4, 32), 279: (4, 1_024)}
    directory = tiff(tags, b"")[8:-4]
    places = [8 + (len(directory) + 4) * number for number in range(1, count)]
    pages = b"".join(directory + struct.pack("<I", place) for place in [*places, 0])
    return b"II*\0" + struct.pack("<I", 8) + pages + bytes(2_048)


def tiff_of_many_sub_directories() -> bytes:
    """TIFF with a million sub-directories that are its first directory."""
    tags = tiff_header(32, 32, compression=1) | {273: (4, 8), 278: (4, 32), 279: (4, 1_024), 330: (4, 8)}
    file = bytearray(tiff(tags, bytes(2_048)))
    start = file.index(struct.pack("<HHI", 330, 4, 1))
    struct.pack_into("<II", file, start + 4, 1_000_000, len(file))
    return bytes(file) + struct.pack("<I", 8) * 1_000_000


def jpeg_of_big_profile() -> bytes:
    """JPEG with a color profile of 16 MB."""
    file, content = saved(small(), "JPEG"), b"ICC_PROFILE\0\1\xff" + bytes(65_000)
    return file[:2] + (b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content) * 255 + file[2:]


def bmp(width: int, height: int, bits: int, *, offset: int = 54, header: int = 40, colors: int = 0) -> bytes:
    """BMP with these numbers in its headers, and 4,000 bytes after them."""
    fields = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, 0, 0, 0, 0, colors, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, offset) + fields + bytes(4_000)


UNUSUAL = [
    HostileFile("png_animated", lambda: animated("PNG", 500)),
    HostileFile("png_huge_frames", png_of_huge_frames),
    HostileFile("png_frame_count", lambda: png_with(png_chunk(b"acTL", struct.pack(">II", 4_000_000_000, 0)))),
    HostileFile("png_many_gammas", lambda: png_with(*[png_chunk(b"gAMA", struct.pack(">I", 45_455))] * 19_000)),
    HostileFile("png_many_palettes", lambda: png_with(*[png_chunk(b"PLTE", bytes(768))] * 19_000)),
    HostileFile("png_many_exifs", lambda: png_with(*[png_chunk(b"eXIf", b"II*\0" + bytes(60_000))] * 500)),
    HostileFile("webp_many_frames", webp_of_many_frames),
    HostileFile("gif_many_frames", gif_of_many_frames),
    HostileFile("gif_frame_over_screen", lambda: gif_on_screen(40, 32)),
    HostileFile("gif_large_frame_over_screen", lambda: gif_on_screen(SIDE, 32)),
    HostileFile("gif_frame_under_screen", lambda: gif_on_screen(32, SIDE)),
    HostileFile("gif_huge_frame", gif_of_huge_frame, ImageTooLargeError, "25 megapixels"),
    HostileFile("gif_huge_screen", lambda: gif_on_screen(8, 65_535), ImageTooLargeError, "65535x65535"),
    HostileFile("jpeg_12_bit", lambda: jpeg_of(0xC1, 12), UnsupportedImageError, "12 bits per sample"),
    HostileFile("jpeg_lossless", lambda: jpeg_of(0xC3), UnsupportedImageError, "lossless"),
    HostileFile("jpeg_hierarchical", lambda: jpeg_of(0xC5), UnsupportedImageError, "hierarchical"),
    HostileFile("jpeg_arithmetic", lambda: jpeg_of(0xC9)),
    HostileFile("jpeg_big_profile", jpeg_of_big_profile),
    HostileFile("tiff_planes", lambda: tiff_of_planes(32)),
    HostileFile("tiff_large_planes", lambda: tiff_of_planes(SIDE)),
    HostileFile("tiff_looped_directories", tiff_of_looped_directories),
    HostileFile("tiff_many_directories", lambda: tiff_of_many_directories(100_000)),
    HostileFile("tiff_many_sub_directories", tiff_of_many_sub_directories),
    HostileFile("bmp_without_pixels", lambda: bmp(SIDE, SIDE, 1), ImageError, "damaged or truncated"),
    HostileFile("bmp_many_colors", lambda: bmp(32, 32, 8, colors=2**32 - 1), ImageError, "damaged or truncated"),
    HostileFile("bmp_lowest_height", lambda: bmp(32, -(2**31), 8), ImageTooLargeError, "pixels"),
    HostileFile("bmp_widest", lambda: bmp(2**31 - 1, 1, 8), ImageTooLargeError, "pixels"),
    HostileFile("bmp_far_pixels", lambda: bmp(32, 32, 24, offset=2**31), ImageError, "damaged or truncated"),
    HostileFile("bmp_large_header", lambda: bmp(32, 32, 24, header=2**31), ImageError, "damaged or truncated"),
    HostileFile("icon", lambda: saved(small(), "ICO"), UnsupportedImageError, "PNG"),
]
