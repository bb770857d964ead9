"""Accuracy floor for the first version of a family: its holdout accuracy must be above chance and the majority class.

Without a champion, a version is compared with two classifiers that do not look at the image: one guesses, the other
always predicts the most frequent class of the holdout.
"""

from __future__ import annotations

import numpy as np

from core.gate.holdout import Evidence
from core.gate.report import GateThresholds, Range, Verdict
from core.statistics.intervals import exact_interval


def accuracy_floor(candidate: Evidence, thresholds: GateThresholds) -> Verdict:
    """Compare the low end of the exact 95 % interval of the holdout accuracy with the floor.

    The floor is the larger of 1 / K (chance among K classes) and the share of the most frequent class among the holdout
    images, plus `min_first_gain`.
    """
    holdout, names = candidate.holdout, candidate.manifest.class_names
    images = len(holdout.labels)
    accuracy = exact_interval(int(np.count_nonzero(holdout.predicted() == holdout.labels)), images)
    counts_K = np.bincount(holdout.labels, minlength=len(names))
    majority, chance = float(counts_K.max() / images), 1 / len(names)
    floor = max(majority, chance) + thresholds.min_first_gain
    passed = accuracy.low > floor
    majority_name = names[int(counts_K.argmax())]
    return Verdict(
        name="accuracy_floor",
        value=accuracy.value,
        interval=Range(low=accuracy.low, high=accuracy.high),
        limit=floor,
        passed=passed,
        sentence=(
            f"{accuracy.value:.2%} of {images:,} holdout images are correct (95 % interval {accuracy.low:.2%} to "
            f"{accuracy.high:.2%}), chance is {chance:.2%}, and the most frequent class, {majority_name}, has "
            f"{majority:.2%} of the images: {'' if passed else 'not '}significantly above the floor of {floor:.2%}"
        ),
    )
