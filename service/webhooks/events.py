"""Events of webhooks, and their JSON bodies by the Standard Webhooks specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal

import orjson

from core.jobs.records import FinalState, JobRecord
from core.repository.alias_files import Promotion
from core.schemas.live import LiveAlarm
from service.errors.hidden_paths import hide_paths
from service.settings import Settings

MAX_BODY_BYTES = 20_000
"""Maximum size of a body. The specification recommends it, and many receivers refuse more."""
MAX_TEXT_LENGTH = 2_000
EventType = Literal[
    "job.succeeded", "job.failed", "job.cancelled", "alarm.raised", "champion.changed", "champion.removed"
]

_ENDS: Mapping[FinalState, EventType] = MappingProxyType(
    {"succeeded": "job.succeeded", "failed": "job.failed", "cancelled": "job.cancelled"}
)


@dataclass(frozen=True)
class Event:
    """Something that happened once.

    Attributes:
        type: kind of event.
        at: time of the event.
        key: identity of the event among those of its type; equal in all processes that see it.
        data: JSON values.
    """

    type: EventType
    at: datetime
    key: str
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Message id, the same for each attempt and each process, so that a receiver can drop duplicates."""
        return "msg_" + sha256(f"{self.type}\n{self.key}".encode()).hexdigest()[:32]

    @property
    def body(self) -> bytes:
        """JSON object with `type`, `timestamp` and `data`."""
        at = self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return orjson.dumps({"type": self.type, "timestamp": at, "data": self.data})


def job_ended(record: JobRecord, state: FinalState, at: datetime, settings: Settings) -> Event:
    """Event of the end of a job.

    Args:
        record: the job, which may have been retried since; its result and error are then gone.
        state: state in which it ended.
        at: time of the end.
        settings: for the path of the job, and the folders that its error must not show.
    """
    error = None
    if record.error is not None:
        message = _shortened(hide_paths(record.error.message, **settings.folders))
        error = {"type": record.error.type, "message": message}
    data: dict[str, Any] = {
        "id": record.id,
        "kind": record.kind,
        "state": state,
        "attempt": record.attempt,
        "created_at": _text(record.created_at),
        "finished_at": _text(at),
        "job": f"{settings.root_path}/jobs/{record.id}",
        "result": record.result,
        "result_omitted": False,
        "error": error,
    }
    key = f"{record.id} {at.timestamp():.3f}"
    event = Event(_ENDS[state], at, key, data)
    if len(event.body) <= MAX_BODY_BYTES:
        return event
    # The result of an evaluation has an entry for each of up to 100 versions.
    return Event(event.type, at, key, {**data, "result": None, "result_omitted": True})


def alarm_raised(alarm: LiveAlarm) -> Event:
    """Event of an alarm of live traffic; the evidence is in GET /metrics/live."""
    data = alarm.model_dump(mode="json", exclude={"drift", "coverage"})
    key = f"{'/'.join(map(str, alarm.subject))} {alarm.time.timestamp():.3f}"
    return Event("alarm.raised", alarm.time, key, {**data, "message": _shortened(alarm.message)})


def champion_changed(promotion: Promotion) -> Event:
    """Event of a promotion, a rollback, or the archiving of a family; the evidence is in the audit trail."""
    data = promotion.model_dump(mode="json", exclude={"evidence"})
    data |= {"reason": _shortened(promotion.reason), "actor": _shortened(promotion.actor)}
    kind: EventType = "champion.removed" if promotion.to_version is None else "champion.changed"
    return Event(kind, promotion.at, f"{promotion.family} {promotion.entry} {promotion.at.timestamp():.3f}", data)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}..."


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()
