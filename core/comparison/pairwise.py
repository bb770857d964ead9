"""Pairwise comparison of two versions from their stored predictions: scores, differences, intervals and tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import DifferentImagesError, NotEvaluatedError
from core.repository.evaluation import MATRIX_CLASSES, CalibratedECE, EvaluatedData
from core.repository.predictions import SplitPredictions
from core.statistics.calibration import calibrated_ece, calibration_gaps
from core.statistics.comparison import (
    PairedComparison,
    class_counts,
    compare_paired,
    holm,
    mcnemar_exact,
    paired_difference,
)
from core.statistics.intervals import (
    RESAMPLES,
    ConfidenceInterval,
    from_resamples,
    proportion,
    resampled_means,
    unbiased,
    unbiased_difference,
)
from core.strict_model import StrictModel

SIGNIFICANCE = 0.05
_MIN_PROBABILITY = float(np.finfo(np.float32).tiny)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]


class ProbabilityScores(StrictModel):
    """Scores of one version's probabilities."""

    log_loss: ConfidenceInterval = Field(description="mean of -ln p(true class), natural logarithm")
    brier: ConfidenceInterval = Field(
        description="mean squared distance between probabilities and one-hot label, on [0, 2]"
    )
    ece: ConfidenceInterval = Field(
        description="calibration error; the interval is corrected for the bootstrap's upward bias"
    )
    ece_if_calibrated: CalibratedECE = Field(
        description="calibration error of a perfectly calibrated model with the same confidences"
    )
    confusion_rates: tuple[tuple[ConfidenceInterval, ...], ...] = Field(
        description="row: true class, column: predicted; share of the true class with Wilson's interval; empty rows "
        "for classes without images, and no rows for more than 100 classes"
    )


class ClassDifference(StrictModel):
    """Recall of one class for both versions."""

    label: str
    images: int
    first: ConfidenceInterval = Field(description="recall of the first version")
    second: ConfidenceInterval
    difference: ConfidenceInterval = Field(description="first minus second, for matched pairs")
    p: float = Field(description="p of McNemar's exact test on the images of this class")
    holm_p: float = Field(description="the same after Holm's correction over all classes")
    significant: bool = Field(description="true if `holm_p` is below 0.05")


class Pairwise(StrictModel):
    """Two versions on the same images."""

    data: EvaluatedData
    first: ProbabilityScores
    second: ProbabilityScores
    paired: PairedComparison
    log_loss_difference: ConfidenceInterval = Field(description="first minus second, with the same resamples of images")
    brier_difference: ConfidenceInterval
    ece_difference: ConfidenceInterval = Field(
        description="first minus second; the interval is corrected for the bootstrap's bias, like that of `ece`"
    )
    per_class: tuple[ClassDifference, ...]


def compare_predictions(
    references: tuple[str, str],
    data: tuple[EvaluatedData, EvaluatedData],
    class_names: tuple[tuple[str, ...], tuple[str, ...]],
    predictions: tuple[SplitPredictions, SplitPredictions],
    *,
    resamples: int = RESAMPLES,
) -> Pairwise:
    """Compare the stored fp32 predictions of two versions; each pair has the first version first.

    Raises:
        DifferentImagesError: the versions have different classes, or were evaluated on different data.
        NotEvaluatedError: the stored predictions are of different images of the same data.
    """
    if class_names[0] != class_names[1] or data[0].digest != data[1].digest:
        raise DifferentImagesError(
            {references[i]: data[i].digest for i in range(2)},
            classes={references[i]: class_names[i] for i in range(2)} if class_names[0] != class_names[1] else None,
        )
    one, other = predictions
    same = np.array_equal(one.index, other.index) and np.array_equal(one.labels, other.labels)
    if data[0] != data[1] or not same:
        raise NotEvaluatedError(
            f"the stored predictions of {' and '.join(references)} are not of the same images: publish both again with "
            "`duet export`"
        )
    labels_N, names = one.labels, class_names[0]
    first_NK, second_NK = (side.probabilities["fp32"].astype(np.float64) for side in predictions)
    first_NM, second_NM = (_per_image(side_NK, labels_N) for side_NK in (first_NK, second_NK))
    first_BM, second_BM = (resampled_means(side_NM, resamples=resamples) for side_NM in (first_NM, second_NM))
    first_F, second_F = (_figures(side_NM.mean(axis=0)[None])[0] for side_NM in (first_NM, second_NM))
    first_BF, second_BF = _figures(first_BM), _figures(second_BM)
    values_F, resampled_BF = first_F - second_F, first_BF - second_BF
    log_loss, brier = (from_resamples(float(values_F[f]), resampled_BF[:, f]) for f in range(2))
    return Pairwise(
        data=data[0],
        first=_scores(first_F, first_BF, labels_N, first_NK),
        second=_scores(second_F, second_BF, labels_N, second_NK),
        paired=compare_paired(labels_N, one.predicted(), other.predicted()),
        log_loss_difference=log_loss,
        brier_difference=brier,
        ece_difference=unbiased_difference(float(values_F[2]), resampled_BF[:, 2]),
        per_class=_class_differences(labels_N, one.predicted(), other.predicted(), names),
    )


