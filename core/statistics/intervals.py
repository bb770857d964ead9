"""Confidence intervals: Wilson, Clopper-Pearson, Newcombe for proportions; bootstrap over images; Student's t."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from core.strict_model import StrictModel

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000
_BATCH_CELLS = 2_000_000
"""Counts of confusion matrices that are resampled at once, 8 bytes each."""
Z_95 = NormalDist().inv_cdf(0.975)
"""A standard normal variable lies in [-Z_95, Z_95] with probability 0.95."""


class ConfidenceInterval(StrictModel):
    """`low` and `high` bound the 95 % interval around `value`."""

    value: float
    low: float
    high: float


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a binomial proportion (Wilson 1927, "Probable inference, the law of succession").

    It stays inside [0, 1] and keeps its coverage near 0 and 1, unlike the normal approximation. Without trials it is
    (0, 1).

    Raises:
        ValueError: a count is out of range.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1 + Z_95**2 / trials
    center = (share + Z_95**2 / (2 * trials)) / scale
    margin = Z_95 / scale * math.sqrt(share * (1 - share) / trials + (Z_95 / (2 * trials)) ** 2)
    # The bounds at no and at all successes are exactly 0 and 1; rounding would miss them by an ulp.
    low = 0.0 if successes == 0 else max(0.0, center - margin)
    high = 1.0 if successes == trials else min(1.0, center + margin)
    return low, high


def proportion(successes: int, trials: int) -> ConfidenceInterval:
    """Share of successes, with Wilson's interval.

    Raises:
        ValueError: no trial, or a count out of range.
    """
    if trials < 1:
        raise ValueError("a proportion needs at least one trial")
    low, high = wilson_interval(successes, trials)
    return ConfidenceInterval(value=successes / trials, low=low, high=high)


def exact_interval(successes: int, trials: int) -> ConfidenceInterval:
    """Share of successes with the exact 95 % interval of Clopper & Pearson 1934.

    Each end is wrong in at most 2.5 % of samples, however small; Wilson's interval keeps this only on average. For
    decisions on few images. Raises as `proportion` does.
    """
    value = proportion(successes, trials).value
    low, high = _exact_low(successes, trials), 1 - _exact_low(trials - successes, trials)
    return ConfidenceInterval(value=value, low=low, high=high)


def _exact_low(successes: int, trials: int) -> float:
    """The share p at which P(X >= successes) of X binomial in `trials` is 2.5 %, by bisection."""
    if successes == 0:
        return 0.0
    counts_M = np.arange(successes, trials + 1)
    factorials = [math.lgamma(count + 1) for count in range(trials + 1)]
    choices_M = np.array([factorials[-1] - factorials[count] - factorials[trials - count] for count in counts_M])
    low, high = 0.0, successes / trials
    for _ in range(60):
        share = (low + high) / 2
        tail = np.exp(choices_M + counts_M * math.log(share) + (trials - counts_M) * math.log1p(-share)).sum()
        low, high = (share, high) if tail < 0.025 else (low, share)
    return low


def difference_of_proportions(first: tuple[int, int], second: tuple[int, int]) -> ConfidenceInterval:
    """First minus second proportion of two independent samples, each (successes, trials), with Newcombe's interval.

    Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10: combines both
    Wilson intervals, so it stays within [-1, 1] and keeps its coverage near 0 and 1. Raises as `proportion` does.
    """
    one, other = proportion(*first), proportion(*second)
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return ConfidenceInterval(value=value, low=value - below, high=value + above)


def statistic_estimate(
    statistic: Callable[..., float], *arrays: npt.NDArray[Any], resamples: int = RESAMPLES, seed: int = 0
) -> ConfidenceInterval:
    """`statistic(*arrays)` with its percentile bootstrap interval (Efron 1979).

    Args:
        statistic: maps arrays of N images to one number.
        arrays: each [N, ...]; all are resampled by the same images, with replacement.
        resamples: number of resamples.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: no array, no image, or arrays of different lengths.
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"expected arrays over the same images, at least one; got lengths {sorted(lengths)}")
    (images,) = lengths
    generator = np.random.default_rng(seed)
    values_B = np.empty(resamples)
    for draw in range(resamples):
        chosen_N = generator.integers(0, images, size=images)
        values_B[draw] = statistic(*(array[chosen_N] for array in arrays))
    return from_resamples(float(statistic(*arrays)), values_B)


