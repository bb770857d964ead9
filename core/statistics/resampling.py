"""Bootstrap of many means with one draw of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from core.repository.confidence_interval import ConfidenceInterval

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000


def resampled_means(values_NM: npt.NDArray[Any], *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Column means over B resamples of the N rows, with replacement, float64 [B, M] (Efron 1979).

    Args:
        values_NM: [N, M], N >= 1.
        resamples: B.
        seed: of the draws; the same seed and N draw the same rows for any columns.

    Raises:
        ValueError: the array has no rows.
    """
    values = np.asarray(values_NM, np.float64)
    if not len(values):
        raise ValueError("a bootstrap needs at least one image")
    generator = np.random.default_rng(seed)
    means_BM = np.empty((resamples, values.shape[1]))
    for draw in range(resamples):
        chosen_N = generator.integers(0, len(values), size=len(values))
        means_BM[draw] = np.bincount(chosen_N, minlength=len(values)) @ values
    return means_BM / len(values)


def mean_estimate(values_N: npt.NDArray[Any], *, resamples: int = RESAMPLES, seed: int = 0) -> ConfidenceInterval:
    """The mean with its percentile bootstrap interval."""
    return mean_estimates(np.asarray(values_N)[:, None], resamples=resamples, seed=seed)[0]


def mean_estimates(
    values_NM: npt.NDArray[Any], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[ConfidenceInterval, ...]:
    """`mean_estimate` of each of the M columns, with shared draws."""
    values = np.asarray(values_NM, np.float64)
    resampled_BM = resampled_means(values, resamples=resamples, seed=seed)
    return tuple(from_resamples(float(values[:, m].mean()), resampled_BM[:, m]) for m in range(values.shape[1]))


def from_resamples(value: float, resampled_B: Floats) -> ConfidenceInterval:
    """`value` with the 2.5th and 97.5th percentile of its resamples."""
    low, high = np.percentile(resampled_B, (2.5, 97.5))
    return ConfidenceInterval(value=value, low=float(low), high=float(high))


def unbiased(value: float, resampled_B: Floats, *, at_least: float = 0.0) -> ConfidenceInterval:
    """Same as `from_resamples`, with the bootstrap's bias removed.

    A statistic that sums absolute values, such as a calibration error, is larger on average in resamples than in the
    sample. The difference, mean(resamples) - value, is subtracted from both ends.
    """
    raw = from_resamples(value, resampled_B)
    bias = float(resampled_B.mean()) - value
    low = min(value, max(at_least, raw.low - bias))
    return ConfidenceInterval(value=value, low=low, high=max(value, raw.high - bias))


def statistic_estimate(
    statistic: Callable[..., float], *arrays: npt.NDArray[Any], resamples: int = RESAMPLES, seed: int = 0
) -> ConfidenceInterval:
    """`statistic(*arrays)` with its percentile bootstrap interval; all arrays are resampled by the same images."""
    from core.statistics.intervals import bootstrap_interval

    low, high = bootstrap_interval(statistic, *arrays, resamples=resamples, seed=seed)
    return ConfidenceInterval(value=statistic(*arrays), low=low, high=high)
