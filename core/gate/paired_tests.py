"""Paired tests of candidate and champion on the same holdout images: overall, per class, and calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.gate.holdout import Evidence
from core.gate.report import ClassVerdict
from core.repository.confidence_interval import ConfidenceInterval
from core.statistics.calibration import expected_calibration_error
from core.statistics.comparison import PairedComparison, compare_paired
from core.statistics.holm import holm
from core.statistics.intervals import bootstrap_interval
from core.statistics.mcnemar import mcnemar_worse

_BINS = 15
_RESAMPLES = 500

Floats = npt.NDArray[np.floating[Any]]


def compare(candidate: Evidence, champion: Evidence) -> PairedComparison:
    """Paired comparison of accuracy; the candidate is first."""
    return compare_paired(candidate.holdout.labels, candidate.holdout.predicted(), champion.holdout.predicted())


def class_verdicts(candidate: Evidence, champion: Evidence, significance: float) -> tuple[ClassVerdict, ...]:
    """For each class with images, test whether the candidate recognizes significantly fewer of them.

    McNemar's exact test, one-sided, per class, with Holm's correction over all classes.
    """
    labels_N = candidate.holdout.labels
    new_N, old_N = candidate.holdout.predicted() == labels_N, champion.holdout.predicted() == labels_N
    names = candidate.manifest.class_names
    present = [k for k in range(len(names)) if np.any(labels_N == k)]
    p_values = []
    for k in present:
        of_class_N = labels_N == k
        only_new = int(np.count_nonzero(of_class_N & new_N & ~old_N))
        only_old = int(np.count_nonzero(of_class_N & old_N & ~new_N))
        p_values.append(mcnemar_worse(only_new, only_old))
    return tuple(
        ClassVerdict(
            label=names[k],
            images=int(np.count_nonzero(labels_N == k)),
            candidate=float(new_N[labels_N == k].mean()),
            champion=float(old_N[labels_N == k].mean()),
            p=p,
            passed=p >= significance,
        )
        for k, p in zip(present, holm(p_values), strict=True)
    )


def lost_calibration(candidate: Evidence, champion: Evidence) -> tuple[float, float, ConfidenceInterval]:
    """Expected calibration error of both, and candidate minus champion with its paired bootstrap interval.

    The upward bias of the calibration error on few images mostly cancels in the difference.
    """
    new, old = _errors(candidate), _errors(champion)
    new_error, old_error = (
        expected_calibration_error(side.holdout.probabilities["fp32"], side.holdout.labels, _BINS)
        for side in (candidate, champion)
    )
    low, high = bootstrap_interval(_difference, *new, *old, resamples=_RESAMPLES)
    return new_error, old_error, ConfidenceInterval(value=new_error - old_error, low=low, high=high)


def _errors(side: Evidence) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Per image: bin (low, high] of its confidence, and correctness (0 or 1) minus confidence."""
    probabilities_NK, labels_N = side.holdout.probabilities["fp32"], side.holdout.labels
    confidence_N = probabilities_NK.max(axis=1).astype(np.float64)
    edges = np.linspace(0.0, 1.0, _BINS + 1)[1:-1]
    return np.digitize(confidence_N, edges, right=True), (side.holdout.predicted() == labels_N) - confidence_N


def _difference(
    new_bin_N: npt.NDArray[np.intp], new_gap_N: Floats, old_bin_N: npt.NDArray[np.intp], old_gap_N: Floats
) -> float:
    new, old = (
        float(np.abs(np.bincount(bin_N, weights=gap_N, minlength=_BINS)).sum()) / len(bin_N)
        for bin_N, gap_N in ((new_bin_N, new_gap_N), (old_bin_N, old_gap_N))
    )
    return new - old
