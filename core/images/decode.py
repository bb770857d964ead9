"""Image decoding: from the bytes of an upload or file to the uint8 pixels of a model input.

The Pillow readers are called directly, not through `PIL.Image.open`: only allowed formats are imported, and the size
limit of this project applies before Pillow's own.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from core.errors import CropError, ImageError, ImageTooLargeError
from core.images.color_modes import raw_mode, to_rgb
from core.images.fast_png import decode_plain_png
from core.images.file_types import reader_of
from core.images.geometry import ModelInput, fit_image, fit_notes
from core.images.limits import (
    MAX_PIXELS,
    check_memory,
    check_scans,
    check_size,
    check_structure,
    has_end_marker,
    megapixels,
)

if TYPE_CHECKING:
    from core.repository.manifest import Geometry

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

# An image is reduced by a whole number before it is converted to RGB, if this leaves at least this many times the size
# of the model input. Resizing hides the difference. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, in a third of the
# time; other images are reduced in bands of this many pixels, so that no second image of full size is needed.
_REDUCED_FACTOR = 8
_BAND_PIXELS = 1_000_000
# Larger EXIF blocks are ignored. A JPEG segment has at most 64 KiB.
_MAX_EXIF_BYTES = 1_000_000
# Pillow counts the frames of a GIF block by block in Python. In larger files, their control extensions are searched.
_GIF_FRAME = b"!\xf9\x04"
_COUNTED_GIF_BYTES = 1_000_000


class Crop(NamedTuple):
    """A crop rectangle, in pixels after EXIF orientation."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class DecodedImage:
    """Model input decoded from an image file.

    Attributes:
        pixels_HWC: uint8 [H, W, 3], RGB in the size of the model input, read-only.
        notes: changes made to the image, in order; empty without changes.
        original_size: width and height after EXIF orientation.
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

    Steps: the first frame of an animation is taken, EXIF orientation is applied, other color modes are converted to RGB
    without their ICC profile, 16-bit samples are scaled to 8 bits, transparency is flattened on white, and the image is
    fitted by `fit_image`. An 8-bit RGB image of the right size is returned unchanged.

    Args:
        data: a whole PNG, JPEG, WebP, GIF, BMP or TIFF file.
        height: of the result, in pixels, at least 1.
        width: of the result, in pixels, at least 1.
        geometry: fit of an image with another aspect ratio.
        max_pixels: largest allowed number of pixels, checked from the header before decoding.
        crop: the part to use; by default the whole image.

    Raises:
        CropError: the crop is not within the image.
        UnsupportedImageError: an image of an unsupported format or pixel type.
        ImageTooLargeError: more than `max_pixels` pixels, a side over 65,535 pixels, or a file whose structure demands
            more memory or time than `core.images.limits` allows.
        ImageError: not an image, empty, damaged or truncated.
    """
    return _decode_at(data, (width, height), (geometry,), max_pixels, crop)[geometry]


def decode_images(
    data: bytes, inputs: Sequence[ModelInput], *, max_pixels: int = MAX_PIXELS, crop: Crop | None = None
) -> list[DecodedImage]:
    """Decode one image for several models; each result equals that of `decode_image`.

    The file is decoded once per input size, because the decoded resolution of a large JPEG depends on it.
    """
    geometries: dict[tuple[int, int], dict[Geometry, None]] = {}
    for height, width, geometry in inputs:
        geometries.setdefault((width, height), {})[geometry] = None
    decoded = {size: _decode_at(data, size, tuple(fits), max_pixels, crop) for size, fits in geometries.items()}
    return [decoded[width, height][geometry] for height, width, geometry in inputs]


