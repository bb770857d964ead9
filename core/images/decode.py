"""From the bytes of an upload, or of a file in a folder of images, to the uint8 pixels that a model takes.

The readers below are called directly rather than through `PIL.Image.open`: nothing outside the allow-list is
ever imported, and the size is judged by this project's limit before Pillow has an opinion of its own.

The allow-list is what browsers, phones, scanners and data sets write and what every Pillow wheel can read:
PNG, JPEG, WebP, GIF, BMP and TIFF. Formats that run other programs (EPS), embed further files (ICO, PSD) or
are met once in a decade stay out, since every decoder is code that strangers can reach.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.errors import CropError, ImageError, ImageTooLargeError, UnsupportedImageError
from core.images.color_modes import raw_mode, to_rgb
from core.images.fast_png import decode_plain_png
from core.images.geometry import ModelInput, fit_image, fit_notes
from core.repository.manifest import Geometry

MAX_PIXELS = 25_000_000
# The resampling filter's table grows with the longer side, so a strip of one pixel's height needs a limit too.
MAX_SIDE = 65_535

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
# Known by name only to tell the sender what was sent: offset, signature, name.
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

_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: ("mirrored", Image.Transpose.FLIP_LEFT_RIGHT),
    3: ("rotated", Image.Transpose.ROTATE_180),
    4: ("mirrored", Image.Transpose.FLIP_TOP_BOTTOM),
    5: ("mirrored and rotated", Image.Transpose.TRANSPOSE),
    6: ("rotated", Image.Transpose.ROTATE_270),
    7: ("mirrored and rotated", Image.Transpose.TRANSVERSE),
    8: ("rotated", Image.Transpose.ROTATE_90),
}

# A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that still leaves this many times the model's size:
# a photograph then takes a third of the time, and what is left to the filter hides the difference.
_DRAFT_FACTOR = 8
# Counting a GIF's frames means walking the file, which a hostile one can make slow; past this only "several".
_COUNTED_GIF_BYTES = 1_000_000


class Crop(NamedTuple):
    """A part of an image, in pixels of the image as a viewer shows it, that is after its EXIF orientation."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class DecodedImage:
    """An image as the model takes it, and what was done to get there.

    Attributes:
        pixels_HWC: uint8 [H, W, 3], RGB at the model's size, read-only.
        notes: what was done to the image, in order; empty where nothing was.
        original_size: width and height as a viewer shows the image, that is after its EXIF orientation.
    """

    pixels_HWC: npt.NDArray[np.uint8]
    notes: tuple[str, ...]
    original_size: tuple[int, int]


def decode_image(
    data: bytes,
    *,
    height: int,
    width: int,
    geometry: Geometry = "stretch",
    max_pixels: int = MAX_PIXELS,
    crop: Crop | None = None,
) -> DecodedImage:
    """Decode one image into uint8 RGB [height, width, 3]; thread-safe.

    EXIF orientation is applied, transparency is flattened on white (what a page or a print shows behind it),
    16-bit samples are scaled to 8 bits, other color models are converted to RGB without their ICC profile, of
    an animation the first frame is taken, and what has another size is fitted as `fit_image` says. An
    8-bit RGB image of the right size comes back bit for bit.

    Args:
        data: a whole PNG, JPEG, WebP, GIF, BMP or TIFF file.
        height: of the result, in pixels, at least 1.
        width: of the result, in pixels, at least 1.
        geometry: how an image of other proportions is fitted.
        max_pixels: the most pixels an image may have; judged by the header, before pixels are decoded.
        crop: the part that is taken and fitted; the whole image where there is none.

    Raises:
        CropError: the part is not within the image.
        UnsupportedImageError: an image, but of a format or a pixel type that is not read here.
        ImageTooLargeError: more than `max_pixels` pixels, or a side over 65,535 pixels.
        ImageError: not an image, empty, damaged or cut short.
    """
    return _decode_at(data, (width, height), (geometry,), max_pixels, crop)[geometry]


def decode_images(
    data: bytes, inputs: Sequence[ModelInput], *, max_pixels: int = MAX_PIXELS, crop: Crop | None = None
) -> list[DecodedImage]:
    """Decode one image for several models; each result is exactly that of `decode_image`, which has the details.

    The file is decoded once for all inputs of one size: of a large JPEG, the resolution that is decoded depends on the
    size of the result.
    """
    geometries: dict[tuple[int, int], dict[Geometry, None]] = {}
    for height, width, geometry in inputs:
        geometries.setdefault((width, height), {})[geometry] = None
    decoded = {size: _decode_at(data, size, tuple(wanted), max_pixels, crop) for size, wanted in geometries.items()}
    return [decoded[width, height][geometry] for height, width, geometry in inputs]


