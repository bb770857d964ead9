"""Deletion and insertion: does the answer depend on the pixels that a map calls important? (Petsiuk et al. 2018)"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Probability = Callable[[npt.NDArray[np.float32]], Doubles]
"""Pixels [N, H, W, 3] -> probability of the class that is explained, [N]."""

STEPS = 16
_BLURS_PER_SIDE = 8


def removal_curve(
    probability: Probability,
    start_NHWC: npt.NDArray[np.float32],
    end_NHWC: npt.NDArray[np.float32],
    maps_NHW: Doubles,
    *,
    steps: int = STEPS,
) -> Doubles:
    """Probability while pixels change from `start` to `end`, the most important first, float64 [N, steps + 1].

    For deletion the image is the start and a plain colour the end; for insertion a blurred image is the start and the
    image the end.

    Args:
        probability: of the explained class.
        start_NHWC: pixels in [0, 1].
        end_NHWC: pixels in [0, 1].
        maps_NHW: of the images' pixels; of equal ones, the first in reading order counts as more important.
        steps: in equal numbers of pixels, to rounding.
    """
    images, height, width, _ = start_NHWC.shape
    order_NP = np.argsort(-maps_NHW.reshape(images, -1), axis=1, kind="stable")
    rank_NP = np.empty_like(order_NP)
    np.put_along_axis(rank_NP, order_NP, np.arange(height * width)[None], axis=1)
    rank_NHW1 = rank_NP.reshape(images, height, width, 1)
    counts = np.rint(np.linspace(0, height * width, steps + 1)).astype(np.int64)
    columns = [probability(np.where(rank_NHW1 < count, end_NHWC, start_NHWC)) for count in counts]
    return np.stack(columns, axis=1).astype(np.float64)


def area(curve_NS: Doubles) -> Doubles:
    """Area under each curve over [0, 1], by trapezoids, float64 [N]."""
    return np.asarray(np.trapezoid(curve_NS, dx=1 / (curve_NS.shape[1] - 1), axis=1))


def blurred(pixels_NHWC: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Without what could be recognised: a Gaussian with a standard deviation of an eighth of the longer side."""
    deviation = max(pixels_NHWC.shape[1:3]) / _BLURS_PER_SIDE
    return np.asarray(ndimage.gaussian_filter(pixels_NHWC, (0, deviation, deviation, 0), mode="nearest"), np.float32)
