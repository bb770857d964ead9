"""Digital corruptions: elastic transform, pixelation and JPEG. Images are float64 [N, H, W, 3] in [0, 1].

From Hendrycks and Dietterich 2019, with the parameters of CIFAR-10-C, see `training.corruptions.cifar10c`.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from training.corruptions.geometry import grid, sample_bilinear

Floats = npt.NDArray[np.float64]
_TRUNCATE = 3
"""Radius of the smoothing kernel of displacements, in standard deviations."""


def elastic_transform(
    images_NHWC: Floats, random: np.random.Generator, strength: float, smoothness: float, skew: float
) -> Floats:
    """Elastic transform: a random affine map, followed by smooth random displacements.

    Args:
        images_NHWC: float64 [N, H, W, 3].
        random: random generator.
        strength: maximum displacement before smoothing, as a share of the image's side.
        smoothness: standard deviation of the smoothing, as a share of the side.
        skew: maximum shift of the three points that define the affine map, as a share of the side.
    """
    count, height, width, _ = images_NHWC.shape
    side = min(height, width)
    skewed_NHWC = _skewed(images_NHWC, random, skew * side)
    rows_NHW, columns_NHW = grid(count, height, width)
    offsets = []
    for _axis in range(2):
        noise_NHW = random.uniform(-1, 1, size=(count, height, width))
        deviation = smoothness * side
        smooth_NHW = ndimage.gaussian_filter(noise_NHW, (0, deviation, deviation), mode="reflect", truncate=_TRUNCATE)
        offsets.append(smooth_NHW * strength * side)
    return sample_bilinear(skewed_NHWC, rows_NHW + offsets[0], columns_NHW + offsets[1])


def pixelate(images_NHWC: Floats, _: np.random.Generator, kept: float) -> Floats:
    """Pixelation: shrink the sides to a share `kept` and enlarge again, with a box filter."""

    def coarse(image: Image.Image) -> Image.Image:
        small = image.resize((int(image.width * kept), int(image.height * kept)), Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.BOX)

    return _by_pillow(images_NHWC, coarse)


def jpeg_compression(images_NHWC: Floats, _: np.random.Generator, quality: int) -> Floats:
    """JPEG compression with the given quality."""

    def compressed(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream)

    return _by_pillow(images_NHWC, compressed)


def _skewed(images_NHWC: Floats, random: np.random.Generator, reach: float) -> Floats:
    """Apply the affine map that moves three points around the center by up to `reach` pixels."""
    count, height, width, _ = images_NHWC.shape
    middle, third = np.array([height // 2, width // 2]), min(height, width) // 3
    before_32 = middle + third * np.array([[1, 1], [-1, 1], [-1, -1]])
    after_N32 = before_32 + random.uniform(-reach, reach, size=(count, 3, 2))
    # Sampling needs the inverse map, from `after` to `before`.
    homogeneous_N33 = np.concatenate([after_N32, np.ones((count, 3, 1))], axis=2)
    back_N32 = np.linalg.solve(homogeneous_N33, np.broadcast_to(before_32, after_N32.shape).astype(np.float64))
    rows_NHW, columns_NHW = grid(count, height, width)
    places_NHW3 = np.stack([rows_NHW, columns_NHW, np.ones_like(rows_NHW)], axis=-1)
    from_NHW2 = np.einsum("nhwi,nij->nhwj", places_NHW3, back_N32)
    return sample_bilinear(images_NHWC, from_NHW2[..., 0], from_NHW2[..., 1])


def _by_pillow(images_NHWC: Floats, change: Callable[[Image.Image], Image.Image]) -> Floats:
    pictures = (Image.fromarray(np.rint(image_HWC * 255).astype(np.uint8)) for image_HWC in images_NHWC)
    return np.stack([np.asarray(change(picture)) for picture in pictures]) / 255