def _decode_at(
    data: bytes, wanted: tuple[int, int], geometries: tuple[Geometry, ...], max_pixels: int, crop: Crop | None
) -> dict[Geometry, DecodedImage]:
    """The image, decoded once and fitted into the wanted width and height in each of the ways."""
    width, height = wanted
    plain = crop is None and height * width <= max_pixels
    plain_HWC = decode_plain_png(data, height=height, width=width) if plain else None
    if plain_HWC is not None:
        return dict.fromkeys(geometries, DecodedImage(plain_HWC, (), wanted))
    reader = _reader_of(data)
    try:
        image, notes, original_size = _decode(reader, data, wanted, max_pixels, crop)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(f"the image is larger than {_megapixels(max_pixels)}; scale it down first") from error
    except Exception as error:  # on damaged bytes Pillow's readers raise whatever their parsing runs into
        raise ImageError(f"the {reader.format} image is damaged or cut short; send the whole file") from error
    taken_size = original_size
    if crop is not None:
        image, taken_size = _cropped(image, original_size, crop), (crop.width, crop.height)
        notes.append(f"cropped to {crop.width}x{crop.height} at {crop.left},{crop.top}")
    return {
        geometry: DecodedImage(
            fit_image(image, height=height, width=width, geometry=geometry),
            (*notes, *fit_notes(taken_size, height=height, width=width, geometry=geometry)),
            original_size,
        )
        for geometry in geometries
    }


def _decode(
    reader: type[ImageFile], data: bytes, wanted: tuple[int, int], max_pixels: int, crop: Crop | None
) -> tuple[Image.Image, list[str], tuple[int, int]]:
    """The upright RGB image, at its own size or, for a large JPEG, a fraction of it; notes; upright size."""
    opened = reader(io.BytesIO(data))
    _refuse_too_large(opened.size, max_pixels)
    size = opened.size
    notes = _frame_notes(opened, len(data))
    # Pillow turns a TIFF upright by itself while loading, and forgets the tag.
    turned = _orientation(opened, notes) if isinstance(opened, TiffImageFile) else None
    if isinstance(opened, JpegImageFile):
        # The shorter side of what is taken counts: for a crop it fills the input, and it has the least to spare else.
        shorter = min(size if crop is None else (crop.width, crop.height))
        reduction = max(1, shorter // (_DRAFT_FACTOR * max(wanted)))
        opened.draft(opened.mode, (max(1, size[0] // reduction), max(1, size[1] // reduction)))
    stored_as = raw_mode(opened)
    opened.load()
    if isinstance(opened, TiffImageFile):
        size = opened.size

    image: Image.Image = opened
    orientation = turned or _orientation(opened, notes)
    if orientation in _ORIENTATIONS:
        verb, transpose = _ORIENTATIONS[orientation]
        notes.append(f"{verb} by EXIF orientation {orientation}")
        if not turned:
            image = opened.transpose(transpose)
            size = size[::-1] if orientation >= 5 else size
    image, color_notes = to_rgb(image, stored_as)
    return image, notes + color_notes, size


def _cropped(image: Image.Image, original: tuple[int, int], crop: Crop) -> Image.Image:
    """The part of an image that may have been decoded at a fraction of its size.

    Its edges then lie on the smaller pixels, of which many make one of the model's.
    """
    right, bottom = crop.left + crop.width, crop.top + crop.height
    if right > original[0] or bottom > original[1]:
        raise CropError(
            f"the part {crop.width}x{crop.height} at {crop.left},{crop.top} is not within the image, which has "
            f"{original[0]}x{original[1]} pixels"
        )
    across, down = image.width / original[0], image.height / original[1]
    left, top = min(round(crop.left * across), image.width - 1), min(round(crop.top * down), image.height - 1)
    return image.crop((left, top, max(left + 1, round(right * across)), max(top + 1, round(bottom * down))))


def _reader_of(data: bytes) -> type[ImageFile]:
    if not data:
        raise ImageError(f"the image is empty (0 bytes); send a {ALLOWED} file")
    for signature, reader in _READERS:
        if data.startswith(signature) and (reader is not WebPImageFile or data[8:12] == b"WEBP"):
            return reader
    for offset, signature, name in _FOREIGN:
        if data.startswith(signature, offset):
            raise UnsupportedImageError(f"{name} files are not read here; convert it to {ALLOWED}")
    raise ImageError(f"the data is not an image that is read here; send a {ALLOWED} file")


def _refuse_too_large(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"the image has {width}x{height} pixels; at most {_megapixels(max_pixels)} are read, so scale it down first"
        )
    if max(size) > MAX_SIDE:
        raise ImageTooLargeError(
            f"the image has {width}x{height} pixels; no side may exceed {MAX_SIDE}, so crop it or scale it down first"
        )


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:g} megapixels"


def _frame_notes(image: ImageFile, length: int) -> list[str]:
    if not getattr(image, "is_animated", False):
        return []
    # Counting the pages of a TIFF takes quadratic time in Pillow.
    if isinstance(image, TiffImageFile) or (isinstance(image, GifImageFile) and length > _COUNTED_GIF_BYTES):
        return ["first of several frames"]
    return [f"first of {getattr(image, 'n_frames', 1)} frames"]


def _orientation(image: Image.Image, notes: list[str]) -> int | None:
    try:
        value = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # a picture whose EXIF block is damaged is still a picture, and viewers show it
        notes.append("damaged EXIF block ignored")
        return None
    return value if isinstance(value, int) else None
