"""Student's t interval for the mean of few values, such as accuracies over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.repository.confidence_interval import ConfidenceInterval


def student_mean(values: Sequence[float], confidence: float = 0.95) -> ConfidenceInterval:
    """The mean of `values` with its interval by Student's t (Student 1908, "The probable error of a mean").

    Assumes draws from a normal distribution.

    Args:
        values: at least two.
        confidence: in (0, 1).

    Raises:
        ValueError: too few values, or the confidence is out of range.
    """
    if len(values) < 2 or not 0 < confidence < 1:
        raise ValueError(f"{len(values)} values, confidence {confidence}")
    from scipy.special import stdtrit  # only used in training

    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    margin = float(stdtrit(len(values) - 1, 0.5 + confidence / 2)) * error
    return ConfidenceInterval(value=mean, low=mean - margin, high=mean + margin)


def mean_at_least(values: Sequence[float], confidence: float = 0.95) -> float:
    """One-sided lower confidence bound of the mean by Student's t.

    Arguments and errors are those of `student_mean`; the confidence is at least 0.5.
    """
    # Half of the probability outside a two-sided interval is below its lower end.
    return student_mean(values, confidence=2 * confidence - 1).low
