"""Calibration: temperature and bias fitting, calibration error, log loss and Brier score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.repository.evaluation import CalibratedECE, Reliability, ReliabilityBin

Floats = npt.NDArray[np.floating[Any]]

_TEMPERATURES = (0.01, 100.0)
BINS = 15
"""Number of equal-width bins of the calibration error, as in Guo et al. 2017."""
_DRAWS, _DRAWN_AT_ONCE = 1_000, 1_000_000
"""Draws of `calibrated_ece`, and labels drawn at a time, which limits its memory to some MB."""
# Probabilities are stored as float32; smaller values than its smallest normal number count as 0.
_MIN_PROBABILITY = float(np.finfo(np.float32).tiny)


def softmax(logits_NK: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Softmax of logits divided by a temperature, in float64, stable for all finite logits.

    Args:
        logits_NK: [..., K].
        temperature: above 0; higher values give lower confidence.
    """
    scaled_NK = np.asarray(logits_NK, dtype=np.float64) / temperature
    exponentials_NK = np.exp(scaled_NK - scaled_NK.max(axis=-1, keepdims=True))
    return np.asarray(exponentials_NK / exponentials_NK.sum(axis=-1, keepdims=True))


def fit_temperature(logits_NK: Floats, onehot_NK: npt.NDArray[Any]) -> float:
    """The temperature that minimizes the log loss of softmax(logits / temperature) (Guo et al. 2017).

    The loss is convex in 1 / temperature, so a bounded search over log temperature finds its minimum within
    [0.01, 100]. The result is near a bound if all images are classified correctly, or none better than by chance.

    Args:
        logits_NK: [N, K], of images that were not trained on.
        onehot_NK: [N, K], their true classes.

    Raises:
        ValueError: no image, or logits that are not finite.
    """
    from scipy.optimize import minimize_scalar  # 0.2 s and 45 MB, only used in training

    logits = np.asarray(logits_NK, dtype=np.float64)
    if not len(logits) or not np.isfinite(logits).all():
        raise ValueError("the temperature needs finite logits of at least one image")
    centered_NK = logits - logits.max(axis=1, keepdims=True)
    true_N = (centered_NK * onehot_NK).sum(axis=1)

    def loss(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        normalizer_N = np.log(np.exp(centered_NK * inverse).sum(axis=1))
        return float(np.mean(normalizer_N - true_N * inverse))

    low, high = _TEMPERATURES
    found = minimize_scalar(loss, bounds=(math.log(low), math.log(high)), method="bounded", options={"xatol": 1e-7})
    return math.exp(float(found.x))


def fit_biases(logits_NK: Floats, targets_NK: npt.NDArray[Any]) -> tuple[float, npt.NDArray[np.float64]]:
    """Temperature and class biases that together minimize the log loss of softmax(logits / temperature + biases).

    Vector scaling (Guo et al. 2017) with one scale for all classes. The loss is convex in 1 / temperature and the
    biases, so L-BFGS from temperature 1 and no biases finds its minimum. The biases sum to 0, because a constant
    changes no probability.

    Args:
        logits_NK: [N, K], of images that were not trained on.
        targets_NK: [N, K], probabilities of the true classes, rows sum to 1. For a class without images, only targets
            above 0 keep its bias finite.

    Returns:
        The temperature, within [0.01, 100], and the biases, float64 [K].

    Raises:
        ValueError: no image, or logits that are not finite.
    """
    from scipy.optimize import minimize

    logits = np.asarray(logits_NK, dtype=np.float64)
    if not len(logits) or not np.isfinite(logits).all():
        raise ValueError("class biases need finite logits of at least one image")
    images, classes = logits.shape
    logits = logits - logits.mean(axis=1, keepdims=True)

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scaled_NK = parameters[0] * logits + parameters[1:]
        largest_N1 = scaled_NK.max(axis=1, keepdims=True)
        exponentials_NK = np.exp(scaled_NK - largest_N1)
        sums_N1 = exponentials_NK.sum(axis=1, keepdims=True)
        normalizer_N = (largest_N1 + np.log(sums_N1))[:, 0]
        gaps_NK = (exponentials_NK / sums_N1 - targets_NK) / images
        gradient = np.concatenate([[(gaps_NK * logits).sum()], gaps_NK.sum(axis=0)])
        return float(np.mean(normalizer_N - (targets_NK * scaled_NK).sum(axis=1))), gradient

    low, high = _TEMPERATURES
    found = minimize(
        loss,
        np.concatenate([[1.0], np.zeros(classes)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / high, 1 / low), *[(None, None)] * classes],
        options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 1000},
    )
    biases_K = np.asarray(found.x[1:], dtype=np.float64)
    return 1 / float(found.x[0]), biases_K - biases_K.mean()


