"""Spatter corruption: drops of water or mud on the lens. Images are float64 [N, H, W, 3] in [0, 1].

From Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations".
Sizes are in pixels, defined for images of 32x32. Larger images get more drops of the same size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.corruptions.blur import gaussian_blur

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_WATER_C = np.array([175, 238, 238]) / 255
_MUD_C = np.array([63, 42, 20]) / 255
_LOW, _HIGH = 50, 150
"""Thresholds of Canny edge detection, on the L1 norm of the Sobel gradient of 8-bit images."""
_MAX_DISTANCE = 20.0
"""Maximum distance to an edge, in pixels."""
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
_SOBEL = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
_COVERED = 0.8
"""Minimum opacity of smoothed mud; lower values are not drawn."""
_IN_PLANE = np.zeros((3, 3, 3), np.bool_)
_IN_PLANE[1] = True


def spatter(
    images_NHWC: Floats,
    random: np.random.Generator,
    mean: float,
    deviation: float,
    smoothness: float,
    threshold: float,
    strength: float,
    mud: int,
) -> Floats:
    """Add drops at positions where smoothed normal noise exceeds a threshold.

    Args:
        images_NHWC: float64 [N, H, W, 3].
        random: random generator.
        mean: mean of the noise.
        deviation: standard deviation of the noise before smoothing.
        smoothness: standard deviation of the smoothing, in pixels.
        threshold: minimum noise value of a drop.
        strength: water: maximum share of its color; mud: standard deviation of the edge smoothing, in pixels.
        mud: 1 for mud, 0 for water.
    """
    liquid_NHW1 = gaussian_blur(random.normal(mean, deviation, (*images_NHWC.shape[:3], 1)), random, smoothness)
    liquid_NHW1[liquid_NHW1 < threshold] = 0
    if not mud:
        return images_NHWC + strength * _lit(liquid_NHW1[..., 0])[..., None] * _WATER_C
    opacity_NHW1 = gaussian_blur((liquid_NHW1 > threshold).astype(np.float64), random, strength)
    opacity_NHW1[opacity_NHW1 < _COVERED] = 0
    return np.asarray(images_NHWC * (1 - opacity_NHW1) + opacity_NHW1 * _MUD_C)


def canny_edges(gray_NHW: Floats) -> Bools:
    """Canny edge detection (Canny 1986), bool [N, H, W].

    Args:
        gray_NHW: float64 [N, H, W], integer values from 0 to 255.
    """
    # ndimage.sobel would smooth across images as well.
    down_NHW, right_NHW = (
        ndimage.correlate(gray_NHW, sobel, mode="nearest") for sobel in (_SOBEL[None], _SOBEL.T[None])
    )
    steep_NHW = np.abs(down_NHW) + np.abs(right_NHW)
    padded = np.pad(steep_NHW, ((0, 0), (1, 1), (1, 1)))
    height, width = gray_NHW.shape[1:]

    def beside(below: int, right: int) -> Floats:
        return np.asarray(padded[:, 1 + below : 1 + below + height, 1 + right : 1 + right + width])

    flat_NHW = np.abs(down_NHW) <= np.tan(np.pi / 8) * np.abs(right_NHW)
    upright_NHW = np.abs(down_NHW) >= np.tan(3 * np.pi / 8) * np.abs(right_NHW)
    falling_NHW = down_NHW * right_NHW > 0
    directions = [flat_NHW, upright_NHW, falling_NHW]
    before_NHW = np.select(directions, [beside(0, -1), beside(-1, 0), beside(-1, -1)], beside(-1, 1))
    after_NHW = np.select(directions, [beside(0, 1), beside(1, 0), beside(1, 1)], beside(1, -1))
    thin_NHW = (steep_NHW > _LOW) & (steep_NHW > before_NHW) & (steep_NHW >= after_NHW)
    return np.asarray(ndimage.binary_propagation(thin_NHW & (steep_NHW > _HIGH), _IN_PLANE, thin_NHW), np.bool_)


def equalized(gray_NHW: npt.NDArray[np.uint8]) -> Floats:
    """Histogram equalization of each image, float64 [N, H, W] from 0 to 255. Constant images stay unchanged."""
    result_NHW = np.empty(gray_NHW.shape)
    for image_HW, equal_HW in zip(gray_NHW, result_NHW, strict=True):
        counts = np.bincount(image_HW.ravel(), minlength=256)
        lowest = counts[image_HW.min()]
        if lowest == image_HW.size:
            equal_HW[:] = image_HW
        else:
            ranks = (np.cumsum(counts) - lowest).clip(0) / (image_HW.size - lowest)
            equal_HW[:] = np.rint(255 * ranks)[image_HW]
    return result_NHW


def _lit(liquid_NHW: Floats) -> Floats:
    """Brightness of water drops lit from the upper left, float64 [N, H, W], scaled to a maximum of 1 per image."""
    depth_NHW = np.floor(255 * liquid_NHW.clip(0, 1))
    edges_NHW = canny_edges(depth_NHW)
    if edges_NHW.any():
        distance_NHW = ndimage.distance_transform_edt(~edges_NHW, sampling=(10 * _MAX_DISTANCE, 1, 1))
    else:
        distance_NHW = np.full(liquid_NHW.shape, _MAX_DISTANCE)
    near_NHW = np.minimum(distance_NHW, _MAX_DISTANCE)
    light_NHW = equalized(np.floor(_box(near_NHW) + 1e-6).astype(np.uint8))
    light_NHW = ndimage.correlate(light_NHW, _EMBOSS[None], mode="mirror").clip(0, 255)
    lit_NHW = depth_NHW * _box(light_NHW)
    brightest_N11 = lit_NHW.max(axis=(1, 2), keepdims=True)
    return np.asarray(lit_NHW / np.where(brightest_N11 > 0, brightest_N11, 1))


def _box(values_NHW: Floats) -> Floats:
    return np.asarray(ndimage.correlate(values_NHW, np.full((1, 3, 3), 1 / 9), mode="mirror"))
