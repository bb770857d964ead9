"""The answers about jobs that OpenAPI shows, made of the real models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.jobs.events import Progress
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.jobs.records import JobProgress, JobRecord
from core.jobs.stored_event import StoredEvent
from core.schemas.jobs import JobList
from service.api.responses.jobs import job_accepted, job_answer
from service.errors import EXAMPLE_REQUEST_ID

_ID = "019a1b2c3d4e5f60718293a4b5c6d7e8"
_CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_CLAIMED = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)

TRAIN_REQUEST: Any = TrainParameters(recipe="cnn_baseline", seed=7, overrides={"epochs": 3}).model_dump(mode="json")
EVALUATE_REQUEST: Any = EvaluateParameters(versions=("cnn@3",)).model_dump(mode="json")

_QUEUED = JobRecord(
    id=_ID,
    kind="train",
    state="queued",
    parameters=TRAIN_REQUEST,
    attempt=0,
    token=None,
    created_at=_CREATED,
    claimed_at=None,
    finished_at=None,
    worker=None,
    request_id=EXAMPLE_REQUEST_ID,
    traceparent=None,
    progress=None,
    result=None,
    error=None,
    events="1767323045000-0",
)
_RUNNING = _QUEUED.model_copy(
    update={
        "state": "running",
        "attempt": 1,
        "token": 42,
        "claimed_at": _CLAIMED,
        "worker": "worker-1@trainer",
        "progress": JobProgress(
            stage="fit", epoch=2, epochs=3, step=451, steps=1056, loss=0.87, accuracy=0.71, seconds_left=93.0
        ),
        "events": "1767323111000-0",
    }
)

ACCEPTED_EXAMPLE: Any = job_accepted(_QUEUED).model_dump(mode="json")
QUEUED_EXAMPLE: Any = job_answer(_QUEUED).model_dump(mode="json")
JOB_EXAMPLE: Any = job_answer(_RUNNING).model_dump(mode="json")
CANCELLING_EXAMPLE: Any = job_answer(_RUNNING.model_copy(update={"state": "cancelling"})).model_dump(mode="json")
JOBS_EXAMPLE: Any = JobList(jobs=(job_answer(_RUNNING),), next_cursor=None).model_dump(mode="json")
STORED_EVENT = StoredEvent(
    id="1767323111000-0",
    at=datetime(2026, 1, 2, 3, 5, 11, tzinfo=UTC),
    attempt=1,
    token=42,
    event=Progress(epoch=2, epochs=3, step=451, steps=1056, loss=0.87, accuracy=0.71, seconds_left=93.0),
)
LOG_EXAMPLE = "epoch 1/3: train loss 1.2841, validation accuracy 0.6422\n"