def reliability(probabilities_NK: Floats, labels_N: npt.NDArray[np.integer[Any]], bins: int = BINS) -> Reliability:
    """Reliability diagram: confidence and accuracy by equal-width bins (low, high] of the confidence.

    The expected calibration error is the weighted mean gap: sum over bins of count / N * |accuracy - confidence| (Guo
    et al. 2017, "On calibration of modern neural networks").

    Args:
        probabilities_NK: [N, K]; the largest probability is the confidence.
        labels_N: true classes.
        bins: number of bins.

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
    probabilities_NK: Floats, labels_N: npt.NDArray[np.integer[Any]], bins: int = BINS
) -> float:
    """The mean gap between confidence and accuracy, on [0, 1]; see `reliability`."""
    return reliability(probabilities_NK, labels_N, bins).ece


def calibration_gaps(probabilities_NK: Floats, labels_N: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """Correctness (0 or 1) minus confidence of each image, in the column of its bin: float64 [N, BINS].

    The expected calibration error of any images is the sum of the absolute column means of their rows.
    """
    confidence_N = probabilities_NK.max(axis=1).astype(np.float64)
    bin_N = np.digitize(confidence_N, np.linspace(0.0, 1.0, BINS + 1)[1:-1], right=True)
    gaps_NB = np.zeros((len(labels_N), BINS))
    gaps_NB[np.arange(len(labels_N)), bin_N] = (probabilities_NK.argmax(axis=1) == labels_N) - confidence_N
    return gaps_NB


def calibrated_ece(probabilities_NK: Floats, *, seed: int = 0) -> CalibratedECE:
    """Expected calibration error of a perfectly calibrated model with the same confidences.

    Such a model has an error above 0 on a finite number of images. Parametric bootstrap: each prediction is drawn as
    correct with the probability of its confidence, and the error is computed as in `reliability` (Vaicenavicius
    et al. 2019, "Evaluating model calibration in classification").

    Args:
        probabilities_NK: [N, K], N >= 1.
        seed: of the 1,000 draws.

    Raises:
        ValueError: no image.
    """
    if not len(probabilities_NK):
        raise ValueError("a calibration error needs at least one image")
    confidence_N = np.asarray(probabilities_NK).max(axis=1).astype(np.float64)
    bin_N = np.digitize(confidence_N, np.linspace(0.0, 1.0, BINS + 1)[1:-1], right=True)
    order_N = np.argsort(bin_N, kind="stable")
    confidence_N, bin_N = confidence_N[order_N], bin_N[order_N]
    starts = np.flatnonzero(np.diff(bin_N, prepend=-1))
    sureness = np.add.reduceat(confidence_N, starts)
    generator = np.random.default_rng(seed)
    images = len(confidence_N)
    errors_B = np.empty(_DRAWS)
    at_once = max(1, _DRAWN_AT_ONCE // images)
    for begin in range(0, _DRAWS, at_once):
        count = min(at_once, _DRAWS - begin)
        right_BN = generator.random((count, images), dtype=np.float32) < confidence_N
        rights = np.add.reduceat(right_BN, starts, axis=1, dtype=np.int64)
        errors_B[begin : begin + count] = np.abs(rights - sureness).sum(axis=1) / images
    return CalibratedECE(mean=float(errors_B.mean()), percentile_95=float(np.percentile(errors_B, 95)))


def log_loss(probabilities_NK: Floats, onehot_NK: npt.NDArray[Any]) -> float:
    """Mean of -ln p(true class), natural logarithm; at most 87.34, for probability 0.

    Args:
        probabilities_NK: [N, K], rows sum to 1.
        onehot_NK: [N, K].
    """
    clipped_NK = np.maximum(np.asarray(probabilities_NK, dtype=np.float64), _MIN_PROBABILITY)
    return float(-(np.log(clipped_NK) * onehot_NK).sum(axis=1).mean())


def brier_score(probabilities_NK: Floats, onehot_NK: npt.NDArray[Any]) -> float:
    """Mean squared distance between probabilities and one-hot label, on [0, 2] (Brier 1950, the original form).

    Args:
        probabilities_NK: [N, K], rows sum to 1.
        onehot_NK: [N, K].
    """
    differences_NK = np.asarray(probabilities_NK, dtype=np.float64) - onehot_NK
    return float((differences_NK**2).sum(axis=1).mean())
