"""Temperature, conformal and out-of-distribution thresholds, fitted on the holdout and on nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.repository.manifest import Calibration
from core.statistics.calibration import fit_temperature, softmax
from core.statistics.conformal import conformal_threshold
from core.statistics.energy import energy_threshold
from training.data.preprocessing import one_hot

COVERAGE = 0.99
"""Share of prediction sets that hold the true class."""
OOD_FLAG_RATE = 0.05
"""Share of ordinary images that may be flagged; 5 % is the field's usual operating point (Liu et al. 2020)."""


def calibrate(logits_NK: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64]) -> Calibration:
    """Fit all thresholds of one precision of a version.

    Args:
        logits_NK: float32 [N, K], the exported model's answers to the holdout.
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
    """Smoothed labels that a calibration is fitted on, float64 [N, classes]: nearly one-hot, rows sum to 1.

    A holdout of a few images, all answered right, would have a temperature near zero, and the model would be sure of
    everything. So the labels count as certain only as far as N images can tell (Platt 1999, "Probabilistic Outputs
    for Support Vector Machines"): (N + 1) / (N + 2) for the true class, the rest shared by the others. Among thousands
    of images that changes nothing.
    """
    doubt = 1 / (len(labels_N) + 2)
    onehot_NK = one_hot(labels_N, classes).astype(np.float64)
    return (1 - doubt) * onehot_NK + doubt / (classes - 1) * (1 - onehot_NK)
