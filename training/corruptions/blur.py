"""Blur corruptions. Images are float64 [N, H, W, 3] in [0, 1].

From Hendrycks and Dietterich 2019, with the parameters of CIFAR-10-C, see `training.corruptions.cifar10c`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]


def defocus_blur(images_NHWC: Floats, _: np.random.Generator, radius: float, softness: float) -> Floats:
    """Defocus: convolution with a disk whose edge is smoothed by a Gaussian."""
    return np.asarray(ndimage.correlate(images_NHWC, _disk(radius, softness)[None, :, :, None], mode="mirror"))


def gaussian_blur(images_NHWC: Floats, _: np.random.Generator, deviation: float) -> Floats:
    """Gaussian blur with a standard deviation in pixels; edge pixels are repeated beyond the border."""
    return np.asarray(ndimage.gaussian_filter(images_NHWC, (0, deviation, deviation, 0), mode="nearest"))


def glass_blur(images_NHWC: Floats, random: np.random.Generator, deviation: float, reach: int, rounds: int) -> Floats:
    """Frosted glass: blur, replace each pixel by a random one up to `reach` pixels away, blur again.

    The paper describes swapping the two pixels. The script that made CIFAR-10-C copies one over the other, which is
    milder. This function does the same, because published results are based on it.
    """
    shuffled_NHWC = np.floor(gaussian_blur(images_NHWC, random, deviation) * 255) / 255
    count, height, width, _ = images_NHWC.shape
    every = np.arange(count)
    for _round in range(rounds):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                from_row_N, from_column_N = (at + random.integers(-reach, reach, size=count) for at in (row, column))
                shuffled_NHWC[:, row, column] = shuffled_NHWC[every, from_row_N, from_column_N]
    return gaussian_blur(shuffled_NHWC, random, deviation)


def motion_blur(images_NHWC: Floats, random: np.random.Generator, radius: int, deviation: float) -> Floats:
    """Motion blur in a random direction of up to 45 degrees from the horizontal."""
    return moved(images_NHWC, random.uniform(-45, 45, size=len(images_NHWC)), radius, deviation)


def zoom_blur(images_NHWC: Floats, _: np.random.Generator, largest: float) -> Floats:
    """Zoom blur: mean of the image and copies enlarged by factors from 1 to `largest` in steps of 0.01."""
    factors = np.arange(1, largest, 0.01)
    enlarged = [zoomed(images_NHWC, factor) for factor in factors]
    return np.asarray((images_NHWC + sum(enlarged)) / (len(factors) + 1))


def zoomed(images_NHWC: Floats, factor: float) -> Floats:
    """Enlarge the center of the images by `factor`, linearly, keeping the image size."""
    _, height, width, _ = images_NHWC.shape
    rows_Hh, columns_Ww = _enlarging(height, factor), _enlarging(width, factor)
    by_row_NHWC = np.einsum("Hh,nhwc->nHwc", rows_Hh, images_NHWC, optimize=True)
    return np.asarray(np.einsum("Ww,nHwc->nHWc", columns_Ww, by_row_NHWC, optimize=True))


def moved(images_NHWC: Floats, degrees_N: Floats, radius: int, deviation: float) -> Floats:
    """Blur each image along its own direction with half a Gaussian of 2 * radius + 1 pixels.

    Like ImageMagick's motion blur, which CIFAR-10-C was made with: positions are rounded to pixels, and edge pixels are
    repeated beyond the border.
    """
    _, height, width, _ = images_NHWC.shape
    reach = 2 * radius + 1
    weights = np.exp(-(np.arange(reach) ** 2) / (2 * deviation**2))
    weights /= weights.sum()
    radians_N = np.radians(degrees_N)
    images_N11 = np.arange(len(images_NHWC))[:, None, None]
    result_NHWC = np.zeros_like(images_NHWC)
    for step, weight in enumerate(weights):
        down_N, right_N = (np.ceil(step * way(radians_N) - 0.5).astype(np.intp) for way in (np.sin, np.cos))
        rows_NH1 = np.clip(np.arange(height) + down_N[:, None], 0, height - 1)[:, :, None]
        columns_N1W = np.clip(np.arange(width) + right_N[:, None], 0, width - 1)[:, None, :]
        result_NHWC += weight * images_NHWC[images_N11, rows_NH1, columns_N1W]
    return result_NHWC


def _enlarging(side: int, factor: float) -> Floats:
    """Matrix [side, side] that enlarges the center of a line: weight of each old pixel in each new one."""
    part = math.ceil(side / factor)
    start = (side - part) // 2
    weights = np.asarray(ndimage.zoom(np.eye(side)[start : start + part], (factor, 1), order=1))
    top = (len(weights) - side) // 2
    return weights[top : top + side]


def _disk(radius: float, softness: float) -> Floats:
    """Disk kernel with sum 1, smoothed by a 3x3 Gaussian."""
    reach = math.ceil(radius) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    line = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * softness**2))
    line /= line.sum()
    return np.asarray(ndimage.correlate(disk / disk.sum(), np.outer(line, line), mode="constant"))
