"""Corruptions by computing: warping, coarse pixels, compression; images are float64 [N, H, W, 3] in [0, 1].

All from Hendrycks and Dietterich 2019; the arguments are those of CIFAR-10-C, see `corruptions`.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from training.corruptions.sampling import grid, sample_bilinear

Floats = npt.NDArray[np.float64]
_TRUNCATE = 3
"""Standard deviations at which the smoothing of the displacements ends."""


def elastic_transform(
    images_NHWC: Floats, random: np.random.Generator, strength: float, smoothness: float, skew: float
) -> Floats:
    """Stretched: a random affine map, and then displacements that change smoothly over the image.

    Args:
        images_NHWC: what is stretched.
        random: the source of chance.
        strength: of the displacements, in sides of the image.
        smoothness: standard deviation of their smoothing, in sides.
        skew: how far each of three points may move for the affine map, in sides.
    """
    count, height, width, _ = images_NHWC.shape
    side = min(height, width)
    skewed_NHWC = _skewed(images_NHWC, random, skew * side)
    rows_NHW, columns_NHW = grid(count, height, width)
    offsets = []
    for _axis in range(2):
        wild_NHW = random.uniform(-1, 1, size=(count, height, width))
        deviation = smoothness * side
        smooth_NHW = ndimage.gaussian_filter(wild_NHW, (0, deviation, deviation), mode="reflect", truncate=_TRUNCATE)
        offsets.append(smooth_NHW * strength * side)
    return sample_bilinear(skewed_NHWC, rows_NHW + offsets[0], columns_NHW + offsets[1])


def pixelate(images_NHWC: Floats, _: np.random.Generator, kept: float) -> Floats:
    """Made smaller, to a share `kept` of its sides, and as large as before, by the mean of the pixels covered."""

    def coarse(image: Image.Image) -> Image.Image:
        small = image.resize((int(image.width * kept), int(image.height * kept)), Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.BOX)

    return _by_pillow(images_NHWC, coarse)


def jpeg_compression(images_NHWC: Floats, _: np.random.Generator, quality: int) -> Floats:
    """Saved as JPEG and read again."""

    def compressed(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream)

    return _by_pillow(images_NHWC, compressed)


def _skewed(images_NHWC: Floats, random: np.random.Generator, reach: float) -> Floats:
    """Under the affine map that moves three points about the middle by up to `reach` pixels either way."""
    count, height, width, _ = images_NHWC.shape
    middle, third = np.array([height // 2, width // 2]), min(height, width) // 3
    before_32 = middle + third * np.array([[1, 1], [-1, 1], [-1, -1]])
    after_N32 = before_32 + random.uniform(-reach, reach, size=(count, 3, 2))
    # The pixels of the result ask where they come from: that is the inverse map, from `after` to `before`.
    homogeneous_N33 = np.concatenate([after_N32, np.ones((count, 3, 1))], axis=2)
    back_N32 = np.linalg.solve(homogeneous_N33, np.broadcast_to(before_32, after_N32.shape).astype(np.float64))
    rows_NHW, columns_NHW = grid(count, height, width)
    places_NHW3 = np.stack([rows_NHW, columns_NHW, np.ones_like(rows_NHW)], axis=-1)
    from_NHW2 = np.einsum("nhwi,nij->nhwj", places_NHW3, back_N32)
    return sample_bilinear(images_NHWC, from_NHW2[..., 0], from_NHW2[..., 1])


def _by_pillow(images_NHWC: Floats, change: Callable[[Image.Image], Image.Image]) -> Floats:
    pictures = (Image.fromarray(np.rint(image_HWC * 255).astype(np.uint8)) for image_HWC in images_NHWC)
    return np.stack([np.asarray(change(picture)) for picture in pictures]) / 255
