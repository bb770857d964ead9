"""Events of a job as entries of a Redis stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from core.jobs.events import Finished, Interrupted, StoredEvent, read_job_event, to_text
from core.jobs.records import JobFailure
from service.jobs.store.records import from_milliseconds

MAX_RESUMPTIONS = 1
EVENT_ID_PATTERN = r"^[0-9]{1,15}(-[0-9]{1,9})?$"


def stored_event(event_id: str, fields: Mapping[str, str]) -> StoredEvent:
    """Parse an entry of the stream."""
    return StoredEvent(
        id=event_id,
        at=from_milliseconds(int(event_id.partition("-")[0])),
        attempt=int(fields["attempt"]),
        token=int(fields["token"]) if fields["token"] else None,
        event=read_job_event(fields["event"]),
    )


def event_order(event_id: str) -> tuple[int, int]:
    """Sort key of event ids, in stream order."""
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)


def interruption_args(reason: str, max_resumptions: int | Literal[""] = MAX_RESUMPTIONS) -> list[Any]:
    """Arguments of `interrupt.lua` after the token: limit, failure, and the event of each outcome.

    Args:
        reason: of the end of the attempt.
        max_resumptions: limit of automatic resumptions; "" for no limit.
    """
    failure = JobFailure(
        type="InterruptedError", message=f"{reason}; the job was already resumed {MAX_RESUMPTIONS} time: see its log"
    )
    return [
        max_resumptions,
        failure.model_dump_json(),
        to_text(Interrupted(reason=reason, resumes=True)),
        to_text(Interrupted(reason=reason, resumes=False)),
        to_text(Finished(state="failed")),
        to_text(Finished(state="cancelled")),
    ]
