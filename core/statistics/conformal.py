"""Split conformal prediction: sets that contain the true class with a stated probability.

The score is 1 - p(true class): a set has every class above one threshold (Sadinle, Lei & Wasserman 2019, "Least
ambiguous set-valued classifiers with bounded error levels").

Probabilities are compared as float32, the stored precision. The threshold equals the probability of a calibration
image, and this image must stay in its set when the probability is recomputed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.statistics.coverage import conformal_rank

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
