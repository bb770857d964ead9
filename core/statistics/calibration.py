"""Are the probabilities what they say? Temperature, calibration error, and the proper scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.evaluation import Reliability, ReliabilityBin

Floats = npt.NDArray[np.floating[Any]]

_TEMPERATURES = (0.01, 100.0)
# Probabilities are stored as float32; what is smaller than its least normal number cannot be told from 0.
_LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)


def softmax(logits_NK: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Probabilities of logits divided by a temperature, in float64; any finite logits are fine.

    Args:
        logits_NK: [..., K].
        temperature: above 0; higher is less sure.
    """
    scaled_NK = np.asarray(logits_NK, dtype=np.float64) / temperature
    exponentials_NK = np.exp(scaled_NK - scaled_NK.max(axis=-1, keepdims=True))
    return np.asarray(exponentials_NK / exponentials_NK.sum(axis=-1, keepdims=True))


def fit_temperature(logits_NK: Floats, onehot_NK: npt.NDArray[Any]) -> float:
    """The temperature that minimises the log loss of softmax(logits / temperature) (Guo et al. 2017).

    The loss is convex in 1 / temperature, so a bounded search over log temperature finds its minimum, within
    [0.01, 100]; it ends near a bound where every image is classified right, or none better than by chance.

    Args:
        logits_NK: [N, K], of images that were not trained on.
        onehot_NK: [N, K], their true classes.

    Raises:
        ValueError: no image, or logits that are not finite.
    """
    from scipy.optimize import minimize_scalar  # 0.2 s and 45 MB, and only the training half fits

    logits = np.asarray(logits_NK, dtype=np.float64)
    if not len(logits) or not np.isfinite(logits).all():
        raise ValueError("a temperature is fitted on finite logits of at least one image")
    centred_NK = logits - logits.max(axis=1, keepdims=True)
    true_N = (centred_NK * onehot_NK).sum(axis=1)

    def loss(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        normaliser_N = np.log(np.exp(centred_NK * inverse).sum(axis=1))
        return float(np.mean(normaliser_N - true_N * inverse))

    low, high = _TEMPERATURES
    found = minimize_scalar(loss, bounds=(math.log(low), math.log(high)), method="bounded", options={"xatol": 1e-7})
    return math.exp(float(found.x))


def reliability(probabilities_NK: Floats, labels_N: npt.NDArray[np.integer[Any]], bins: int = 15) -> Reliability:
    """How sure the model was against how often it was right, by equal-width bins (low, high] of its sureness.

    The expected calibration error is the mean gap between the two over images: sum over bins of
    count / N * |accuracy - confidence| (Guo et al. 2017, "On calibration of modern neural networks").

    Args:
        probabilities_NK: [N, K]; the most probable class is the answer, its probability the confidence.
        labels_N: true classes.
        bins: how many.

    Raises:
        ValueError: no image, or not one label for each.
    """
    if not len(probabilities_NK) == len(labels_N) > 0:
        raise ValueError(f"{len(probabilities_NK)} images and {len(labels_N)} labels")
    confidence_N = probabilities_NK.max(axis=1).astype(np.float64)
    right_N = probabilities_NK.argmax(axis=1) == labels_N
    edges = np.linspace(0.0, 1.0, bins + 1)
    bin_N = np.digitize(confidence_N, edges[1:-1], right=True)
    counts = np.bincount(bin_N, minlength=bins)
    sureness = np.bincount(bin_N, weights=confidence_N, minlength=bins)
    rights = np.bincount(bin_N, weights=right_N, minlength=bins)
    return Reliability(
        ece=float(np.abs(rights - sureness).sum() / len(labels_N)),
        bins=tuple(
            ReliabilityBin(
                low=float(edges[i]),
                high=float(edges[i + 1]),
                count=int(counts[i]),
                confidence=float(sureness[i] / counts[i]) if counts[i] else None,
                accuracy=float(rights[i] / counts[i]) if counts[i] else None,
            )
            for i in range(bins)
        ),
    )


def expected_calibration_error(
    probabilities_NK: Floats, labels_N: npt.NDArray[np.integer[Any]], bins: int = 15
) -> float:
    """The mean gap between confidence and accuracy, on [0, 1]; see `reliability`."""
    return reliability(probabilities_NK, labels_N, bins).ece


def log_loss(probabilities_NK: Floats, onehot_NK: npt.NDArray[Any]) -> float:
    """Mean of -ln p(true class), natural logarithm; at most 87.34 for a class that was given probability 0.

    Args:
        probabilities_NK: [N, K], rows sum to 1.
        onehot_NK: [N, K].
    """
    clipped_NK = np.maximum(np.asarray(probabilities_NK, dtype=np.float64), _LEAST_PROBABILITY)
    return float(-(np.log(clipped_NK) * onehot_NK).sum(axis=1).mean())


def brier_score(probabilities_NK: Floats, onehot_NK: npt.NDArray[Any]) -> float:
    """Mean squared distance between probabilities and one-hot label, on [0, 2] (Brier 1950, the original form).

    Args:
        probabilities_NK: [N, K], rows sum to 1.
        onehot_NK: [N, K].
    """
    differences_NK = np.asarray(probabilities_NK, dtype=np.float64) - onehot_NK
    return float((differences_NK**2).sum(axis=1).mean())
