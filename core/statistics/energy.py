"""Out-of-distribution detection: energy score (Liu et al. 2020) and area under the ROC curve.

Unlike the top probability, the energy keeps the scale of the logits, which is small for unfamiliar images.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.statistics.intervals import Z_95, ConfidenceInterval

_MIN_WRONG_PAIRS = 5
"""Minimum expected number of misordered pairs for the normal approximation, a common rule of thumb."""
_TAIL = 0.025


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

    The interval has the variance of DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more
    correlated receiver operating characteristic curves", on the logit scale (Pepe 2003, "The statistical evaluation of
    medical tests for classification and prediction", section 5.2.4).

    Near 0 and 1 this variance is unreliable: it is 0 for scores that do not overlap. If fewer than five of min(N, M)
    pairs are expected to be misordered, the interval is that of `extreme_area`.

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
    extreme = extreme_area(area, min(len(low_N), len(high_M)))
    if extreme is not None:
        return extreme
    error = math.sqrt(above_M.var(ddof=1) / len(high_M) + below_N.var(ddof=1) / len(low_N))
    center, margin = math.log(area / (1 - area)), Z_95 * error / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-end)) for end in (center - margin, center + margin))
    return ConfidenceInterval(value=area, low=low, high=high)


def extreme_area(area: float, pairs: int) -> ConfidenceInterval | None:
    """Conservative 95 % interval of an area near 0 or 1 by the Chernoff bound for two-sample U-statistics.

    An area is the mean of averages over `pairs` disjoint, independent pairs of scores, so that the tail bound of a
    binomial share applies (Hoeffding 1963, "Probability inequalities for sums of bounded random variables", section
    5): P(area >= a) <= exp(-pairs * KL(a, truth)). The error probability is at most
    2.5 % at each end. For scores that do not overlap, the lower end is 0.025 ** (1 / pairs), as by Clopper & Pearson
    (1934) for `pairs` successes in as many trials.

    Args:
        area: on [0, 1].
        pairs: size of the smaller sample.

    Returns:
        The interval; None if at least five of the pairs are expected to be misordered.
    """
    if pairs * min(area, 1 - area) >= _MIN_WRONG_PAIRS:
        return None
    limit = -math.log(_TAIL) / pairs

    def end(outside: float) -> float:
        """True area, between the area and `outside` (0 or 1), at which the divergence is `limit`; by bisection."""
        inside = area
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if _divergence(area, middle) < limit else (inside, middle)
        return outside

    return ConfidenceInterval(value=area, low=end(0.0) if area > 0 else 0.0, high=end(1.0) if area < 1 else 1.0)


def _divergence(share: float, truth: float) -> float:
    """Kullback-Leibler divergence of two binomial shares, in nats; infinite if `truth` excludes `share`."""
    parts = ((share, truth), (1 - share, 1 - truth))
    if any(one > 0 and other <= 0 for one, other in parts):
        return math.inf
    return sum(one * math.log(one / other) for one, other in parts if one > 0)


def _share_below(
    scores: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """Share of the others below each score; equal scores count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + not_above) / (2 * len(others)), dtype=np.float64)
