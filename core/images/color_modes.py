"""Color mode conversion: every pixel type of the image readers to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from core.errors import UnsupportedImageError

_NAMES = {"1": "black and white", "L": "grayscale", "LA": "grayscale", "La": "grayscale", "LAB": "CIELAB"}
_NAMES |= {"P": "palette colors", "PA": "palette colors"}
_OPAQUE = (255, 255)

_PHOTOMETRIC_TAG = 262
_WHITE_IS_ZERO = 0


def raw_mode(image: ImageFile) -> str:
    """Storage mode of the pixels in the file, such as `RGB;16B`, before they are loaded.

    Pillow reduces 16-bit color to 8 bits while loading; the loaded image does not have this information. `;inverted`
    is added for 16-bit TIFFs in which zero is white: Pillow inverts those of 8 bits and less only.
    """
    arguments = image.tile[0][3] if image.tile else None
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    mode = first if isinstance(first, str) else image.mode
    white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO
    return f"{mode};inverted" if white_is_zero and ";16" in mode else mode


def to_rgb(image: Image.Image, stored_as: str) -> tuple[Image.Image, list[str]]:
    """Convert to mode RGB, with transparency flattened on white; also return notes on the conversion.

    16-bit and 12-bit samples keep their high 8 bits, which maps their range to [0, 255].

    Args:
        image: loaded, of any mode.
        stored_as: result of `raw_mode`.

    Raises:
        UnsupportedImageError: signed, 32-bit or floating-point samples, whose range is unknown.
    """
    if image.mode in ("I", "F"):
        raise UnsupportedImageError(
            "the image has signed, 32-bit or floating-point samples, whose range is not known; "
            "save it with 8 or 16 bits per channel"
        )
    notes = _conversion_notes(image.mode, stored_as)
    if image.mode.startswith("I;16"):
        image = _gray_of_16_bits(image, stored_as)
    elif "transparency" in image.info:
        image.info["transparency"] = _key_of_8_bits(image.info["transparency"], stored_as)
    if image.has_transparency_data:
        if image.mode == "La":  # premultiplied gray, which Pillow cannot convert in one step
            image = image.convert("LA")
        if image.mode != "RGBA":
            image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != _OPAQUE:
            page = Image.new("RGB", image.size, "white")
            page.paste(image, mask=image)
            image = page
            notes.append("transparency flattened on white")
    return image if image.mode == "RGB" else image.convert("RGB"), notes


def _conversion_notes(mode: str, stored_as: str) -> list[str]:
    gray = mode.startswith("I;16") or stored_as.startswith("LA;16")
    depth = "16-bit " if ";16" in stored_as else "12-bit " if ";12" in stored_as else ""
    if mode in ("RGB", "RGBA") and not gray:
        return [f"converted from {depth}RGB"] if depth else []
    return [f"converted from {depth}{'grayscale' if gray else _NAMES.get(mode, mode)}"]


def _gray_of_16_bits(image: Image.Image, stored_as: str) -> Image.Image:
    """Convert to mode L, or LA if the file declares one gray value transparent."""
    samples_HW = np.asarray(image)
    gray_HW = (samples_HW >> (4 if ";12" in stored_as else 8)).astype(np.uint8)
    if stored_as.endswith(";inverted"):
        gray_HW = 255 - gray_HW
    gray = Image.fromarray(gray_HW)
    key = image.info.get("transparency")
    if key is None:
        return gray
    return Image.merge("LA", (gray, Image.fromarray(np.where(samples_HW == key, 0, 255).astype(np.uint8))))


def _key_of_8_bits(key: int | bytes | tuple[int, ...], stored_as: str) -> int | bytes | tuple[int, ...]:
    """A PNG's transparent color on the 8-bit scale of the loaded pixels; Pillow keeps the stored value."""
    if isinstance(key, tuple) and ";16" in stored_as:
        return tuple(sample >> 8 for sample in key)
    if isinstance(key, int):
        return key * {"L;2": 85, "L;4": 17}.get(stored_as, 1)
    return key
