"""Baseline images, which replace parts of an image in occlusion and start the path of integrated gradients."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from service.engine.arrays import Pixels

Baseline = Literal["black", "white", "mean", "blur"]


def baseline_image(name: Baseline, image_HWC: Pixels, mean: tuple[float, ...]) -> Pixels:
    """The baseline of an image, uint8 [H, W, 3], so that the served graph accepts it.

    Args:
        name: `black`, `white`, `mean` (mean color of the training images), or `blur` (the image after a Gaussian blur
            with a standard deviation of an eighth of its longer side).
        image_HWC: uint8 [H, W, 3].
        mean: of the training images' channels, in [0, 1].
    """
    if name == "blur":
        return _blurred(image_HWC)
    color_C = {"black": np.zeros(3), "white": np.ones(3), "mean": np.array(mean)}[name]
    return np.broadcast_to(np.rint(255 * color_C).astype(np.uint8), image_HWC.shape)


def _blurred(image_HWC: Pixels) -> Pixels:
    height, width, _ = image_HWC.shape
    sigma = max(height, width) / 8
    rows, columns = _blur_weights(height, sigma), _blur_weights(width, sigma)
    return np.asarray(np.rint(np.einsum("ih,jw,hwc->ijc", rows, columns, image_HWC, optimize=True)), np.uint8)


def _blur_weights(size: int, sigma: float) -> npt.NDArray[np.float64]:
    """Weights [size, size] of a Gaussian blur, normalized per row, so that pixels outside the image do not count."""
    distance = np.subtract.outer(np.arange(size), np.arange(size)) / sigma
    weights = np.exp(-0.5 * distance**2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
