"""Classification scores of one graph on labeled images, with confidence intervals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from core.repository.evaluation import AveragedScores, ClassScores, PredictionSets, Scores
from core.repository.graph_records import Calibration
from core.statistics.calibration import (
    brier_score,
    calibrated_ece,
    expected_calibration_error,
    log_loss,
    reliability,
    softmax,
)
from core.statistics.conformal import coverage_band, prediction_set_mask
from core.statistics.energy import energy
from core.statistics.intervals import ConfidenceInterval, bootstrap_confusion, wilson_interval
from training.data.preprocessing import one_hot

_MEASURES = ("precision", "recall", "f1")
Floats = npt.NDArray[np.float64]


def score(
    logits_NK: npt.NDArray[np.float32],
    labels_N: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    calibration: Calibration,
    *,
    calibration_images: int,
) -> Scores:
    """Scores of logits float32 [N, K]. Accuracies have Wilson intervals, other scores bootstrap intervals over images.

    Args:
        logits_NK: float32 [N, K].
        labels_N: int64 [N], true classes.
        class_names: K class names.
        calibration: temperature and thresholds of the graph.
        calibration_images: number of holdout images that the calibration was fitted on.
    """
    classes = len(class_names)
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    predicted_N = probabilities_NK.argmax(axis=1)
    onehot_NK = one_hot(labels_N, classes)
    confusion_KK = confusion_matrix(labels_N, predicted_N, labels=range(classes)).astype(np.int64)
    points_3K = _measures(confusion_KK[None])[0]
    resampled_B3K = np.concatenate([_measures(batch_BKK) for batch_BKK in bootstrap_confusion(confusion_KK)])
    support_K = confusion_KK.sum(axis=1)
    top2 = top_k_accuracy_score(labels_N, probabilities_NK, k=2, labels=range(classes)) if classes > 2 else 1.0
    return Scores(
        accuracy=proportion(int((predicted_N == labels_N).sum()), len(labels_N)),
        top2_accuracy=proportion(round(float(top2) * len(labels_N)), len(labels_N)),
        macro=_averaged(points_3K, resampled_B3K, np.full(classes, 1.0 / classes)),
        weighted=_averaged(points_3K, resampled_B3K, support_K / support_K.sum()),
        per_class=tuple(
            ClassScores(
                label=name,
                support=int(support_K[k]),
                **{measure: _estimate(points_3K[m, k], resampled_B3K[:, m, k]) for m, measure in enumerate(_MEASURES)},
            )
            for k, name in enumerate(class_names)
        ),
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in confusion_KK),
        log_loss=log_loss(probabilities_NK, onehot_NK),
        brier=brier_score(probabilities_NK, onehot_NK),
        reliability=reliability(probabilities_NK, labels_N).model_copy(
            update={"if_calibrated": calibrated_ece(probabilities_NK)}
        ),
        prediction_sets=_prediction_sets(probabilities_NK, labels_N, calibration, calibration_images),
        ece_before_temperature=expected_calibration_error(softmax(logits_NK), labels_N),
        ood_flag_rate=float((energy(logits_NK) > calibration.ood_threshold).mean()),
    )


def _prediction_sets(
    probabilities_NK: npt.NDArray[np.floating],
    labels_N: npt.NDArray[np.int64],
    calibration: Calibration,
    calibration_images: int,
) -> PredictionSets:
    members_NK = prediction_set_mask(probabilities_NK, calibration.conformal_threshold)
    covered = int(members_NK[np.arange(len(labels_N)), labels_N].sum())
    sizes_N = members_NK.sum(axis=1)
    return PredictionSets(
        target=calibration.coverage,
        coverage=proportion(covered, len(labels_N)),
        mean_size=float(sizes_N.mean()),
        singletons=float((sizes_N == 1).mean()),
        band=coverage_band(len(labels_N), calibration_images, calibration.coverage),
        calibration_images=calibration_images,
    )


def _measures(confusion_BKK: npt.NDArray[np.int64]) -> Floats:
    """Precision, recall and F1 per class, float64 [B, 3, K]; precision is 0 for a class that is never predicted."""
    correct_BK = np.diagonal(confusion_BKK, axis1=1, axis2=2).astype(np.float64)
    predicted_BK, true_BK = confusion_BKK.sum(axis=1), confusion_BKK.sum(axis=2)
    precision_BK = correct_BK / np.maximum(predicted_BK, 1)
    recall_BK = correct_BK / np.maximum(true_BK, 1)
    f1_BK = 2 * correct_BK / np.maximum(predicted_BK + true_BK, 1)
    return np.stack([precision_BK, recall_BK, f1_BK], axis=1)


def _averaged(points_3K: Floats, resampled_B3K: Floats, weights_K: Floats) -> AveragedScores:
    points_3, resampled_B3 = points_3K @ weights_K, resampled_B3K @ weights_K
    return AveragedScores(
        **{measure: _estimate(points_3[m], resampled_B3[:, m]) for m, measure in enumerate(_MEASURES)}
    )


def _estimate(value: float, resampled_B: Floats) -> ConfidenceInterval:
    low, high = np.percentile(resampled_B, [2.5, 97.5])
    return ConfidenceInterval(value=float(value), low=float(low), high=float(high))


def proportion(successes: int, trials: int) -> ConfidenceInterval:
    """Share of successes with its 95 % Wilson interval."""
    low, high = wilson_interval(successes, trials)
    return ConfidenceInterval(value=successes / trials, low=low, high=high)