def _decode_at(
    data: bytes, target: tuple[int, int], geometries: tuple[Geometry, ...], max_pixels: int, crop: Crop | None
) -> dict[Geometry, DecodedImage]:
    """Decode the image once and fit it into the target width and height with each geometry."""
    width, height = target
    plain = crop is None and height * width <= max_pixels
    plain_HWC = decode_plain_png(data, height=height, width=width) if plain else None
    if plain_HWC is not None:
        return dict.fromkeys(geometries, DecodedImage(plain_HWC, (), target))
    reader = reader_of(data)
    try:
        image, notes, original_size = _decode(reader, data, target, max_pixels, crop)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(f"the image is larger than {megapixels(max_pixels)}: scale it down first") from error
    except Exception as error:  # Pillow's readers raise many kinds of errors on damaged data
        raise ImageError(f"the {reader.format} image is damaged or truncated: send the whole file") from error
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
    reader: type[ImageFile], data: bytes, target: tuple[int, int], max_pixels: int, crop: Crop | None
) -> tuple[Image.Image, list[str], tuple[int, int]]:
    """Decode to the upright RGB image (of a large image at a reduced scale), notes, and the full upright size."""
    notes = []
    if reader is JpegImageFile and not has_end_marker(data):
        data = _with_end_marker(data, max_pixels)
        notes.append("the JPEG has no end marker")
    data = check_structure(data, max_pixels=max_pixels)
    opened = reader(io.BytesIO(data))
    check_size(opened.size, max_pixels)
    size = opened.size
    notes += _frame_notes(opened, data)
    # Pillow rotates a TIFF upright while loading and drops the tag.
    turned = _orientation(opened, notes) if isinstance(opened, TiffImageFile) else None
    # The shorter side limits the reduction, because it has the lowest resolution.
    shorter = min(size if crop is None else (crop.width, crop.height))
    reduction = max(1, shorter // (_REDUCED_FACTOR * max(target)))
    if isinstance(opened, JpegImageFile):
        opened.draft(opened.mode, (max(1, size[0] // reduction), max(1, size[1] // reduction)))
        reduction = 1
    copied = opened.mode != "RGB" or reduction > 1
    check_memory(opened, data, converted_pixels=opened.size[0] * opened.size[1] // reduction**2 if copied else 0)
    stored_as = raw_mode(opened)
    opened.load()
    if isinstance(opened, TiffImageFile):
        size = opened.size
    orientation = turned or _orientation(opened, notes)
    if orientation in _ORIENTATIONS:
        notes.append(f"{_ORIENTATIONS[orientation][0]} by EXIF orientation {orientation}")
    image, color_notes = _reduced_rgb(opened, stored_as, reduction)
    if orientation in _ORIENTATIONS and not turned:
        image = image.transpose(_ORIENTATIONS[orientation][1])
        size = size[::-1] if orientation >= 5 else size
    return image, notes + color_notes, size


def _reduced_rgb(image: ImageFile, stored_as: str, reduction: int) -> tuple[Image.Image, list[str]]:
    """Convert to RGB and reduce width and height by a whole number, band by band; also return notes."""
    rows = max(1, _BAND_PIXELS // image.width // reduction) * reduction
    if reduction == 1 and (image.mode == "RGB" or rows >= image.height):
        return to_rgb(image, stored_as)
    size = (-(-image.width // reduction), -(-image.height // reduction))
    reduced = Image.new("RGB", size)
    notes: dict[str, None] = {}
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        rgb, band_notes = to_rgb(band, stored_as)
        reduced.paste(rgb.reduce(reduction) if reduction > 1 else rgb, (0, top // reduction))
        notes |= dict.fromkeys(band_notes)
    return reduced, list(notes)


def _with_end_marker(data: bytes, max_pixels: int) -> bytes:
    """Add the missing end marker of a JPEG, as browsers do.

    Raises:
        OSError: image data is missing too. The pixels then depend on the bytes that are added.
    """
    check_scans(data, passes=3)
    complete, padded = (data + filler + b"\xff\xd9" for filler in (b"", bytes([0x55] * 64)))
    thumbnails = []
    for file in (complete, padded):
        image = JpegImageFile(io.BytesIO(check_structure(file, max_pixels=max_pixels)))
        check_size(image.size, max_pixels)
        image.draft(image.mode, (max(1, image.width // 8), max(1, image.height // 8)))
        check_memory(image, file, converted_pixels=0)
        thumbnails.append(image.tobytes())
    if thumbnails[0] != thumbnails[1]:
        raise OSError("the JPEG is truncated")
    return complete


def _cropped(image: Image.Image, original: tuple[int, int], crop: Crop) -> Image.Image:
    """Crop an image that may have been decoded at a reduced scale; edges are rounded to the decoded pixels."""
    right, bottom = crop.left + crop.width, crop.top + crop.height
    if right > original[0] or bottom > original[1]:
        raise CropError(
            f"the crop {crop.width}x{crop.height} at {crop.left},{crop.top} is not within the image, which has "
            f"{original[0]}x{original[1]} pixels"
        )
    across, down = image.width / original[0], image.height / original[1]
    left, top = min(round(crop.left * across), image.width - 1), min(round(crop.top * down), image.height - 1)
    return image.crop((left, top, max(left + 1, round(right * across)), max(top + 1, round(bottom * down))))


def _frame_notes(image: ImageFile, data: bytes) -> list[str]:
    if isinstance(image, GifImageFile) and len(data) > _COUNTED_GIF_BYTES:
        return ["first of several frames"] if data.count(_GIF_FRAME) > 1 else []
    if not getattr(image, "is_animated", False):
        return []
    if isinstance(image, TiffImageFile):  # counting the pages of a TIFF takes quadratic time in Pillow
        return ["first of several frames"]
    return [f"first of {getattr(image, 'n_frames', 1)} frames"]


def _orientation(image: Image.Image, notes: list[str]) -> int | None:
    try:
        if len(image.info.get("exif", b"")) > _MAX_EXIF_BYTES:
            notes.append("EXIF block of more than 1 MB ignored")
            return None
        value = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # viewers show images with a damaged EXIF block too
        notes.append("damaged EXIF block ignored")
        return None
    return value if isinstance(value, int) else None
