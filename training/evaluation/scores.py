"""Classification scores of one graph on labeled images, with confidence intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.repository.evaluation import (
    MATRIX_CLASSES,
    MAX_CONFUSIONS,
    AveragedScores,
    ClassScores,
    Confusion,
    PredictionSets,
    Scores,
)
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

    Macro averages are over the classes with images in `labels_N`, and in each resample over those with images in it.

    Args:
        logits_NK: float32 [N, K].
        labels_N: int64 [N], true classes.
        class_names: K class names.
        calibration: temperature and thresholds of the graph.
        calibration_images: number of holdout images that the calibration was fitted on.
    """
    from sklearn.metrics import confusion_matrix, top_k_accuracy_score  # imports scipy.stats, 1 s

    classes = len(class_names)
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    predicted_N = probabilities_NK.argmax(axis=1)
    onehot_NK = one_hot(labels_N, classes)
    confusion_KK = confusion_matrix(labels_N, predicted_N, labels=range(classes)).astype(np.int64)
    cells_F = np.flatnonzero(confusion_KK)
    points_3K, present_K = (part[0] for part in _measures(confusion_KK.ravel()[cells_F][None], cells_F, classes))
    batches = [_measures(batch_BF, cells_F, classes) for batch_BF in bootstrap_confusion(confusion_KK)]
    resampled_B3K, present_BK = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    support_K = confusion_KK.sum(axis=1)
    top2 = top_k_accuracy_score(labels_N, probabilities_NK, k=2, labels=range(classes)) if classes > 2 else 1.0
    return Scores(
        accuracy=proportion(int((predicted_N == labels_N).sum()), len(labels_N)),
        top2_accuracy=proportion(round(float(top2) * len(labels_N)), len(labels_N)),
        macro=_averaged(points_3K, present_K, resampled_B3K, present_BK),
        weighted=_averaged(points_3K, support_K, resampled_B3K, np.broadcast_to(support_K, present_BK.shape)),
        per_class=tuple(
            ClassScores(
                label=name,
                support=int(support_K[k]),
                **{measure: _estimate(points_3K[m, k], resampled_B3K[:, m, k]) for m, measure in enumerate(_MEASURES)},
            )
            for k, name in enumerate(class_names)
        ),
        confusion_matrix=tuple(tuple(row) for row in confusion_KK.tolist()) if classes <= MATRIX_CLASSES else (),
        confusions=_confusions(confusion_KK, class_names) if classes > MATRIX_CLASSES else None,
        log_loss=log_loss(probabilities_NK, onehot_NK),
        brier=brier_score(probabilities_NK, onehot_NK),
        reliability=reliability(probabilities_NK, labels_N).model_copy(
            update={"if_calibrated": calibrated_ece(probabilities_NK)}
        ),
        prediction_sets=_prediction_sets(probabilities_NK, labels_N, calibration, calibration_images),
        ece_before_temperature=expected_calibration_error(softmax(logits_NK), labels_N),
        ood_flag_rate=float((energy(logits_NK) > calibration.ood_threshold).mean()),
    )


def _confusions(confusion_KK: npt.NDArray[np.int64], class_names: tuple[str, ...]) -> tuple[Confusion, ...]:
    """The most frequent confusions; equal numbers in the order of the classes."""
    wrong_KK = confusion_KK - np.diag(np.diagonal(confusion_KK))
    cells = np.flatnonzero(wrong_KK)
    chosen = cells[np.argsort(-wrong_KK.ravel()[cells], kind="stable")][:MAX_CONFUSIONS]
    return tuple(
        Confusion(label=class_names[true], predicted=class_names[predicted], images=int(wrong_KK[true, predicted]))
        for true, predicted in zip(*np.unravel_index(chosen, wrong_KK.shape), strict=True)
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


def _measures(
    counts_BF: npt.NDArray[np.int64], cells_F: npt.NDArray[np.int64], classes: int
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Precision, recall and F1 per class, float64 [B, 3, K], and the classes that have images, bool [B, K].

    Precision is 0 for a class that is never predicted, recall for a class without images.

    Args:
        counts_BF: images of each cell with images, at least one cell, of B confusion matrices.
        cells_F: indices of these cells in a flat matrix, ascending.
        classes: K.
    """
    true_F, predicted_F = np.divmod(cells_F, classes)
    right_F = true_F == predicted_F
    correct_BK = np.zeros((len(counts_BF), classes))
    correct_BK[:, true_F[right_F]] = counts_BF[:, right_F]
    true_BK, predicted_BK = (_sums_by_class(counts_BF, of_F, classes) for of_F in (true_F, predicted_F))
    precision_BK = correct_BK / np.maximum(predicted_BK, 1)
    recall_BK = correct_BK / np.maximum(true_BK, 1)
    f1_BK = 2 * correct_BK / np.maximum(predicted_BK + true_BK, 1)
    return np.stack([precision_BK, recall_BK, f1_BK], axis=1), true_BK > 0


def _sums_by_class(
    counts_BF: npt.NDArray[np.int64], class_F: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Sum of the counts of each class, int64 [B, K]."""
    order_F = np.argsort(class_F, kind="stable")
    present, starts = np.unique(class_F[order_F], return_index=True)
    sums_BK = np.zeros((len(counts_BF), classes), np.int64)
    sums_BK[:, present] = np.add.reduceat(counts_BF[:, order_F], starts, axis=1)
    return sums_BK


def _averaged(
    points_3K: Floats, weights_K: npt.NDArray[Any], resampled_B3K: Floats, weights_BK: npt.NDArray[Any]
) -> AveragedScores:
    """Weighted means over the classes, of the images and of each resample."""
    points_3 = points_3K @ weights_K / weights_K.sum()
    resampled_B3 = np.einsum("bmk,bk->bm", resampled_B3K, weights_BK) / weights_BK.sum(axis=1)[:, None]
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
