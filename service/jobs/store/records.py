"""Job records as Redis hashes, and the progress fields that events change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from core.jobs.events import AddedEvent, Epoch, FitStarted, Progress, ReportedEvent, Stage
from core.jobs.records import JobRecord

PROGRESS_PREFIX = "progress."
Value = str | int | float | None


def read_record(job_id: str, fields: Mapping[str, str]) -> JobRecord:
    """Parse a job's non-empty hash."""
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


def fields_of(flat: Sequence[str]) -> dict[str, str]:
    """Fields of a hash, from the flat list of names and values that a script returns."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def record_of(job_id: str, flat: Sequence[str]) -> JobRecord:
    """Parse a job's hash from the flat list that a script returns."""
    return read_record(job_id, fields_of(flat))


def from_milliseconds(milliseconds: int) -> datetime:
    """Time in ms since the epoch as a datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def progress_fields(events: Sequence[ReportedEvent | AddedEvent]) -> dict[str, Value]:
    """Fields of `JobProgress` that these events change, each with its last value."""
    fields: dict[str, Value] = {}
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


def _progress(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in fields.items() if name.startswith(PROGRESS_PREFIX)]


def _time(fields: Mapping[str, str], name: str) -> datetime | None:
    return from_milliseconds(int(fields[name])) if name in fields else None


def _json(fields: Mapping[str, str], name: str) -> Any:
    return orjson.loads(fields[name]) if name in fields else None
