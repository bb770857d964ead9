"""Deletion and insertion curves of attribution maps (Petsiuk et al. 2018, RISE).

The curves measure how well a map ranks the pixels by importance. The maps in `controls` are the baselines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Probability = Callable[[npt.NDArray[np.float32]], Doubles]
"""Pixels [N, H, W, 3] -> probability of the explained class, [N]."""

STEPS = 16
_BLURS_PER_SIDE = 8
"""Longer side of the image over the standard deviation of the blur."""


def removal_curves(
    probability: Probability,
    start_NHWC: npt.NDArray[np.float32],
    end_NHWC: npt.NDArray[np.float32],
    orders: Sequence[Doubles],
    *,
    steps: int = STEPS,
) -> Doubles:
    """Probability while pixels change from `start` to `end`, most important first, float64 [M, N, steps + 1].

    Deletion changes the image to a uniform color; insertion changes a blurred image to the image.

    Args:
        probability: probability of the explained class.
        start_NHWC: pixels in [0, 1].
        end_NHWC: pixels in [0, 1].
        orders: M sets of maps [N, H, W]; pixels with equal values are ordered by position.
        steps: number of steps, with equal numbers of pixels up to rounding.
    """
    images, height, width, _ = start_NHWC.shape
    counts = np.rint(np.linspace(0, height * width, steps + 1)).astype(np.int64)
    curves_MNS = np.empty((len(orders), images, steps + 1))
    curves_MNS[:, :, 0] = probability(start_NHWC)
    for curve_NS, maps_NHW in zip(curves_MNS, orders, strict=True):
        rank_NHW1 = _ranks(maps_NHW)[..., None]
        for step in range(1, steps):
            curve_NS[:, step] = probability(np.where(rank_NHW1 < counts[step], end_NHWC, start_NHWC))
    curves_MNS[:, :, -1] = probability(end_NHWC)
    return curves_MNS


def _ranks(maps_NHW: Doubles) -> npt.NDArray[np.int64]:
    """Rank of each pixel by descending importance, from 0, [N, H, W]."""
    order_NP = np.argsort(-maps_NHW.reshape(len(maps_NHW), -1), axis=1, kind="stable")
    rank_NP = np.empty_like(order_NP)
    np.put_along_axis(rank_NP, order_NP, np.arange(order_NP.shape[1])[None], axis=1)
    return rank_NP.reshape(maps_NHW.shape)


def area(curve_NS: Doubles) -> Doubles:
    """Area under each curve over [0, 1] by the trapezoidal rule, float64 [N]."""
    return np.asarray(np.trapezoid(curve_NS, dx=1 / (curve_NS.shape[1] - 1), axis=1))


def blurred(pixels_NHWC: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Blur images until nothing is recognizable: Gaussian with a standard deviation of 1/8 of the longer side."""
    deviation = max(pixels_NHWC.shape[1:3]) / _BLURS_PER_SIDE
    return np.asarray(ndimage.gaussian_filter(pixels_NHWC, (0, deviation, deviation, 0), mode="nearest"), np.float32)
