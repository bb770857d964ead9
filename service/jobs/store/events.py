"""Events of a job as entries of a Redis stream."""

from __future__ import annotations

from collections.abc import Mapping

from core.jobs.events import read_job_event
from core.jobs.stored_event import StoredEvent
from service.jobs.store.records import from_milliseconds

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
