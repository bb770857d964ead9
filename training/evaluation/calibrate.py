"""Calibration on the holdout: temperature, conformal threshold and out-of-distribution threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.repository.manifest import Calibration
from core.statistics.calibration import fit_temperature, softmax
from core.statistics.conformal import conformal_threshold
from core.statistics.energy import energy_threshold
from training.data.preprocessing import one_hot

COVERAGE = 0.99
"""Target share of prediction sets that contain the true class."""
OOD_FLAG_RATE = 0.05
"""Share of in-distribution images that are flagged; 5 % is the usual operating point (Liu et al. 2020)."""


def calibrate(logits_NK: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64]) -> Calibration:
    """Fit temperature and thresholds for one precision of a version.

    Args:
        logits_NK: float32 [N, K], logits of the exported model on the holdout.
        labels_N: int64 [N], true classes.
    """
    temperature = fit_temperature(logits_NK, calibration_targets(labels_N, logits_NK.shape[1]))
    return Calibration(
        temperature=temperature,
        coverage=COVERAGE,
        conformal_threshold=conformal_threshold(softmax(logits_NK, temperature), labels_N, COVERAGE),
        ood_threshold=energy_threshold(logits_NK, OOD_FLAG_RATE),
        ood_flag_rate=OOD_FLAG_RATE,
    )


def calibration_targets(labels_N: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """Smoothed labels for fitting a calibration, float64 [N, classes], rows sum to 1.

    The true class has (N + 1) / (N + 2), and the others share the rest (Platt 1999, "Probabilistic Outputs for Support
    Vector Machines"). Without smoothing, a small holdout without errors would give a temperature near zero. With
    thousands of images the effect is negligible.
    """
    smoothing = 1 / (len(labels_N) + 2)
    onehot_NK = one_hot(labels_N, classes).astype(np.float64)
    return (1 - smoothing) * onehot_NK + smoothing / (classes - 1) * (1 - onehot_NK)
