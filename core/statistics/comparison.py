"""Comparison of classifiers on the same images: McNemar's test, Holm's correction, agreement, divergence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.statistics.intervals import Z_95, ConfidenceInterval
from core.strict_model import StrictModel

_MAX_EXACT, _FLIPS = 20, 100_000


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value on [0, 1] (McNemar 1947; binomial form); 1 if the two never differ.

    Only images that exactly one classifier gets right count. If both are equally accurate, the first one gets each of
    them right with probability one half; p is the probability of a split at least as uneven. Integer arithmetic keeps
    the result exact without scipy.

    Raises:
        ValueError: a count is negative.
    """
    _require_counts(only_first, only_second)
    if only_first == only_second:
        return 1.0
    return 2 * _share_of_divisions(min(only_first, only_second), only_first + only_second)


def mcnemar_worse(only_first: int, only_second: int) -> float:
    """One-sided exact p-value that the first classifier is less accurate than the second.

    The p-value is the probability, if both are equally accurate, that the first one alone gets at most `only_first`
    images right. Arguments and errors are those of `mcnemar_exact`.
    """
    _require_counts(only_first, only_second)
    return _share_of_divisions(only_first, only_first + only_second)


def _require_counts(only_first: int, only_second: int) -> None:
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts cannot be negative: {only_first}, {only_second}")


