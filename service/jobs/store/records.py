"""Job records as Redis hashes, and job events as entries of a Redis stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson

from core.jobs.events import (
    AddedEvent,
    Epoch,
    Finished,
    FitStarted,
    Interrupted,
    Progress,
    ReportedEvent,
    Stage,
    StoredEvent,
    read_job_event,
    to_text,
)
from core.jobs.records import JobFailure, JobRecord
from core.text_pattern import TextPattern

PROGRESS_PREFIX = "progress."
MAX_RESUMPTIONS = 1
"""Number of times that a job is resumed after its own process has crashed."""
MAX_LOST_WORKERS = 10
"""Number of times in a row, without a checkpoint, that a job is resumed after it lost its worker or was stopped."""
EventId = Annotated[
    str,
    TextPattern(
        r"^[0-9]{1,15}(-[0-9]{1,9})?$",
        "an event id is the `id` of an event or the `events` of a job, such as 1767323111000-0",
    ),
]


def read_record(job_id: str, fields: Mapping[str, str]) -> JobRecord:
    """Parse a job's non-empty hash."""
    progress = {
        name.removeprefix(PROGRESS_PREFIX): orjson.loads(value)
        for name, value in fields.items()
        if name.startswith(PROGRESS_PREFIX)
    }
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


def fields_of(flat: Sequence[str]) -> dict[str, str]:
    """Fields of a hash, from the flat list of names and values that a script returns."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def record_of(job_id: str, flat: Sequence[str]) -> JobRecord:
    """Parse a job's hash from the flat list that a script returns."""
    return read_record(job_id, fields_of(flat))


def _from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def progress_fields(events: Sequence[ReportedEvent | AddedEvent]) -> dict[str, str | int | float | None]:
    """Fields of `JobProgress` that these events change, each with its last value."""
    fields: dict[str, str | int | float | None] = {}
    for event in events:
        match event:
            case Stage(name=name):
                fields["stage"] = name
            case FitStarted(steps=steps, done=done):
                fields |= {"steps": steps, "step": done}
            case Progress():
                fields |= event.model_dump(exclude={"event"})
            case Epoch(epoch=epoch, epochs=epochs):
                fields |= {"epoch": epoch, "epochs": epochs}
            case _:
                pass
    return fields


def stored_event(event_id: str, fields: Mapping[str, str]) -> StoredEvent:
    """Parse an entry of the stream."""
    return StoredEvent(
        id=event_id,
        at=_from_milliseconds(int(event_id.partition("-")[0])),
        attempt=int(fields["attempt"]),
        token=int(fields["token"]) if fields["token"] else None,
        event=read_job_event(fields["event"]),
    )


def event_order(event_id: str) -> tuple[int, int]:
    """Sort key of event ids, in stream order."""
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)


Cause = Literal["crash", "lost_worker", "shutdown"]
"""Cause of an interruption: the job's own process, the end of its worker or its machine, or a worker's shutdown."""


def interruption_args(reason: str, cause: Cause) -> list[Any]:
    """Arguments of `interrupt.lua` after the token: counter, limit, failure, and the event of each outcome.

    Args:
        reason: of the end of the attempt.
        cause: a crash counts, because the job probably causes it; a lost worker counts until the next checkpoint; a
            shutdown does not count.
    """
    counter, limit, what = "resumptions", str(MAX_RESUMPTIONS), f"the job was already resumed {MAX_RESUMPTIONS} time"
    if cause == "lost_worker":
        counter, limit = "lost_workers", str(MAX_LOST_WORKERS)
        what = f"the job was already resumed {MAX_LOST_WORKERS} times without reaching a checkpoint"
    failure = JobFailure(type="InterruptedError", message=f"{reason}; {what}: see its log")
    return [
        counter,
        "" if cause == "shutdown" else limit,
        failure.model_dump_json(),
        to_text(Interrupted(reason=reason, resumes=True)),
        to_text(Interrupted(reason=reason, resumes=False)),
        to_text(Finished(state="failed")),
        to_text(Finished(state="cancelled")),
    ]


def _time(fields: Mapping[str, str], name: str) -> datetime | None:
    return _from_milliseconds(int(fields[name])) if name in fields else None


def _json(fields: Mapping[str, str], name: str) -> Any:
    return orjson.loads(fields[name]) if name in fields else None
