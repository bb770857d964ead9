"""Calibration on the holdout: temperature, conformal threshold, out-of-distribution threshold and class biases.

Class biases are added to the bias of the last dense layer. This is vector scaling restricted to biases (Guo et al.
2017, "On calibration of modern neural networks"). They are kept only if cross-validation within the holdout shows a
lower log loss.
"""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.errors import ExportError
from core.repository.graph_records import Calibration, ClassBiasRecord
from core.statistics.calibration import fit_biases, fit_temperature, softmax
from core.statistics.conformal import conformal_threshold
from core.statistics.energy import energy_threshold
from core.statistics.intervals import mean_at_least
from training.data.preprocessing import one_hot
from training.export.run_onnx import network_logits
from training.networks import Classifier

COVERAGE = 0.99
"""Target share of prediction sets that contain the true class."""
OOD_FLAG_RATE = 0.05
"""Share of in-distribution images that are flagged; 5 % is the usual operating point (Liu et al. 2020)."""
FOLDS = 5
MIN_IMAGES = 2 * FOLDS
"""Minimum number of holdout images for fitting class biases."""
MIN_FALL = 1e-6
"""Minimum decrease of the log loss; smaller ones can be rounding errors of the fits."""
_SEED = 0
_MIN_PROBABILITY = float(np.finfo(np.float32).tiny)

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def calibrate(logits_NK: Logits, labels_N: Labels) -> Calibration:
    """Fit temperature and thresholds to the logits float32 [N, K] of an exported model on the holdout."""
    temperature = fit_temperature(logits_NK, calibration_targets(labels_N, logits_NK.shape[1]))
    return Calibration(
        temperature=temperature,
        coverage=COVERAGE,
        conformal_threshold=conformal_threshold(softmax(logits_NK, temperature), labels_N, COVERAGE),
        ood_threshold=energy_threshold(logits_NK, OOD_FLAG_RATE),
        ood_flag_rate=OOD_FLAG_RATE,
    )


def calibration_targets(labels_N: Labels, classes: int) -> Floats:
    """Smoothed labels for fitting a calibration, float64 [N, classes], rows sum to 1.

    The true class has (N + 1) / (N + 2), and the others share the rest (Platt 1999, "Probabilistic Outputs for Support
    Vector Machines"). Without smoothing, a small holdout without errors would give a temperature near zero. With
    thousands of images the effect is negligible.
    """
    smoothing = 1 / (len(labels_N) + 2)
    onehot_NK = one_hot(labels_N, classes).astype(np.float64)
    return (1 - smoothing) * onehot_NK + smoothing / (classes - 1) * (1 - onehot_NK)


def debias(
    classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], labels_N: Labels
) -> tuple[Classifier, ClassBiasRecord | None]:
    """Fit class biases on the holdout, images uint8 [N, H, W, 3], and add them if they lower the log loss.

    Returns:
        The classifier, or a copy with biases, and the record of the decision (None for fewer than 10 images).

    Raises:
        ExportError: the biases help, but the network does not end with a dense layer with a bias.
    """
    if len(labels_N) < MIN_IMAGES:
        return classifier, None
    record = decide(network_logits(classifier, images_NHWC), labels_N)
    return (with_biases(classifier, record.biases) if record.kept else classifier), record


def decide(logits_NK: Logits, labels_N: Labels) -> ClassBiasRecord:
    """Compare temperature plus biases with temperature alone by five-fold cross-validation.

    The log loss of each image comes from a fit on the other four stratified folds. The biases are kept if a one-sided
    paired t-test at 95 % shows a decrease of the mean log loss. The final biases are fitted on the whole holdout.
    """
    plain_N, biased_N = np.empty(len(labels_N)), np.empty(len(labels_N))
    fold_N = stratified_folds(labels_N, FOLDS, seed=_SEED)
    for fold in range(FOLDS):
        fitted, tested = fold_N != fold, fold_N == fold
        targets_NK = calibration_targets(labels_N[fitted], logits_NK.shape[1])
        temperature = fit_temperature(logits_NK[fitted], targets_NK)
        plain_N[tested] = _log_losses(softmax(logits_NK[tested], temperature), labels_N[tested])
        temperature, biases_K = fit_biases(logits_NK[fitted], targets_NK)
        shifted_NK = logits_NK[tested] + temperature * biases_K
        biased_N[tested] = _log_losses(softmax(shifted_NK, temperature), labels_N[tested])
    least_fall = mean_at_least((plain_N - biased_N).tolist())
    kept = least_fall > MIN_FALL
    temperature, biases_K = fit_biases(logits_NK, calibration_targets(labels_N, logits_NK.shape[1]))
    return ClassBiasRecord(
        images=len(labels_N),
        folds=FOLDS,
        log_loss_without=float(plain_N.mean()),
        log_loss_with=float(biased_N.mean()),
        least_fall=least_fall,
        kept=kept,
        biases=tuple((temperature * biases_K).tolist()) if kept else (),
    )


def with_biases(classifier: Classifier, biases: tuple[float, ...]) -> Classifier:
    """Copy of the classifier with `biases`, one per class, added to the bias of the last dense layer.

    Raises:
        ExportError: the network does not end with a dense layer of `len(biases)` units with a bias.
    """
    biased = copy.deepcopy(classifier)
    last = list(biased.network.modules())[-1]
    if not isinstance(last, nn.Linear) or last.bias is None or last.out_features != len(biases):
        raise ExportError(
            f"class biases need a network that ends with a dense layer of {len(biases)} units and a bias, not with "
            f"{type(last).__name__}: end the network with nn.Linear(features, classes)"
        )
    with torch.no_grad():
        last.bias.add_(torch.tensor(biases, dtype=last.bias.dtype))
    return biased


def stratified_folds(labels_N: Labels, folds: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Random stratified fold of each image, int64 [N] from 0 to `folds` - 1.

    Fold sizes, in total and per class, differ by at most one image.
    """
    order_N = np.random.default_rng(seed).permutation(len(labels_N))
    by_class_N = order_N[np.argsort(labels_N[order_N], kind="stable")]
    fold_N = np.empty(len(labels_N), np.int64)
    fold_N[by_class_N] = np.arange(len(labels_N)) % folds
    return fold_N


def _log_losses(probabilities_NK: Floats, labels_N: Labels) -> Floats:
    true_class_N = probabilities_NK[np.arange(len(labels_N)), labels_N]
    return np.asarray(-np.log(np.maximum(true_class_N, _MIN_PROBABILITY)))
