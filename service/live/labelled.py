"""Labelled answers of each version: estimates of production accuracy, counts by class, and the coverage alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.sequential.coverage import CoverageWatch, watch_coverage
from service.labels.choice import MIN_PROBABILITY
from service.labels.estimates import ProductionEstimate, estimate
from service.labels.observations import Observation
from service.live.rows import ModelKey

FALSE_ALARM_RATE = 0.01
"""Probability of a false alarm of the coverage test of a version, at any number of labels."""


@dataclass(frozen=True, eq=False)
class LabelledAnswers:
    """Labelled answers of one version that clients received.

    Attributes:
        estimate: accuracy, precision and recall; None without labels.
        predicted, true: number of labelled images by predicted and by true class; None is "none of these".
        misses: for each image, in the order of the labels, whether the prediction set lacks the true class, and the
            weight of the image. "None of these" is a miss.
        largest_weight: upper bound of the weights.
    """

    estimate: ProductionEstimate | None = None
    predicted: Counter[str] = field(default_factory=Counter)
    true: Counter[str | None] = field(default_factory=Counter)
    misses: list[tuple[bool, float]] = field(default_factory=list)
    largest_weight: float = 1.0

    def coverage(self, nominal_miss_rate: float) -> CoverageWatch | None:
        """State of the coverage alarm; None without labels, or if the sets have no guarantee."""
        if not self.misses or not 0 < nominal_miss_rate < 1:
            return None
        return watch_coverage(
            np.array([missed for missed, _ in self.misses], np.bool_),
            nominal_miss_rate=nominal_miss_rate,
            false_alarm_rate=FALSE_ALARM_RATE,
            weights_N=np.array([weight for _, weight in self.misses], np.float64),
            largest_weight=self.largest_weight,
        )


def labelled_answers(observed: Sequence[Observation]) -> Mapping[ModelKey, LabelledAnswers]:
    """The labelled answers of each version. Answers that were made for comparison only are left out.

    Args:
        observed: labelled images, in the order of their labels.
    """
    largest = max((1 / (each.capture_probability * MIN_PROBABILITY) for each in observed), default=1.0)
    found = {
        ModelKey(*each.model): LabelledAnswers(estimate=each, largest_weight=largest) for each in estimate(observed)
    }
    for each in observed:
        for answer in each.answers:
            if answer.in_response:
                of_model = found[ModelKey(answer.family, answer.version, answer.precision)]
                of_model.predicted[answer.label] += 1
                of_model.true[each.label] += 1
                of_model.misses.append((each.label not in answer.prediction_set, each.weight))
    return found