def resampled_means(values_NM: npt.NDArray[Any], *, resamples: int = RESAMPLES) -> Floats:
    """Column means over B resamples of the N rows, with replacement, float64 [B, M] (Efron 1979).

    The same rows are drawn for all arrays of N rows, so that differences of their means are paired.

    Raises:
        ValueError: the array has no rows.
    """
    values = np.asarray(values_NM, np.float64)
    if not len(values):
        raise ValueError("a bootstrap needs at least one image")
    generator = np.random.default_rng(0)
    means_BM = np.empty((resamples, values.shape[1]))
    for draw in range(resamples):
        chosen_N = generator.integers(0, len(values), size=len(values))
        means_BM[draw] = np.bincount(chosen_N, minlength=len(values)) @ values
    return means_BM / len(values)


def mean_estimate(values_N: npt.NDArray[Any]) -> ConfidenceInterval:
    """The mean with its percentile bootstrap interval."""
    return mean_estimates(np.asarray(values_N)[:, None])[0]


def mean_estimates(values_NM: npt.NDArray[Any]) -> tuple[ConfidenceInterval, ...]:
    """`mean_estimate` of each of the M columns, with shared draws."""
    values = np.asarray(values_NM, np.float64)
    resampled_BM = resampled_means(values)
    return tuple(from_resamples(float(values[:, m].mean()), resampled_BM[:, m]) for m in range(values.shape[1]))


def from_resamples(value: float, resampled_B: Floats) -> ConfidenceInterval:
    """`value` with the 2.5th and 97.5th percentile of its resamples."""
    low, high = np.percentile(resampled_B, (2.5, 97.5))
    return ConfidenceInterval(value=value, low=float(low), high=float(high))


def unbiased(value: float, resampled_B: Floats) -> ConfidenceInterval:
    """Same as `from_resamples` for a value of at least 0, with the bootstrap's bias removed.

    A statistic that sums absolute values, such as a calibration error, is larger on average in resamples than in the
    sample. The difference, mean(resamples) - value, is subtracted from both ends.
    """
    raw = from_resamples(value, resampled_B)
    bias = float(resampled_B.mean()) - value
    return ConfidenceInterval(value=value, low=min(value, max(0.0, raw.low - bias)), high=max(value, raw.high - bias))


def unbiased_difference(value: float, resampled_B: Floats) -> ConfidenceInterval:
    """Same as `from_resamples` for a difference of two statistics, with the bootstrap's bias removed.

    Calibration errors are larger in resamples than in the sample (see `unbiased`), in general by different amounts for
    two versions. The difference in the resamples is then shifted by mean(resamples) - value, which is subtracted from
    both ends (Efron & Tibshirani 1993, "An introduction to the bootstrap", section 10.2).

    Args:
        value: first minus second statistic of the sample.
        resampled_B: the same in each resample.
    """
    raw, bias = from_resamples(value, resampled_B), float(resampled_B.mean()) - value
    return ConfidenceInterval(value=value, low=min(value, raw.low - bias), high=max(value, raw.high - bias))


def bootstrap_confusion(
    confusion_KK: npt.NDArray[np.integer[Any]], resamples: int = 2000, seed: int = 0
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield bootstrap resamples of a confusion matrix of counts, in batches int64 [b, F] of at most 16 MB.

    Only the F cells with images are resampled, `np.flatnonzero(confusion_KK)`, since the others stay empty: a matrix of
    1,000 classes has a million cells, but at most one for each image.

    Drawing N images with replacement is a multinomial draw of the cells with their observed shares, so one vectorized
    draw gives the intervals of all statistics of the matrix (precision, recall, F1, ...). Each resample has the same
    sum as the original.
    """
    counts = np.asarray(confusion_KK, dtype=np.int64).ravel()
    counts_F = counts[counts > 0]
    total = int(counts_F.sum())
    generator = np.random.default_rng(seed)
    batch = max(1, min(resamples, _BATCH_CELLS // max(1, counts_F.size)))
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        if counts_F.size:
            yield generator.multinomial(total, counts_F / total, size=size)
        else:
            yield np.zeros((size, 0), dtype=np.int64)


def student_mean(values: Sequence[float]) -> ConfidenceInterval:
    """The mean of at least two values with its interval by Student's t (Student 1908, "The probable error of a mean").

    Assumes draws from a normal distribution.

    Raises:
        ValueError: too few values.
    """
    margin = _student_margin(values, 0.975)
    mean = float(np.mean(values))
    return ConfidenceInterval(value=mean, low=mean - margin, high=mean + margin)


def mean_at_least(values: Sequence[float]) -> float:
    """One-sided 95 % lower bound of the mean by Student's t; raises as `student_mean` does."""
    margin = _student_margin(values, 0.95)
    return float(np.mean(values)) - margin


def _student_margin(values: Sequence[float], probability: float) -> float:
    """The quantile of Student's t at `probability`, times the standard error of the mean."""
    if len(values) < 2:
        raise ValueError(f"{len(values)} values: at least two are needed")
    from scipy.special import stdtrit  # only used in training

    return float(stdtrit(len(values) - 1, probability)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
