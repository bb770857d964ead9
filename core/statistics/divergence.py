"""Jensen-Shannon divergence of several classifiers' probabilities for one image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def jensen_shannon_bits(distributions_MK: npt.NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence of M equally weighted distributions over K classes, in bits (Lin 1991).

    Entropy of the mean minus mean of the entropies: 0 for equal distributions, log2(M) if no two share a class.

    Args:
        distributions_MK: [M, K], M >= 1, rows sum to 1.
    """
    mean_K = distributions_MK.mean(axis=0)
    entropies = [_entropy_bits(row_K) for row_K in distributions_MK]
    divergence = _entropy_bits(mean_K) - sum(entropies) / len(entropies)
    return max(0.0, divergence)  # rounding may give an ulp below 0 for equal rows


def _entropy_bits(probabilities_K: npt.NDArray[np.float64]) -> float:
    positive = probabilities_K[probabilities_K > 0]
    return float(-(positive * np.log2(positive)).sum())
