"""Schemas of live figures: answers, accuracy, coverage, drift and alarms of captured traffic."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Field

from core.repository.manifest import Precision
from core.schemas.api import ResponseModel
from core.schemas.shadow import ShadowTrial
from core.sequential.coverage import CoverageWatch
from core.sequential.drift import RateDrift
from core.statistics.intervals import ConfidenceInterval

DriftTest: TypeAlias = Literal["class_mix", "confidence", "energy"]
LiveTest: TypeAlias = Literal["class_mix", "confidence", "energy", "coverage"]


class LiveClass(ResponseModel):
    """One class in the answers and labels of a model. Precision and recall are null without labels."""

    label: str
    share: float = Field(description="share of the recent answers")
    holdout_share: float | None = Field(description="share of the answers to the holdout; null: not known")
    predicted: int = Field(description="labelled images that the model assigns to this class")
    labelled: int = Field(description="labelled images of this class")
    precision: ConfidenceInterval | None
    recall: ConfidenceInterval | None


class LiveDrift(ResponseModel):
    """One sequential test of a model's answers against the holdout."""

    test: DriftTest
    result: RateDrift


class LiveLabelFree(ResponseModel):
    """Accuracy of a version estimated without labels, from its answers and those of a version of another family.

    The estimate is a logistic regression that was fitted on corrupted holdout images. Its error was measured on
    corrupted and rotated test images; under other changes of the traffic it may be larger.
    """

    accuracy: float
    other: str = Field(description="version of another family whose answers are used, such as mlp@4")
    images: int = Field(description="recent images that both have answered")
    error: float = Field(description="mean absolute error over the corruptions")
    largest_error: float = Field(description="largest absolute error over corruptions and rotations")


class LiveModel(ResponseModel):
    """Figures of one version in one precision; means and shares are weighted by the capture probability."""

    model: str
    version: int
    precision: Precision
    images: int = Field(description="recent images that this version answered")
    in_response: int = Field(description="those of them whose answer the client got")
    mean_confidence: float
    holdout_confidence: float | None
    mean_set_size: float = Field(description="mean size of the prediction sets")
    holdout_set_size: float | None
    flag_share: float = Field(description="share of images flagged as out of distribution")
    holdout_flag_share: float | None
    classes: tuple[LiveClass, ...]
    labelled: int = Field(description="labelled images of the random queue whose answer the client got")
    none_of_these: int = Field(description="those of them that belong to no class; they count as wrong and as missed")
    accuracy: ConfidenceInterval | None = Field(
        description="estimate with an interval that holds at every look with 95 %; null without labels"
    )
    label_free: LiveLabelFree | None = Field(None, description="estimate without labels; null: see the reason")
    label_free_reason: str | None = Field(None, description="reason why there is no estimate without labels")
    coverage: CoverageWatch | None = Field(description="alarm of the prediction sets; null without labels")
    drift: tuple[LiveDrift, ...] = Field(description="answers without averaging over views; empty without a holdout")


class LiveDisagreement(ResponseModel):
    """Disagreement of two families on the same recent images."""

    first: str
    second: str
    images: int
    share: float


class LiveAlarm(ResponseModel):
    """An alarm, with its evidence. Each test of a version in a precision raises it at most once."""

    test: LiveTest
    model: str
    version: int
    precision: Precision
    time: datetime
    message: str
    false_alarm_rate: float = Field(description="probability of a false alarm of this test, at any horizon")
    drift: RateDrift | None = Field(None, description="evidence of a drift test")
    coverage: CoverageWatch | None = Field(None, description="evidence of the coverage test")

    @property
    def subject(self) -> tuple[str, int, str, str]:
        """Model, version, precision and test."""
        return self.model, self.version, self.precision, self.test


class LiveFigures(ResponseModel):
    """Response of GET /metrics/live."""

    capturing: bool = Field(description="true if this service stores a share of its requests")
    updated: datetime | None = Field(None, description="time of the last change; null: nothing is stored yet")
    window: int = Field(description="number of recent images that shares and means are computed from")
    images: int = Field(0, description="stored images among them")
    since: datetime | None = Field(None, description="time of the oldest of these images")
    until: datetime | None = Field(None, description="time of the newest image")
    models: tuple[LiveModel, ...] = ()
    disagreements: tuple[LiveDisagreement, ...] = ()
    alarms: tuple[LiveAlarm, ...] = Field((), description="newest first")
    trials: tuple[ShadowTrial, ...] = Field((), description="the newest shadow trial of each model that has one")
