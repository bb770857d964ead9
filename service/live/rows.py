"""Rows of captured traffic: what the figures need of a record, without its image."""

from __future__ import annotations

from typing import NamedTuple

from core.repository.manifest import Precision
from service.engine.arrays import Floats
from service.traffic.record import Answer, CapturedRequest

DECIMALS = 6
"""Probabilities are stored with this many decimals; holdout probabilities are rounded like them."""


class ModelKey(NamedTuple):
    """A version in one precision."""

    family: str
    version: int
    precision: Precision

    @property
    def reference(self) -> str:
        """Reference of the version, such as `cnn@4`."""
        return f"{self.family}@{self.version}"

    def __str__(self) -> str:
        return f"{self.reference}/{self.precision}"


class AnswerRow(NamedTuple):
    """Answer of one model; `hits` of the drift tests are computed from it. `probabilities_K` is float32."""

    key: ModelKey
    tta: bool
    in_response: bool
    label: str
    confidence: float
    set_size: int
    flagged: bool
    labels: tuple[str, ...]
    probabilities_K: Floats

    @classmethod
    def of(cls, answer: Answer) -> AnswerRow:
        """The row of an answer."""
        return cls(
            key=key_of(answer),
            tta=answer.tta,
            in_response=answer.in_response,
            label=answer.label,
            confidence=round(answer.confidence, DECIMALS),
            set_size=len(answer.prediction_set),
            flagged=answer.flagged,
            labels=answer.labels,
            probabilities_K=answer.probabilities_K,
        )


class TrafficRow(NamedTuple):
    """One captured image; `time` is in seconds since 1970."""

    request_id: str
    time: float
    inclusion_probability: float
    answers: tuple[AnswerRow, ...]

    @classmethod
    def of(cls, record: CapturedRequest) -> TrafficRow:
        """The row of a record."""
        return cls(
            request_id=record.request_id,
            time=record.time.timestamp(),
            inclusion_probability=record.inclusion_probability,
            answers=tuple(map(AnswerRow.of, record.answers)),
        )


def key_of(answer: Answer) -> ModelKey:
    """Version and precision of an answer."""
    return ModelKey(answer.family, answer.version, answer.precision)
