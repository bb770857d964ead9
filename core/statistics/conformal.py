"""Prediction sets that hold the true class with a stated probability: split conformal prediction.

The score is the least ambiguous one, 1 - p(true class): a set is every class above one threshold (Sadinle, Lei &
Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels").

Probabilities are compared as float32, the precision in which they are stored: a threshold is one of the
calibration images' own probabilities, and that image must be counted in its set wherever it is recomputed.
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
    """The probability from which on a class belongs to the prediction set.

    It is the r-th greatest of the N probabilities of the true classes, r = ceil((N + 1) * coverage), so that a
    new image from the same source has its true class in the set with probability >= coverage. With too few
    images to promise that (r > N) it is 0: every class belongs to the set.

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
    """Which classes are in each image's set, bool [N, K]; the most probable class always is.

    Args:
        probabilities_NK: [N, K].
        threshold: from `conformal_threshold`.
    """
    mask_NK = _as_stored(probabilities_NK) >= threshold
    mask_NK[np.arange(len(mask_NK)), np.argmax(probabilities_NK, axis=1)] = True
    return mask_NK


def prediction_set(probabilities_K: Floats, threshold: float) -> list[int]:
    """The classes in one image's set, most probable first, of equal ones the lower index first; never empty.

    Args:
        probabilities_K: [K].
        threshold: from `conformal_threshold`.
    """
    order_K = np.argsort(-probabilities_K, kind="stable")
    members = int(np.count_nonzero(_as_stored(probabilities_K) >= threshold))
    return [int(index) for index in order_K[: max(1, members)]]


def _as_stored(probabilities: Floats) -> npt.NDArray[np.float32]:
    return np.asarray(probabilities, dtype=np.float32)
