"""Estimates of production accuracy, precision and recall from weighted labels, valid at all times at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.repository.manifest import Precision
from core.sequential.mean import weighted_interval
from core.statistics.intervals import ConfidenceInterval
from service.labels.choice import MIN_PROBABILITY
from service.labels.events import LabelledAnswer
from service.labels.observations import Observation


class ServedModel(NamedTuple):
    """A version in one precision."""

    family: str
    version: int
    precision: Precision


class ProductionEstimate(NamedTuple):
    """Estimates for the images that one model answered; each interval has 95 % by itself.

    Attributes:
        model: the version and precision.
        images: number of labelled images that it answered.
        accuracy: share of correct answers.
        precision: share of correct answers among those of a class, by class.
        recall: share of the images of a class that were answered correctly, by class.
    """

    model: ServedModel
    images: int
    accuracy: ConfidenceInterval
    precision: dict[str, ConfidenceInterval]
    recall: dict[str, ConfidenceInterval]


class _Labelled(NamedTuple):
    label: str | None
    answer: str
    weight: float


def estimate(observed: Sequence[Observation]) -> list[ProductionEstimate]:
    """Estimates for each model whose answers clients received, sorted by model.

    "None of these" counts as a wrong answer. Answers that were made for comparison only are left out: there is none
    while the service is busy, so they are no random sample.
    """
    by_model: dict[ServedModel, list[_Labelled]] = {}
    for each in observed:
        for answer in each.answers:
            if answer.in_response:
                labelled = _Labelled(each.label, answer.label, each.weight)
                by_model.setdefault(_model(answer), []).append(labelled)
    if not by_model:
        return []
    largest = max(1 / (each.capture_probability * MIN_PROBABILITY) for each in observed)
    return [_estimate(model, rows, largest) for model, rows in sorted(by_model.items())]


def _model(answer: LabelledAnswer) -> ServedModel:
    return ServedModel(answer.family, answer.version, answer.precision)


def _estimate(model: ServedModel, rows: Sequence[_Labelled], largest_weight: float) -> ProductionEstimate:
    return ProductionEstimate(
        model=model,
        images=len(rows),
        accuracy=_interval(rows, largest_weight),
        precision=_by_class(rows, lambda row: row.answer, largest_weight),
        recall=_by_class(rows, lambda row: row.label, largest_weight),
    )


def _by_class(
    rows: Iterable[_Labelled], class_of: Callable[[_Labelled], str | None], largest_weight: float
) -> dict[str, ConfidenceInterval]:
    groups: dict[str, list[_Labelled]] = {}
    for row in rows:
        name = class_of(row)
        if name is not None:
            groups.setdefault(name, []).append(row)
    return {name: _interval(group, largest_weight) for name, group in sorted(groups.items())}


def _interval(rows: Sequence[_Labelled], largest_weight: float) -> ConfidenceInterval:
    right_N = np.array([row.label == row.answer for row in rows], np.float64)
    weights_N = np.array([row.weight for row in rows], np.float64)
    return weighted_interval(right_N, weights_N, largest_weight=largest_weight)
