"""API schemas of training runs: progress and metrics from their run folders."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from core.schemas.api import ResponseModel

RunState = Literal["running", "interrupted", "published"]


class EpochMetrics(ResponseModel):
    """Metrics of one epoch; accuracies are on [0, 1]. A run that trains on the validation images has none of them."""

    epoch: int = Field(ge=1)
    train_loss: float | None
    train_accuracy: float | None = Field(description="accuracy on augmented training images")
    plain_accuracy: float | None = Field(None, description="accuracy on unchanged training images; null in older runs")
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


class RunSummary(ResponseModel):
    """A training in a run folder. What an older release did not record is null."""

    name: str = Field(description="name of the folder in DUET_HOME/runs; the id, for a job")
    state: RunState = Field(description="running: a process trains in it; interrupted: it stopped without a version")
    recipe: str | None
    family: str | None
    data: str | None
    seed: int | None
    epochs: int | None
    epoch: int = Field(ge=0, description="number of complete epochs")
    accuracy: float | None = Field(description="of the last epoch, on the validation images or else in training")
    published: str | None = Field(description="reference of the published version")
    started_at: datetime
    updated_at: datetime = Field(description="time of the last change in the folder")
    seconds_left: float | None = Field(description="estimate for the remaining epochs of a running training")


class RunDetail(RunSummary):
    """Response of GET /runs/{name}."""

    history: tuple[EpochMetrics, ...] = Field(description="the complete epochs, in order")


class RunList(ResponseModel):
    """Response of GET /runs."""

    runs: tuple[RunSummary, ...] = Field(description="newest first")