def _share_of_divisions(at_most: int, discordant: int) -> float:
    """P(X <= at_most) of X successes in `discordant` fair trials."""
    discordant = int(discordant)  # numpy integers overflow below
    divisions = 1
    as_uneven = 1
    for chosen in range(at_most):
        divisions = divisions * (discordant - chosen) // (chosen + 1)
        as_uneven += divisions
    return as_uneven / (1 << discordant)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values (Holm 1979, "A simple sequentially rejective multiple test procedure").

    If all tests with an adjusted p below alpha are rejected, the probability of any false rejection is at most alpha,
    for any dependence between the tests.
    The result has the order of the arguments; no value is below the p-value it comes from.

    Raises:
        ValueError: a p-value is not on [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values must be on [0, 1], got {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, test in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[test]))
        adjusted[test] = largest
    return tuple(adjusted)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of a mean difference of 0, by flipping the signs of paired differences (Fisher 1935).

    Each difference is one independent unit, such as the mean over all images of a class; images of one class are not
    independent. For up to 20 differences, all 2 ** n sign patterns are counted; for more, 100,000 random ones.

    Raises:
        ValueError: there are no differences.
    """
    if not differences:
        raise ValueError("a sign-flip test needs at least one difference")
    if len(differences) <= _MAX_EXACT:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
    else:
        signs_BN = np.random.default_rng(0).choice([-1.0, 1.0], (_FLIPS, len(differences)))
        sums = np.append(signs_BN @ np.asarray(differences), sum(differences))
    observed = abs(float(sum(differences)))
    return float(np.mean(np.abs(sums) >= observed * (1 - 1e-12)))


class PairedComparison(StrictModel):
    """Accuracy, difference and agreement of two classifiers on the same images."""

    images: int
    first_accuracy: float
    second_accuracy: float
    difference: ConfidenceInterval = Field(
        description="first minus second accuracy, with a 95 % interval for matched pairs"
    )
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    mcnemar_p: float = Field(description="two-sided p of McNemar's exact test of equal accuracy")
    agreement: float = Field(description="share of images with the same prediction of both, correct or not")
    cohen_kappa: float | None = Field(
        description="agreement beyond chance, at most 1; null if both always predict the same single class"
    )


def compare_paired(
    labels_N: npt.NDArray[np.integer[Any]],
    first_N: npt.NDArray[np.integer[Any]],
    second_N: npt.NDArray[np.integer[Any]],
) -> PairedComparison:
    """Compare the predictions of two classifiers for the same N >= 1 images.

    Raises:
        ValueError: no image, or arrays of different lengths.
    """
    if not len(labels_N) == len(first_N) == len(second_N) > 0:
        raise ValueError(
            f"expected the same images: {len(labels_N)} labels, {len(first_N)} and {len(second_N)} predictions"
        )
    images = len(labels_N)
    first_right_N, second_right_N = first_N == labels_N, second_N == labels_N
    both = int(np.count_nonzero(first_right_N & second_right_N))
    only_first = int(np.count_nonzero(first_right_N)) - both
    only_second = int(np.count_nonzero(second_right_N)) - both
    return PairedComparison(
        images=images,
        first_accuracy=(both + only_first) / images,
        second_accuracy=(both + only_second) / images,
        difference=paired_difference(only_first, only_second, images),
        both_right=both,
        only_first_right=only_first,
        only_second_right=only_second,
        both_wrong=images - both - only_first - only_second,
        mcnemar_p=mcnemar_exact(only_first, only_second),
        agreement=float(np.mean(first_N == second_N)),
        cohen_kappa=cohen_kappa(first_N, second_N),
    )


class ClassCounts(NamedTuple):
    """Images of one class that both classifiers, or only one of them, get right."""

    label: int
    images: int
    both: int
    only_first: int
    only_second: int


def class_counts(
    labels_N: npt.NDArray[np.integer[Any]],
    first_N: npt.NDArray[np.integer[Any]],
    second_N: npt.NDArray[np.integer[Any]],
) -> list[ClassCounts]:
    """The counts of each class with images, by index; arguments are those of `compare_paired`."""
    counts = []
    for k in np.unique(labels_N):
        first_right, second_right = first_N[labels_N == k] == k, second_N[labels_N == k] == k
        both = int(np.count_nonzero(first_right & second_right))
        only_first, only_second = (int(np.count_nonzero(right)) - both for right in (first_right, second_right))
        counts.append(ClassCounts(int(k), len(first_right), both, only_first, only_second))
    return counts


def paired_difference(only_first: int, only_second: int, images: int, z: float = Z_95) -> ConfidenceInterval:
    """Difference in accuracy, first minus second, with the adjusted Wald interval for matched pairs.

    `z` is the normal quantile at each end, by default that of a 95 % interval.

    Agresti & Min 2005, "Simple, improved confidence intervals for comparing matched proportions": add one half to each
    of the four cells, then take the Wald interval, clipped to [-1, 1]. Unlike the plain Wald interval it keeps its
    coverage if the two classifiers rarely differ.
    """
    adjusted = images + 2
    center = (only_first - only_second) / adjusted
    margin = z / adjusted * math.sqrt(only_first + only_second + 1 - center**2 * adjusted)
    value = (only_first - only_second) / images
    return ConfidenceInterval(value=value, low=max(-1.0, center - margin), high=min(1.0, center + margin))


def cohen_kappa(first_N: npt.NDArray[np.integer[Any]], second_N: npt.NDArray[np.integer[Any]]) -> float | None:
    """Cohen's kappa, the agreement of two classifiers beyond chance (Cohen 1960); None for a single class.

    (observed - expected) / (1 - expected), where `expected` is the agreement of independent predictions with the same
    class frequencies.
    """
    _, both_2N = np.unique(np.stack([first_N, second_N]), return_inverse=True)
    first_codes_N, second_codes_N = both_2N.reshape(2, -1)
    classes = int(both_2N.max()) + 1
    shares_K = np.bincount(first_codes_N, minlength=classes) / len(first_N)
    expected = float(shares_K @ (np.bincount(second_codes_N, minlength=classes) / len(second_N)))
    if classes == 1:
        return None
    return (float(np.mean(first_N == second_N)) - expected) / (1 - expected)


def jensen_shannon_bits(distributions_MK: npt.NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence of M equally weighted distributions over K classes, in bits (Lin 1991).

    Entropy of the mean minus mean of the entropies: 0 for equal distributions, log2(M) if no two share a class.

    Args:
        distributions_MK: [M, K], M >= 1, rows sum to 1.
    """
    mean_K = distributions_MK.mean(axis=0)
    entropies = [_entropy_bits(row_K) for row_K in distributions_MK]
    divergence = _entropy_bits(mean_K) - sum(entropies) / len(entropies)
    return max(0.0, divergence)  # rounding may give an ulp below 0 for equal rows


def _entropy_bits(probabilities_K: npt.NDArray[np.float64]) -> float:
    positive = probabilities_K[probabilities_K > 0]
    return float(-(positive * np.log2(positive)).sum())
