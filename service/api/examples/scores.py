"""Two models' answers to eight pictures of a cat or a dog: the smallest comparison that shows every field."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.repository.confidence_interval import ConfidenceInterval
from core.repository.evaluation import AveragedScores, ClassScores, PredictionSets, Reliability, ReliabilityBin, Scores
from core.statistics.intervals import wilson_interval

Labels = npt.NDArray[np.int64]

CLASS_NAMES = ("cat", "dog")
LABELS_N: Labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
ANSWERS_MLP_N: Labels = np.array([0, 0, 1, 1, 1, 1, 1, 0])
ANSWERS_CNN_N: Labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])


def scores(answers_N: Labels) -> Scores:
    """The scores of these answers; what probabilities would be needed for is made up."""
    matrix = np.zeros((2, 2), np.int64)
    np.add.at(matrix, (LABELS_N, answers_N), 1)
    per_class = tuple(_class_scores(matrix, k) for k in range(2))
    averaged = AveragedScores(
        precision=_about(float(np.mean([one.precision.value for one in per_class]))),
        recall=_about(float(np.mean([one.recall.value for one in per_class]))),
        f1=_about(float(np.mean([one.f1.value for one in per_class]))),
    )
    return Scores(
        accuracy=_share(int(np.trace(matrix)), 8),
        top2_accuracy=_share(8, 8),
        macro=averaged,
        weighted=averaged,
        per_class=per_class,
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
        log_loss=0.42,
        brier=0.31,
        reliability=Reliability(
            ece=0.04,
            bins=(
                ReliabilityBin(low=0.0, high=0.5, count=0, confidence=None, accuracy=None),
                ReliabilityBin(low=0.5, high=1.0, count=8, confidence=0.79, accuracy=0.75),
            ),
        ),
        prediction_sets=PredictionSets(target=0.99, coverage=_share(8, 8), mean_size=1.5, singletons=0.5),
        ood_flag_rate=0.0,
    )


def _class_scores(matrix: Labels, k: int) -> ClassScores:
    right, answered, support = int(matrix[k, k]), int(matrix[:, k].sum()), int(matrix[k].sum())
    return ClassScores(
        label=CLASS_NAMES[k],
        support=support,
        precision=_share(right, answered),
        recall=_share(right, support),
        f1=_about(2 * right / (answered + support)),
    )


def _share(successes: int, trials: int) -> ConfidenceInterval:
    low, high = wilson_interval(successes, trials)
    return ConfidenceInterval(value=successes / trials, low=low, high=high)


def _about(value: float) -> ConfidenceInterval:
    return ConfidenceInterval(value=value, low=max(0.0, value - 0.2), high=min(1.0, value + 0.2))
