"""Class biases: fitted with the temperature on the holdout, and folded into the network's last dense layer.

Vector scaling restricted to biases (Guo et al. 2017, "On calibration of modern neural networks"). They are kept only
where cross-validation inside the holdout shows a lower log loss.
"""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.errors import ExportError
from core.repository.manifest import ClassBiasRecord
from core.statistics.calibration import fit_biases, fit_temperature, softmax
from core.statistics.student import mean_at_least
from training.evaluation.calibrate import calibration_targets
from training.export.parity import network_logits
from training.networks import Classifier

FOLDS = 5
MIN_IMAGES = 10
"""Holdout images from which biases are tried: two in each fold."""
MIN_FALL = 1e-6
"""Fall of the log loss from which biases are kept: what is smaller can come from the rounding of the two fits."""
_SEED = 0
_MIN_PROBABILITY = float(np.finfo(np.float32).tiny)

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def debias(
    classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], labels_N: Labels
) -> tuple[Classifier, ClassBiasRecord | None]:
    """Try class biases on the holdout, and add them to the last dense layer if they help.

    Args:
        classifier: in evaluation mode on the CPU; it is not changed.
        images_NHWC: uint8 [N, H, W, 3], holdout images.
        labels_N: int64 [N], their true classes.

    Returns:
        The classifier itself, or a copy with the biases, and the decision; None for fewer than 10 images.

    Raises:
        ExportError: biases help, but the network does not end with a dense layer that has a bias.
    """
    if len(labels_N) < MIN_IMAGES:
        return classifier, None
    record = decide(network_logits(classifier, images_NHWC), labels_N)
    return (with_biases(classifier, record.biases) if record.kept else classifier), record


def decide(logits_NK: Logits, labels_N: Labels) -> ClassBiasRecord:
    """Compare temperature and biases with a temperature alone, on images that neither was fitted on.

    The holdout is divided into five stratified folds. The log loss of each image comes from a fit on the other four.
    The biases are kept if the mean fall of the log loss is above 0, apart from rounding, by a one-sided paired t-test
    at 95 %. What is kept is fitted on the whole holdout.

    Args:
        logits_NK: float32 [N, K], N >= 10.
        labels_N: int64 [N], true classes.
    """
    plain_N, biased_N = np.empty(len(labels_N)), np.empty(len(labels_N))
    fold_N = stratified_folds(labels_N, FOLDS, seed=_SEED)
    for fold in range(FOLDS):
        fitted, judged = fold_N != fold, fold_N == fold
        targets_NK = calibration_targets(labels_N[fitted], logits_NK.shape[1])
        temperature = fit_temperature(logits_NK[fitted], targets_NK)
        plain_N[judged] = _log_losses(softmax(logits_NK[judged], temperature), labels_N[judged])
        temperature, biases_K = fit_biases(logits_NK[fitted], targets_NK)
        shifted_NK = logits_NK[judged] + temperature * biases_K
        biased_N[judged] = _log_losses(softmax(shifted_NK, temperature), labels_N[judged])
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
    """A copy of the classifier with `biases`, one a class, added to its logits by the last dense layer.

    Raises:
        ExportError: the network does not end with a dense layer of that many units that has a bias.
    """
    changed = copy.deepcopy(classifier)
    last = list(changed.network.modules())[-1]
    if not isinstance(last, nn.Linear) or last.bias is None or last.out_features != len(biases):
        raise ExportError(
            f"class biases need a network that ends with a dense layer of {len(biases)} units and a bias, not with "
            f"{type(last).__name__}: end the network with nn.Linear(features, classes)"
        )
    with torch.no_grad():
        last.bias.add_(torch.tensor(biases, dtype=last.bias.dtype))
    return changed


def stratified_folds(labels_N: Labels, folds: int, *, seed: int) -> npt.NDArray[np.int64]:
    """The fold of each image, int64 [N] from 0 to `folds` - 1, in random order within a class.

    Each class, and the whole, is divided into parts that differ by at most one image.
    """
    order_N = np.random.default_rng(seed).permutation(len(labels_N))
    by_class_N = order_N[np.argsort(labels_N[order_N], kind="stable")]
    fold_N = np.empty(len(labels_N), np.int64)
    fold_N[by_class_N] = np.arange(len(labels_N)) % folds
    return fold_N


def _log_losses(probabilities_NK: Floats, labels_N: Labels) -> Floats:
    of_truth_N = probabilities_NK[np.arange(len(labels_N)), labels_N]
    return np.asarray(-np.log(np.maximum(of_truth_N, _MIN_PROBABILITY)))
