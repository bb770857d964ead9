"""AUROC, the area under the receiver operating characteristic, with DeLong's interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.repository.confidence_interval import ConfidenceInterval
from core.statistics.intervals import normal_quantile


def auroc(
    low_N: npt.NDArray[np.floating[Any]], high_M: npt.NDArray[np.floating[Any]], confidence: float = 0.95
) -> ConfidenceInterval:
    """Probability that a score of `high_M` is above one of `low_N`, with its interval; ties count half.

    The interval is that of DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more correlated
    receiver operating characteristic curves", clipped to [0, 1].

    Args:
        low_N: scores of the images that should score low, at least two.
        high_M: scores of those that should score high, at least two.
        confidence: in (0, 1).

    Raises:
        ValueError: too few scores, or the confidence is out of range.
    """
    if min(len(low_N), len(high_M)) < 2:
        raise ValueError(f"{len(low_N)} low and {len(high_M)} high scores: at least two of each are needed")
    above_M = _share_below(high_M, low_N)
    below_N = 1 - _share_below(low_N, high_M)
    area = float(above_M.mean())
    error = math.sqrt(above_M.var(ddof=1) / len(high_M) + below_N.var(ddof=1) / len(low_N))
    margin = normal_quantile(confidence) * error
    return ConfidenceInterval(value=area, low=max(0.0, area - margin), high=min(1.0, area + margin))


def _share_below(
    scores: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """Share of the others below each score; equal scores count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + not_above) / (2 * len(others)), dtype=np.float64)
