"""Proportions and differences of proportions with their confidence intervals."""

from __future__ import annotations

import math

from core.repository.confidence_interval import ConfidenceInterval
from core.statistics.intervals import wilson_interval


def proportion(successes: int, trials: int) -> ConfidenceInterval:
    """Share of successes, with Wilson's interval.

    Raises:
        ValueError: no trial, or a count out of range.
    """
    if trials < 1:
        raise ValueError("a proportion needs at least one trial")
    low, high = wilson_interval(successes, trials)
    return ConfidenceInterval(value=successes / trials, low=low, high=high)


def difference_of_proportions(first: tuple[int, int], second: tuple[int, int]) -> ConfidenceInterval:
    """First minus second proportion of two independent samples, each (successes, trials), with Newcombe's interval.

    Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10: combines both
    Wilson intervals, so it stays within [-1, 1] and keeps its coverage near 0 and 1.

    Raises:
        ValueError: no trial, or a count out of range.
    """
    one, other = proportion(*first), proportion(*second)
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return ConfidenceInterval(value=value, low=value - below, high=value + above)
