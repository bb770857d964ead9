"""Weather and light corruptions. Images are float64 [N, H, W, 3] in [0, 1].

From Hendrycks and Dietterich 2019, with the parameters of CIFAR-10-C, see `training.corruptions.cifar10c`. Frost is
missing, because it needs photographs of frozen panes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.corruptions.blur import moved, zoomed

Floats = npt.NDArray[np.float64]
_LUMA_C = np.array([0.299, 0.587, 0.114])
_RED_BELOW_C = np.array([0.0, 1.0, 1.0])
"""Hue red, as (value - channel) / chroma per channel."""


def snow(
    images_NHWC: Floats,
    random: np.random.Generator,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: int,
    blur: float,
    clear: float,
) -> Floats:
    """Snow: motion-blurred flakes over a whitened image, plus a copy of the flakes rotated by 180 degrees."""
    shape = (*images_NHWC.shape[:3], 1)
    flakes_NHW1 = zoomed(random.normal(mean, deviation, size=shape), zoom)
    flakes_NHW1 = np.where(flakes_NHW1 < threshold, 0, flakes_NHW1).clip(0, 1)
    flakes_NHW1 = moved(np.floor(flakes_NHW1 * 255) / 255, random.uniform(-135, -45, size=shape[0]), radius, blur)
    gray_NHW1 = (images_NHWC @ _LUMA_C)[..., None]
    pale_NHWC = clear * images_NHWC + (1 - clear) * np.maximum(images_NHWC, 1.5 * gray_NHW1 + 0.5)
    return np.asarray(pale_NHWC + flakes_NHW1 + flakes_NHW1[:, ::-1, ::-1])


def fog(images_NHWC: Floats, random: np.random.Generator, density: float, roughness: float) -> Floats:
    """Fog: add plasma clouds and rescale to the original maximum brightness."""
    count, height, width, _ = images_NHWC.shape
    side = 1 << (max(height, width) - 1).bit_length()
    brightest_N111 = images_NHWC.max(axis=(1, 2, 3), keepdims=True)
    clouds_NHW1 = plasma(count, side, roughness, random)[:, :height, :width, None]
    return np.asarray((images_NHWC + density * clouds_NHW1) * brightest_N111 / (brightest_N111 + density))


def brightness(images_NHWC: Floats, _: np.random.Generator, added: float) -> Floats:
    """Add `added` to the HSV value of every pixel."""
    value_NHW1 = images_NHWC.max(axis=-1, keepdims=True)
    raised_NHW1 = np.minimum(value_NHW1 + added, 1)
    scale_NHW1 = raised_NHW1 / np.where(value_NHW1 > 0, value_NHW1, 1)
    return np.asarray(np.where(value_NHW1 > 0, images_NHWC * scale_NHW1, raised_NHW1))


def contrast(images_NHWC: Floats, _: np.random.Generator, kept: float) -> Floats:
    """Reduce the contrast: scale the difference to the channel mean of each image by `kept`."""
    mean_N11C = images_NHWC.mean(axis=(1, 2), keepdims=True)
    return np.asarray((images_NHWC - mean_N11C) * kept + mean_N11C)


def saturate(images_NHWC: Floats, _: np.random.Generator, factor: float, added: float) -> Floats:
    """Multiply the HSV saturation of every pixel by `factor` and add `added`, clipped to [0, 1].

    Gray has hue 0, so added saturation turns it red, as in CIFAR-10-C.
    """
    value_NHW1 = images_NHWC.max(axis=-1, keepdims=True)
    below_NHWC = value_NHW1 - images_NHWC
    chroma_NHW1 = below_NHWC.max(axis=-1, keepdims=True)
    below_NHWC = np.where(chroma_NHW1 > 0, below_NHWC / np.where(chroma_NHW1 > 0, chroma_NHW1, 1), _RED_BELOW_C)
    saturation_NHW1 = chroma_NHW1 / np.where(value_NHW1 > 0, value_NHW1, 1)
    changed_NHW1 = (saturation_NHW1 * factor + added).clip(0, 1)
    return np.asarray(value_NHW1 * (1 - changed_NHW1 * below_NHWC))


def plasma(count: int, side: int, roughness: float, random: np.random.Generator) -> Floats:
    """Clouds by the diamond-square algorithm on a torus, float64 [count, side, side], each scaled to [0, 1].

    Fournier, Fussell and Carpenter 1982, "Computer rendering of stochastic models".

    Args:
        count: number of clouds.
        side: image side in pixels, a power of 2.
        roughness: factor by which the displacement decreases per halving of the step, above 1.
        random: random generator.
    """
    map_NHW = np.zeros((count, side, side))
    step, height = side, 100.0
    while step >= 2:
        half = step // 2
        corners = map_NHW[:, ::step, ::step]
        below = corners + np.roll(corners, -1, axis=1)
        map_NHW[:, half::step, half::step] = _displaced(below + np.roll(below, -1, axis=2), height, random)
        centers = map_NHW[:, half::step, half::step]
        beside = centers + np.roll(centers, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        under = centers + np.roll(centers, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        map_NHW[:, ::step, half::step] = _displaced(beside, height, random)
        map_NHW[:, half::step, ::step] = _displaced(under, height, random)
        step, height = half, height / roughness
    map_NHW -= map_NHW.min(axis=(1, 2), keepdims=True)
    return np.asarray(map_NHW / map_NHW.max(axis=(1, 2), keepdims=True))


def _displaced(sum_of_four: Floats, height: float, random: np.random.Generator) -> Floats:
    return np.asarray(sum_of_four / 4 + height * random.uniform(-height, height, size=sum_of_four.shape))
