"""The record of a job, as the API shows it and as its Redis hash holds it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.jobs.parameters import EvaluateParameters, JobKind, JobParameters, TrainParameters

JobState = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
FinalState = Literal["succeeded", "failed", "cancelled"]
FINAL_STATES: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})
PROGRESS_PREFIX = "progress."


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


def read_record(job_id: str, fields: Mapping[str, str]) -> JobRecord:
    """The record in a job's hash, which is not empty."""
    progress = {name.removeprefix(PROGRESS_PREFIX): orjson.loads(value) for name, value in _progress(fields)}
    return JobRecord.model_validate(
        {
            "id": job_id,
            "kind": fields["kind"],
            "state": fields["state"],
            "parameters": orjson.loads(fields["parameters"]),
            "attempt": int(fields["attempt"]),
            "token": int(fields["token"]) if "token" in fields else None,
            "created_at": _time(fields, "created_at"),
            "claimed_at": _time(fields, "claimed_at"),
            "finished_at": _time(fields, "finished_at"),
            "worker": fields.get("worker"),
            "request_id": fields["request_id"],
            "traceparent": fields.get("traceparent"),
            "progress": progress or None,
            "result": _json(fields, "result"),
            "error": _json(fields, "error"),
            "events": fields["events"],
        }
    )


def from_milliseconds(milliseconds: int) -> datetime:
    """A time in ms since the epoch as UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _progress(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in fields.items() if name.startswith(PROGRESS_PREFIX)]


def _time(fields: Mapping[str, str], name: str) -> datetime | None:
    return from_milliseconds(int(fields[name])) if name in fields else None


def _json(fields: Mapping[str, str], name: str) -> Any:
    return orjson.loads(fields[name]) if name in fields else None
