"""Out-of-distribution detection: energy score (Liu et al. 2020) and area under the ROC curve.

Unlike the top probability, the energy keeps the scale of the logits, which is small for unfamiliar images.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.statistics.intervals import Z_95, ConfidenceInterval


def energy(logits_NK: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Energy -logsumexp(logits) of each image, float64 [N]; higher is less like the training images.

    Args:
        logits_NK: [..., K], without temperature.
    """
    logits = np.asarray(logits_NK, dtype=np.float64)
    greatest_N = logits.max(axis=-1)
    return np.asarray(-(greatest_N + np.log(np.exp(logits - greatest_N[..., None]).sum(axis=-1))))


def energy_threshold(logits_NK: npt.NDArray[np.floating[Any]], flag_rate: float = 0.05) -> float:
    """The (1 - flag_rate) quantile of the energy: at most a share `flag_rate` of the images is above it.

    An image is flagged if its energy is above the threshold.

    Args:
        logits_NK: [N, K], of in-distribution images that were not trained on.
        flag_rate: largest share of flagged images, in (0, 1).

    Raises:
        ValueError: no image, or the rate is out of range.
    """
    if not len(logits_NK) or not 0 < flag_rate < 1:
        raise ValueError(f"{len(logits_NK)} images, flag rate {flag_rate}")
    # An observed energy, not an interpolated one, so that the share holds for any number of images.
    return float(np.quantile(energy(logits_NK), 1 - flag_rate, method="inverted_cdf"))


def auroc(low_N: npt.NDArray[np.floating[Any]], high_M: npt.NDArray[np.floating[Any]]) -> ConfidenceInterval:
    """Probability that a score of `high_M` is above one of `low_N`, with its interval; ties count half.

    The interval is that of DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more correlated
    receiver operating characteristic curves", clipped to [0, 1].

    Args:
        low_N: scores of the images that should score low, at least two.
        high_M: scores of those that should score high, at least two.

    Raises:
        ValueError: too few scores.
    """
    if min(len(low_N), len(high_M)) < 2:
        raise ValueError(f"{len(low_N)} low and {len(high_M)} high scores: at least two of each are needed")
    above_M = _share_below(high_M, low_N)
    below_N = 1 - _share_below(low_N, high_M)
    area = float(above_M.mean())
    error = math.sqrt(above_M.var(ddof=1) / len(high_M) + below_N.var(ddof=1) / len(low_N))
    margin = Z_95 * error
    return ConfidenceInterval(value=area, low=max(0.0, area - margin), high=min(1.0, area + margin))


def _share_below(
    scores: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """Share of the others below each score; equal scores count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + not_above) / (2 * len(others)), dtype=np.float64)
