"""Allow-list of image formats, recognized by the first bytes of a file.

It has the formats that browsers, phones, scanners and data sets write and that every Pillow wheel reads: PNG, JPEG,
WebP, GIF, BMP and TIFF. Formats that run other programs (EPS), embed other files (ICO, PSD) or are rare are not
allowed, because every decoder is exposed to untrusted input.
"""

from __future__ import annotations

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.errors import ImageError, UnsupportedImageError

ALLOWED = "PNG, JPEG, WebP, GIF, BMP or TIFF"
_READERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"\xff\xd8\xff", JpegImageFile),
    (b"RIFF", WebPImageFile),
    (b"GIF87a", GifImageFile),
    (b"GIF89a", GifImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
)
# Other formats, recognized only for the error message: offset, signature, name.
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"jP  ", "JPEG 2000"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"%!PS", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"<svg", "SVG"),
)


def reader_of(data: bytes) -> type[ImageFile]:
    """Pillow's reader for the format of an image file.

    Raises:
        UnsupportedImageError: the format is known but not allowed.
        ImageError: the data is empty, or of no known image format.
    """
    if not data:
        raise ImageError(f"the image is empty (0 bytes): send a {ALLOWED} file")
    for signature, reader in _READERS:
        if data.startswith(signature) and (reader is not WebPImageFile or data[8:12] == b"WEBP"):
            return reader
    for offset, signature, name in _FOREIGN:
        if data.startswith(signature, offset):
            raise UnsupportedImageError(f"{name} files are not supported: convert the image to {ALLOWED}")
    raise ImageError(f"the data is not an image of a supported format: send a {ALLOWED} file")