def _class_differences(
    labels_N: Labels, first_N: Labels, second_N: Labels, names: tuple[str, ...]
) -> tuple[ClassDifference, ...]:
    """Recall and significance of the difference for each class with images."""
    counts = class_counts(labels_N, first_N, second_N)
    p_values = [mcnemar_exact(each.only_first, each.only_second) for each in counts]
    return tuple(
        ClassDifference(
            label=names[each.label],
            images=each.images,
            first=proportion(each.both + each.only_first, each.images),
            second=proportion(each.both + each.only_second, each.images),
            difference=paired_difference(each.only_first, each.only_second, each.images),
            p=p,
            holm_p=adjusted,
            significant=adjusted < SIGNIFICANCE,
        )
        for each, p, adjusted in zip(counts, p_values, holm(p_values), strict=True)
    )


def _per_image(probabilities_NK: Floats, labels_N: Labels) -> Floats:
    """[N, 2 + bins]: log loss, Brier score, and correctness minus confidence in the column of the confidence's bin."""
    images = np.arange(len(labels_N))
    onehot_NK = np.eye(probabilities_NK.shape[1])[labels_N]
    loss_N = -np.log(np.maximum(probabilities_NK[images, labels_N], _MIN_PROBABILITY))
    brier_N = ((probabilities_NK - onehot_NK) ** 2).sum(axis=1)
    return np.column_stack([loss_N, brier_N, calibration_gaps(probabilities_NK, labels_N)])


def _figures(means_BM: Floats) -> Floats:
    """[B, 3]: log loss, Brier score and expected calibration error from the means of `_per_image`."""
    return np.column_stack([means_BM[:, 0], means_BM[:, 1], np.abs(means_BM[:, 2:]).sum(axis=1)])


def _scores(figures_F: Floats, figures_BF: Floats, labels_N: Labels, probabilities_NK: Floats) -> ProbabilityScores:
    return ProbabilityScores(
        log_loss=from_resamples(float(figures_F[0]), figures_BF[:, 0]),
        brier=from_resamples(float(figures_F[1]), figures_BF[:, 1]),
        ece=unbiased(float(figures_F[2]), figures_BF[:, 2]),
        ece_if_calibrated=calibrated_ece(probabilities_NK),
        confusion_rates=_confusion_rates(labels_N, probabilities_NK),
    )


def _confusion_rates(labels_N: Labels, probabilities_NK: Floats) -> tuple[tuple[ConfidenceInterval, ...], ...]:
    classes = probabilities_NK.shape[1]
    if classes > MATRIX_CLASSES:
        return ()
    counts_KK = np.zeros((classes, classes), np.int64)
    np.add.at(counts_KK, (labels_N, probabilities_NK.argmax(axis=1)), 1)
    return tuple(
        tuple(proportion(int(count), int(row_K.sum())) for count in row_K) if row_K.any() else () for row_K in counts_KK
    )
