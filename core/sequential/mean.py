"""Confidence sequences of accuracy, precision and recall from weighted labels, by betting.

A confidence sequence is an interval that contains the true value at all times at once with the stated probability, so
that it may be looked at after every label (Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by
betting", JRSS-B 86). Weighted labels follow Shekhar, Xu, Lipton, Liang & Ramdas 2023, "Risk-limiting financial audits
via weighted sampling without replacement".

An image that is labelled with probability `p` gets the weight `1 / p`. Only ratios of weights matter: the estimate is
self-normalized. Precision and recall are means over the labelled images of a predicted or a true class, with the same
weights.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.statistics.intervals import ConfidenceInterval

FloatsIn = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
BETS_J = np.array([0.9, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.003, 0.001])
"""Bets as shares of the wealth that a label can lose at most. Large ones decide on few labels, small ones on many."""
_BISECTIONS = 40


def weighted_interval(
    values_N: FloatsIn, weights_N: FloatsIn, *, largest_weight: float, error_rate: float = 0.05
) -> ConfidenceInterval:
    """Confidence sequence of the mean of `values_N` over all traffic, after N labels.

    For a mean m, the wealth of a bet of share c against "the mean is at most m" is the product over labels of
    1 + c * w / W * (x / m - 1), where x is the value, w its weight and W the largest weight. It is a nonnegative
    supermartingale if E[w * (x - m)] <= 0, so that by Ville's inequality it ever reaches 2 / error_rate with
    probability at most error_rate / 2. The lower end is the largest m at which the average wealth over `BETS_J` has
    reached that. The upper end is that of 1 - x. This is the "hedged capital" interval of Waudby-Smith & Ramdas (2024,
    theorem 3), with a mixture of constant bets (their section 5.5) for any weights.

    Args:
        values_N: [N], on [0, 1]; 1 for a correct answer.
        weights_N: [N], in (0, largest_weight], in any unit: inverse probabilities of being labelled.
        largest_weight: upper bound of all weights, fixed before the labels are known: the inverse of the smallest
            probability that the choice of images allows.
        error_rate: probability, in (0, 1), that any of the intervals over time misses the true mean.

    Returns:
        Weighted mean and interval on [0, 1]; without labels 0.5 and (0, 1).

    Raises:
        ValueError: arrays of different lengths, or a value, a weight or the rate is out of range.
    """
    if values_N.shape != weights_N.shape or values_N.ndim != 1:
        raise ValueError(f"expected one weight per value: {values_N.shape} values, {weights_N.shape} weights")
    require_rate(error_rate)
    if not len(values_N):
        return ConfidenceInterval(value=0.5, low=0.0, high=1.0)
    if not 0 <= values_N.min() <= values_N.max() <= 1:
        raise ValueError(f"values must be on [0, 1], got {values_N.min()} to {values_N.max()}")
    if not 0 < weights_N.min() <= weights_N.max() <= largest_weight * (1 + 1e-9):
        raise ValueError(f"weights must be in (0, {largest_weight}], got {weights_N.min()} to {weights_N.max()}")
    exact_N, once_N = np.asarray(values_N, np.float64), np.ones(len(values_N))
    relative_N = np.asarray(weights_N, np.float64) / largest_weight
    return ConfidenceInterval(
        value=float(np.clip(np.average(values_N, weights=weights_N), 0, 1)),
        low=_lower_end(exact_N, relative_N, once_N, error_rate / 2),
        high=1 - _lower_end(1 - exact_N, relative_N, once_N, error_rate / 2),
    )


def proportion_interval(successes: int, trials: int, *, error_rate: float = 0.05) -> ConfidenceInterval:
    """Confidence sequence of a proportion: `weighted_interval` of equally weighted successes and failures, from counts.

    Raises:
        ValueError: a count or the rate is out of range.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    require_rate(error_rate)
    if not trials:
        return ConfidenceInterval(value=0.5, low=0.0, high=1.0)
    values_2, weights_2 = np.array([1.0, 0.0]), np.ones(2)
    counts_2 = np.array([successes, trials - successes], np.float64)
    return ConfidenceInterval(
        value=successes / trials,
        low=_lower_end(values_2, weights_2, counts_2, error_rate / 2),
        high=1 - _lower_end(1 - values_2, weights_2, counts_2, error_rate / 2),
    )


def log_wealth(mean: float, values_N: Floats, relative_N: Floats, counts_N: Floats) -> float:
    """Log of the average wealth of `BETS_J` against "the mean is at most `mean`".

    Args:
        mean: in (0, 1).
        values_N: [N], on [0, 1].
        relative_N: [N], weights over the largest weight, in (0, 1].
        counts_N: [N], number of labels with this value and weight.
    """
    gains_NJ = BETS_J * (relative_N * (values_N / mean - 1))[:, None]
    return float(np.logaddexp.reduce(counts_N @ np.log1p(gains_NJ)) - math.log(len(BETS_J)))


def require_rate(error_rate: float) -> None:
    """Raise ValueError unless the rate is in (0, 1)."""
    if not 0 < error_rate < 1:
        raise ValueError(f"the error rate must be in (0, 1), got {error_rate}")


def _lower_end(values_N: Floats, relative_N: Floats, counts_N: Floats, error_rate: float) -> float:
    """Largest mean that is rejected, by bisection; the wealth falls with the mean. 0 if none is."""
    limit = -math.log(error_rate)
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rejected = log_wealth(middle, values_N, relative_N, counts_N) >= limit
        low, high = (middle, high) if rejected else (low, middle)
    return low
