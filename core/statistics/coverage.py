"""Coverage band of split conformal prediction: the beta-binomial distribution of the covered test images."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def coverage_band(
    images: int, calibration_images: int, coverage: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Band of the empirical coverage of prediction sets if the promised coverage holds.

    The threshold is the r-th largest of n calibration scores, r = ceil((n + 1) * coverage). The coverage of one
    such threshold follows Beta(r, n + 1 - r), and the number of covered images among m new ones follows the
    beta-binomial distribution (Angelopoulos & Bates 2021, "A gentle introduction to conformal prediction", section
    C), for continuous scores. The band is the narrowest central one of shares k / m, ends included, that
    leaves at most (1 - confidence) / 2 on either side.

    Args:
        images: m >= 1, images that the coverage is measured on.
        calibration_images: n >= 1, images that the threshold was fitted on.
        coverage: promised coverage, in (0, 1).
        confidence: in (0, 1).

    Returns:
        Shares in [0, 1]; (1, 1) if n is too small for the promise, because every set then has all classes.

    Raises:
        ValueError: an argument is out of range.
    """
    if images < 1 or calibration_images < 1 or not 0 < coverage < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"images={images}, calibration_images={calibration_images}, coverage={coverage}, confidence={confidence}"
        )
    rank = conformal_rank(calibration_images, coverage)
    if rank > calibration_images:
        return 1.0, 1.0
    tail = (1 - confidence) / 2
    at_most_k = beta_binomial_cdf(images, rank, calibration_images + 1 - rank)
    low = int(np.searchsorted(at_most_k, tail, side="right"))
    high = int(np.searchsorted(at_most_k, 1 - tail, side="left"))
    return low / images, high / images


def conformal_rank(calibration_images: int, coverage: float) -> int:
    """The rank r = ceil((n + 1) * coverage) of the calibration score that is the threshold; n + 1 if there is none."""
    # 100 * 0.55 is 55.00000000000001 in binary: without rounding it, the rank would be one too high.
    return math.ceil(round((calibration_images + 1) * coverage, 9))


def beta_binomial_cdf(trials: int, alpha: float, beta: float) -> npt.NDArray[np.float64]:
    """P(X <= k) of the beta-binomial distribution for k = 0 to `trials`, float64 [trials + 1].

    log P(0) comes from log-gamma functions. The rest follows from P(k + 1) / P(k) =
    (trials - k) (k + alpha) / ((k + 1) (trials - k - 1 + beta)), summed in logarithms, so that nothing underflows
    on the way. The result is normalized, which removes the common rounding error.

    Args:
        trials: at least 1.
        alpha: above 0.
        beta: above 0.
    """
    k = np.arange(trials, dtype=np.float64)
    steps = np.log(trials - k) + np.log(k + alpha) - np.log(k + 1) - np.log(trials - k - 1 + beta)
    first = (
        math.lgamma(trials + beta) - math.lgamma(trials + alpha + beta) + math.lgamma(alpha + beta) - math.lgamma(beta)
    )
    log_p = first + np.concatenate([[0.0], np.cumsum(steps)])
    at_most_k = np.cumsum(np.exp(log_p - log_p.max()))
    return np.asarray(at_most_k / at_most_k[-1])
