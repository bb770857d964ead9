"""An event of a job with its place in the job's stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.jobs.events import AddedEvent, ReportedEvent

FIRST = "0"
"""Comes before the id of every event."""


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
