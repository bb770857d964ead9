"""Confidence intervals: Wilson's for proportions, bootstrap for any statistic over images."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

_PERCENTILES = (2.5, 97.5)


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a binomial proportion (Wilson 1927, "Probable inference, the law of succession").

    It stays inside [0, 1] and keeps its coverage near 0 and 1, unlike the normal approximation.

    Args:
        successes: 0 to `trials`.
        trials: 0 gives the interval (0, 1).
        confidence: in (0, 1).

    Raises:
        ValueError: a count or the confidence is out of range.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    z = normal_quantile(confidence)
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1 + z * z / trials
    center = (share + z * z / (2 * trials)) / scale
    margin = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # The bounds at no and at all successes are exactly 0 and 1; rounding would miss them by an ulp.
    low = 0.0 if successes == 0 else max(0.0, center - margin)
    high = 1.0 if successes == trials else min(1.0, center + margin)
    return low, high


def bootstrap_interval(
    statistic: Callable[..., float], *arrays: npt.NDArray[Any], resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `statistic(*arrays)` (Efron 1979).

    Args:
        statistic: maps arrays of N images to one number.
        arrays: each [N, ...]; all are resampled by the same images, with replacement.
        resamples: number of resamples.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: no array, no image, or arrays of different lengths.
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"expected arrays over the same images, at least one; got lengths {sorted(lengths)}")
    (images,) = lengths
    generator = np.random.default_rng(seed)
    values_B = np.empty(resamples)
    for draw in range(resamples):
        chosen_N = generator.integers(0, images, size=images)
        values_B[draw] = statistic(*(array[chosen_N] for array in arrays))
    low, high = np.percentile(values_B, _PERCENTILES)
    return float(low), float(high)


def bootstrap_confusion(
    confusion_KK: npt.NDArray[np.integer[Any]], resamples: int = 2000, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Bootstrap resamples of a confusion matrix, int64 [B, K, K]; each has the same sum as the original.

    Drawing N images with replacement is a multinomial draw of the cells with their observed shares, so one vectorized
    draw gives the intervals of all statistics of the matrix (precision, recall, F1, ...).

    Args:
        confusion_KK: counts [K, K], none negative.
        resamples: B.
        seed: of the draw.
    """
    counts = np.asarray(confusion_KK, dtype=np.int64).ravel()
    resampled = np.zeros((resamples, counts.size), dtype=np.int64)
    filled = np.flatnonzero(counts)
    if filled.size:
        shares = counts[filled] / counts.sum()
        resampled[:, filled] = np.random.default_rng(seed).multinomial(int(counts.sum()), shares, size=resamples)
    return resampled.reshape(resamples, *np.shape(confusion_KK))


def normal_quantile(confidence: float) -> float:
    """The z for which a standard normal variable lies in [-z, z] with probability `confidence`.

    Raises:
        ValueError: `confidence` is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} is not in (0, 1)")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
