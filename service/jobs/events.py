"""An event of a job as it stands in its stream at the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.jobs.events import AddedEvent, ReportedEvent, read_job_event
from service.jobs.records import from_milliseconds

FIRST = "0"
"""Comes before the id of every event."""
EVENT_ID_PATTERN = r"^[0-9]{1,15}(-[0-9]{1,9})?$"


@dataclass(frozen=True)
class StoredEvent:
    """An event as it stands in the stream.

    Attributes:
        id: `<ms>-<n>`, growing along the stream; what `Last-Event-ID` carries.
        at: when it was stored, UTC, by the broker's clock.
        attempt: how often the job had been claimed by then.
        token: of the newest claim then, None before the first.
        event: what happened.
    """

    id: str
    at: datetime
    attempt: int
    token: int | None
    event: ReportedEvent | AddedEvent


def stored_event(event_id: str, fields: Mapping[str, str]) -> StoredEvent:
    """The event in an entry of the stream."""
    return StoredEvent(
        id=event_id,
        at=from_milliseconds(int(event_id.partition("-")[0])),
        attempt=int(fields["attempt"]),
        token=int(fields["token"]) if fields["token"] else None,
        event=read_job_event(fields["event"]),
    )


def event_order(event_id: str) -> tuple[int, int]:
    """What sorts ids as the stream does."""
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)
