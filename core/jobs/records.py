"""The record of a job: what was asked for, how far it is, and what it came to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.jobs.parameters import EvaluateParameters, JobKind, JobParameters, TrainParameters

JobState = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
FinalState = Literal["succeeded", "failed", "cancelled"]
FINAL_STATES: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobProgress(_Plain):
    """How far the attempt is; what it has not told yet is None."""

    stage: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    accuracy: float | None = Field(None, description="running mean of the epoch, on [0, 1]")
    seconds_left: float | None = None


class JobFailure(_Plain):
    """Why a job failed: the name of the error and a sentence for its user."""

    type: str
    message: str


class JobRecord(_Plain):
    """Everything that is known of a job; times are UTC, by the broker's clock."""

    id: str
    kind: JobKind
    state: JobState
    parameters: dict[str, JsonValue] = Field(description="as given, with the defaults filled in")
    attempt: int = Field(ge=0, description="how often a worker has claimed the job; 0 before the first")
    token: int | None = Field(description="fencing token of the newest claim")
    created_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    worker: str | None = Field(description="the worker of the newest claim")
    request_id: str
    traceparent: str | None
    progress: JobProgress | None = Field(description="of the newest attempt")
    result: dict[str, JsonValue] | None
    error: JobFailure | None
    events: str = Field(description="id of the newest event")

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self.state in FINAL_STATES

    def typed_parameters(self) -> JobParameters:
        """The parameters as the model they were validated with."""
        model = TrainParameters if self.kind == "train" else EvaluateParameters
        return model.model_validate(self.parameters)
