"""Production accuracy, precision, recall and coverage of a version, from weighted labels of captured images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.sequential.coverage import CoverageWatch, watch_coverage
from core.sequential.mean import weighted_interval
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel
from service.live.labels import Label
from service.live.rows import ModelKey, key_of
from service.traffic.record import CapturedRequest

Floats = npt.NDArray[np.float64]
FALSE_ALARM_RATE = 0.01
"""Probability of a false alarm of the coverage test of a version, at any number of labels."""


class LabelledAnswer(StrictModel):
    """Answer of one version to a labelled image."""

    label: str
    prediction_set: tuple[str, ...]


class LabelledImage(StrictModel):
    """A labelled image, kept when its record has expired. `answers` is by `str(key)`."""

    request_id: str
    time: float
    inclusion_probability: float
    answers: dict[str, LabelledAnswer]

    @classmethod
    def of(cls, record: CapturedRequest) -> LabelledImage:
        """What the estimates need of a record."""
        return cls(
            request_id=record.request_id,
            time=record.time.timestamp(),
            inclusion_probability=record.inclusion_probability,
            answers={
                str(key_of(answer)): LabelledAnswer(label=answer.label, prediction_set=answer.prediction_set)
                for answer in reversed(record.answers)
            },
        )


@dataclass(frozen=True, eq=False)
class LabelledAnswers:
    """Labels and answers of one version, N images in the order of their labels; estimates are computed once.

    Attributes:
        true_N: true classes; None for "none of these", which counts as wrong and as missed.
        predicted_N: predicted classes.
        missed_N: bool, whether the prediction set lacks the true class.
        weights_N: inverse probabilities of being captured and labelled.
    """

    true_N: tuple[str | None, ...]
    predicted_N: tuple[str, ...]
    missed_N: npt.NDArray[np.bool_]
    weights_N: Floats

    @cached_property
    def correct(self) -> Floats:
        """1 for a correct answer, 0 for a wrong one; float64 [N]."""
        return np.array([true == said for true, said in zip(self.true_N, self.predicted_N, strict=True)], np.float64)

    @cached_property
    def accuracy(self) -> ConfidenceInterval | None:
        """Accuracy over all traffic; None without labels."""
        return self._mean_where(np.ones(len(self.true_N), np.bool_))

    @cached_property
    def precision(self) -> dict[str, ConfidenceInterval]:
        """Share of correct answers among those of each class that was predicted."""
        return self._means_by(self.predicted_N)

    @cached_property
    def recall(self) -> dict[str, ConfidenceInterval]:
        """Share of correct answers among the images of each class that was seen."""
        return self._means_by(self.true_N)

    def coverage(self, nominal_miss_rate: float) -> CoverageWatch | None:
        """State of the coverage alarm; None without labels, or if the sets have no guarantee."""
        if not len(self.true_N) or not 0 < nominal_miss_rate < 1:
            return None
        return watch_coverage(
            self.missed_N,
            nominal_miss_rate=nominal_miss_rate,
            false_alarm_rate=FALSE_ALARM_RATE,
            weights_N=self.weights_N,
            largest_weight=float(self.weights_N.max()),
        )

    def _means_by(self, names_N: Sequence[str | None]) -> dict[str, ConfidenceInterval]:
        found = {name: self._mean_where(np.array([each == name for each in names_N])) for name in set(names_N) - {None}}
        return {name: mean for name, mean in found.items() if name is not None and mean is not None}

    def _mean_where(self, chosen_N: npt.NDArray[np.bool_]) -> ConfidenceInterval | None:
        if not chosen_N.any():
            return None
        largest = float(self.weights_N.max())
        return weighted_interval(self.correct[chosen_N], self.weights_N[chosen_N], largest_weight=largest)


def labelled_answers(
    key: ModelKey, images: Mapping[str, LabelledImage], labels: Mapping[str, Label]
) -> LabelledAnswers:
    """The labelled answers of a version, without labels of unknown probability.

    Args:
        key: the version.
        images: labelled images by record id.
        labels: valid labels by record id, in the order of their time.
    """
    true: list[str | None] = []
    answers: list[LabelledAnswer] = []
    weights: list[float] = []
    for label in labels.values():
        image = images.get(label.id)
        answer = image.answers.get(str(key)) if image is not None else None
        if image is None or answer is None or label.probability is None:
            continue
        true.append(label.label)
        answers.append(answer)
        weights.append(1 / (image.inclusion_probability * label.probability))
    return LabelledAnswers(
        true_N=tuple(true),
        predicted_N=tuple(answer.label for answer in answers),
        missed_N=_missed(true, answers),
        weights_N=np.array(weights, np.float64),
    )


def _missed(true: Sequence[str | None], answers: Sequence[LabelledAnswer]) -> npt.NDArray[np.bool_]:
    pairs = zip(true, answers, strict=True)
    return np.array([label not in answer.prediction_set for label, answer in pairs], np.bool_)
