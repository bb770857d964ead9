"""Job record: parameters, state, progress and result of a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from core.jobs.parameters import (
    BatchParameters,
    DownloadParameters,
    EvaluateParameters,
    JobKind,
    JobParameters,
    TrainParameters,
)
from core.schemas.api import ResponseModel

JobState = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
FinalState = Literal["succeeded", "failed", "cancelled"]
FINAL_STATES: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})


_PARAMETERS: Mapping[
    JobKind, type[TrainParameters] | type[EvaluateParameters] | type[BatchParameters] | type[DownloadParameters]
] = {
    "train": TrainParameters,
    "evaluate": EvaluateParameters,
    "batch": BatchParameters,
    "download": DownloadParameters,
}


class JobProgress(ResponseModel):
    """Progress of the attempt; unknown values are None. The steps of a download are bytes, of a batch files."""

    stage: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    accuracy: float | None = Field(None, description="running mean of the epoch, on [0, 1]")
    seconds_left: float | None = None


class JobFailure(ResponseModel):
    """Failure of a job: name of the error and a message for the user."""

    type: str
    message: str


class JobRecord(ResponseModel):
    """State of a job; times are UTC, from the broker's clock."""

    id: str
    kind: JobKind
    state: JobState
    parameters: dict[str, JsonValue] = Field(description="parameters with defaults filled in")
    attempt: int = Field(ge=0, description="number of claims by workers; 0 before the first")
    token: int | None = Field(description="fencing token of the newest claim")
    created_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    worker: str | None = Field(description="worker of the newest claim")
    request_id: str
    traceparent: str | None
    progress: JobProgress | None = Field(description="of the newest attempt")
    result: dict[str, JsonValue] | None
    error: JobFailure | None
    events: str = Field(description="id of the newest event")

    @property
    def finished(self) -> bool:
        """True if the job has a final state."""
        return self.state in FINAL_STATES

    def typed_parameters(self) -> JobParameters:
        """The parameters as their pydantic model."""
        return _PARAMETERS[self.kind].model_validate(self.parameters)
