"""Job records for tests of leases and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.jobs.events import Epoch, Note, Progress, read_job_event
from core.jobs.parameters import EvaluateParameters, JobKind, TrainParameters
from core.jobs.records import JobRecord
from service.jobs.store.keys import LEASES, events_key
from service.jobs.store.store import Claim, JobStore

PARAMETERS = TrainParameters(recipe="cnn_baseline", overrides={"epochs": 2})


def submit(store: JobStore, kind: JobKind = "train") -> JobRecord:
    parameters = PARAMETERS if kind == "train" else EvaluateParameters()
    return store.create(kind, parameters, request_id="request-1", traceparent=None)


def claimed(store: JobStore, job_id: str, *, worker: str = "worker-1", lease_seconds: float = 60.0) -> Claim:
    claim = store.claim(job_id, worker=worker, lease_seconds=lease_seconds)
    assert claim is not None
    return claim


def running(store: JobStore, *, lease_seconds: float = 60.0) -> Claim:
    """A new job that a worker has."""
    return claimed(store, submit(store).id, lease_seconds=lease_seconds)


def run_out(store: JobStore, job_id: str) -> None:
    """Move the end of the job's lease into the past, as if its worker had been silent for so long."""
    assert store.client.zadd(LEASES, {job_id: 1}, xx=True, ch=True) == 1


def progress(step: int, **fields: Any) -> Progress:
    values: dict[str, Any] = {"loss": 1.5, "accuracy": 0.25, "seconds_left": 9.5}
    return Progress(epoch=1, epochs=2, step=step, steps=100, **{**values, **fields})


def epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number,
        epochs=2,
        train_loss=1.0,
        train_accuracy=0.5,
        validation_loss=None,
        validation_accuracy=None,
        learning_rate=0.1,
        seconds=3.0,
    )


def notes(*texts: str) -> Sequence[Note]:
    return [Note(text=text) for text in texts]


def entries(store: JobStore, job_id: str) -> list[tuple[str, dict[str, str]]]:
    """A job's stream as it lies at the broker: ids and fields."""
    answer: Any = store.client.xrange(events_key(job_id))
    return list(answer)


def stored(store: JobStore, job_id: str) -> list[tuple[int, str]]:
    """The attempt and the name of each event in a job's stream."""
    return [(int(fields["attempt"]), read_job_event(fields["event"]).event) for _, fields in entries(store, job_id)]


def names(store: JobStore, job_id: str) -> list[str]:
    return [name for _, name in stored(store, job_id)]
