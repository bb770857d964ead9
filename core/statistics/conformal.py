"""Split conformal prediction: sets that contain the true class with a stated probability.

The score is 1 - p(true class): a set has every class above one threshold (Sadinle, Lei & Wasserman 2019, "Least
ambiguous set-valued classifiers with bounded error levels").

Probabilities are compared as float32, the stored precision. The threshold equals the probability of a calibration
image, and this image must stay in its set when the probability is recomputed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


def conformal_threshold(
    probabilities_NK: Floats, labels_N: npt.NDArray[np.integer[Any]], coverage: float = 0.99
) -> float:
    """Smallest probability of the classes in a prediction set.

    It is the r-th largest of the N probabilities of the true classes, r = ceil((N + 1) * coverage). The set of a new
    image from the same distribution contains the true class with probability >= coverage. With too few images (r > N)
    the threshold is 0: every set has all classes.

    Args:
        probabilities_NK: [N, K], of images that were not trained on.
        labels_N: their true classes.
        coverage: in (0, 1).

    Returns:
        In [0, 1], exactly representable as float32.

    Raises:
        ValueError: no image, or the coverage is out of range.
    """
    images = len(labels_N)
    if images == 0 or len(probabilities_NK) != images or not 0 < coverage < 1:
        raise ValueError(f"{len(probabilities_NK)} images, {images} labels, coverage {coverage}")
    rank = conformal_rank(images, coverage)
    if rank > images:
        return 0.0
    of_truth_N = np.sort(_as_stored(probabilities_NK)[np.arange(images), labels_N])
    return float(of_truth_N[images - rank])


def prediction_set_mask(probabilities_NK: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """Membership of classes in each image's set, bool [N, K]; the most probable class is always a member.

    Args:
        probabilities_NK: [N, K].
        threshold: from `conformal_threshold`.
    """
    mask_NK = _as_stored(probabilities_NK) >= threshold
    mask_NK[np.arange(len(mask_NK)), np.argmax(probabilities_NK, axis=1)] = True
    return mask_NK


def prediction_set(probabilities_K: Floats, threshold: float) -> list[int]:
    """Classes in one image's set, most probable first, ties by index; never empty.

    Args:
        probabilities_K: [K].
        threshold: from `conformal_threshold`.
    """
    order_K = np.argsort(-probabilities_K, kind="stable")
    members = int(np.count_nonzero(_as_stored(probabilities_K) >= threshold))
    return [int(index) for index in order_K[: max(1, members)]]


def _as_stored(probabilities: Floats) -> npt.NDArray[np.float32]:
    return np.asarray(probabilities, dtype=np.float32)


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
