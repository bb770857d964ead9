"""Stored job event: an event with its position in the job's stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.jobs.events import AddedEvent, ReportedEvent

FIRST = "0"
"""Position before the first event."""


@dataclass(frozen=True)
class StoredEvent:
    """An event in the stream.

    Attributes:
        id: `<ms>-<n>`, ascending; the value of `Last-Event-ID`.
        at: time of storage, UTC, from the broker's clock.
        attempt: number of claims at that time.
        token: of the newest claim at that time, None before the first.
        event: the event.
    """

    id: str
    at: datetime
    attempt: int
    token: int | None
    event: ReportedEvent | AddedEvent
