"""Image geometry: stretch, crop or pad of an image into the model input, shared by training and serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:  # the decoder process starts faster without pydantic
    from core.repository.manifest import Geometry

PAD_COLOR = (128, 128, 128)
"""Color of the bars of a padded image: mid-gray, which adds the least contrast to most images."""


class ModelInput(NamedTuple):
    """Size of the model input in pixels, and the fit of other images into it."""

    height: int
    width: int
    geometry: Geometry


def fit_image(
    image: Image.Image | npt.NDArray[np.uint8], *, height: int, width: int, geometry: Geometry
) -> npt.NDArray[np.uint8]:
    """Fit an RGB image into exactly height x width.

    - `stretch`: the whole image is resized; its aspect ratio changes.
    - `crop`: the largest centered part with the target aspect ratio is resized.
    - `pad`: the whole image is resized, keeps its aspect ratio, and is centered between bars of `PAD_COLOR`.

    If the remaining space is odd, the part or the image is half a pixel left of the center, or above it. The filter is
    bicubic with antialiasing, because Lanczos rings around edges and a box filter blurs. An image of the right size is
    returned unchanged.

    Args:
        image: mode RGB, or uint8 [h, w, 3].
        height: of the result, in pixels, at least 1.
        width: of the result, in pixels, at least 1.
        geometry: `stretch`, `crop` or `pad`.

    Returns:
        uint8 [height, width, 3]; read-only, or the array that was passed in.

    Raises:
        ValueError: not an RGB image, or a size below 1.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected uint8 [h, w, 3], got {image.dtype} {list(image.shape)}")
        if image.shape[:2] == (height, width):
            return image
        image = Image.fromarray(image)
    if image.mode != "RGB":
        raise ValueError(f"expected an image of mode RGB, got {image.mode}")
    target = (width, height)
    if geometry == "crop":
        image = _center(image, _largest_within(image.size, target))
    fitted = _largest_within(target, image.size) if geometry == "pad" else target
    if image.size != fitted:
        image = image.resize(fitted, Image.Resampling.BICUBIC)
    if fitted != target:
        padded = Image.new("RGB", target, PAD_COLOR)
        padded.paste(image, ((width - fitted[0]) // 2, (height - fitted[1]) // 2))
        image = padded
    return np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(height, width, 3)


def fit_notes(size: tuple[int, int], *, height: int, width: int, geometry: Geometry) -> list[str]:
    """The changes that `fit_image` makes to an image of `size` (width, height), in order."""
    target, notes = (width, height), []
    shape = "square" if width == height else f"{width}:{height}"
    if geometry == "crop":
        part = _largest_within(size, target)
        if part != size:
            notes.append(f"cropped to the center {shape}")
            size = part
    fitted = _largest_within(target, size) if geometry == "pad" else target
    if size != fitted:
        notes.append(f"resized from {size[0]}x{size[1]}")
    if fitted != target:
        notes.append(f"padded to a {shape}" if width == height else f"padded to {shape}")
    # A difference of less than a pixel is rounding.
    if geometry == "stretch" and abs(size[0] * height / size[1] - width) >= 1:
        notes.append("stretched, its proportions differ")
    return notes


def _largest_within(outer: tuple[int, int], proportions: tuple[int, int]) -> tuple[int, int]:
    """The largest width and height within `outer` with the given aspect ratio, rounded, at least 1 pixel each."""
    (outer_width, outer_height), (width, height) = outer, proportions
    if outer_width * height >= outer_height * width:
        return max(1, min(outer_width, round(outer_height * width / height))), outer_height
    return outer_width, max(1, min(outer_height, round(outer_width * height / width)))


def _center(image: Image.Image, part: tuple[int, int]) -> Image.Image:
    if part == image.size:
        return image
    left, top = (image.width - part[0]) // 2, (image.height - part[1]) // 2
    return image.crop((left, top, left + part[0], top + part[1]))
