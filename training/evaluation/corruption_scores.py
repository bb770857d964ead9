"""Scores of a model on corrupted images: accuracy, confidence, calibration error and flag rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.statistics.calibration import expected_calibration_error, softmax
from core.statistics.energy import energy

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ConditionScores:
    """Scores for one corruption at one severity, each in [0, 1].

    Attributes:
        name: key of `CORRUPTIONS` or `EXTRA_CORRUPTIONS`.
        severity: 1 to 5.
        accuracy: share of correct predictions.
        mean_confidence: mean probability of the predicted class.
        ece: expected calibration error.
        flag_rate: share of images with an energy above the threshold.
    """

    name: str
    severity: int
    accuracy: float
    mean_confidence: float
    ece: float
    flag_rate: float


def score_logits(
    name: str,
    severity: int,
    logits_NK: Logits,
    labels_N: npt.NDArray[np.int64],
    *,
    temperature: float,
    ood_threshold: float,
) -> ConditionScores:
    """Compute the scores of one condition.

    Args:
        name: name of the corruption.
        severity: severity of the corruption.
        logits_NK: float32 [N, K].
        labels_N: int64 [N], true classes.
        temperature: divides the logits for probabilities, but not for the energy.
        ood_threshold: energy above which an image is flagged, see `core.statistics.energy.energy_threshold`.
    """
    probabilities_NK = softmax(logits_NK, temperature)
    return ConditionScores(
        name=name,
        severity=severity,
        accuracy=float((logits_NK.argmax(axis=1) == labels_N).mean()),
        mean_confidence=float(probabilities_NK.max(axis=1).mean()),
        ece=expected_calibration_error(probabilities_NK, labels_N),
        flag_rate=float((energy(logits_NK) > ood_threshold).mean()),
    )
