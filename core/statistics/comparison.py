"""Paired comparison of two classifiers on the same labelled images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from core.repository.confidence_interval import ConfidenceInterval
from core.statistics.intervals import normal_quantile
from core.statistics.mcnemar import mcnemar_exact


class PairedComparison(BaseModel):
    """Accuracy, difference and agreement of two classifiers on the same images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    Args:
        labels_N: true class of each image.
        first_N: predicted classes of the first classifier.
        second_N: predicted classes of the second classifier.

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


def paired_difference(only_first: int, only_second: int, images: int) -> ConfidenceInterval:
    """Difference in accuracy, first minus second, with the adjusted Wald 95 % interval for matched pairs.

    Agresti & Min 2005, "Simple, improved confidence intervals for comparing matched proportions": add one half to each
    of the four cells, then take the Wald interval, clipped to [-1, 1]. Unlike the plain Wald interval it keeps its
    coverage if the two classifiers rarely differ.
    """
    adjusted = images + 2
    center = (only_first - only_second) / adjusted
    margin = normal_quantile(0.95) / adjusted * math.sqrt(only_first + only_second + 1 - center**2 * adjusted)
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
