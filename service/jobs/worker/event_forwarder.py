"""Event forwarder: passes a child's events to the job's stream and answers its permit requests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from core.errors import JobEventError
from core.jobs.events import (
    MAX_LINE_BYTES,
    AddedEvent,
    Failed,
    Note,
    Permission,
    Permit,
    Progress,
    Published,
    ReportedEvent,
    Result,
    read_child_message,
)
from service.jobs.store.store import JobStore
from service.jobs.worker.line_reader import OversizedLine

MAX_INVALID_LINES = 20
"""Maximum number of invalid lines reported as notes; more would displace events from the bounded stream."""
MAX_PENDING = 1000
"""Maximum number of events kept while the broker is unavailable; outdated progress is dropped first."""


class EventForwarder:
    """Forwards the events of one attempt to the store; `answer` sends a permission to the child."""

    def __init__(self, store: JobStore, job_id: str, token: int, answer: Callable[[Permission], None]) -> None:
        self._store = store
        self._job_id = job_id
        self._token = token
        self._answer = answer
        self._pending: list[ReportedEvent | AddedEvent] = []
        self._sending: list[ReportedEvent | AddedEvent] = []
        self._batch = ""
        self._requests: list[Permit] = []
        self._invalid_lines = 0
        self.published: Published | None = None
        self.result: Result | None = None
        self.failed: Failed | None = None
        self.refused = False
        """True if a permit was requested and denied."""

    def receive(self, lines: Sequence[bytes | OversizedLine]) -> None:
        """Process lines of the child; an invalid line becomes a note."""
        for line in lines:
            if isinstance(line, OversizedLine):
                self._report_invalid(f"a line of {line.bytes:,} bytes, the limit is {MAX_LINE_BYTES:,}")
                continue
            try:
                message = read_child_message(line)
            except JobEventError as error:
                self._report_invalid(str(error))
                continue
            if isinstance(message, Permit):
                self._requests.append(message)
            else:
                self._remember(message)
                self.add(message)

    def add(self, event: ReportedEvent | AddedEvent) -> None:
        """Append an event to the pending ones."""
        self._pending.append(event)
        if len(self._pending) > MAX_PENDING:
            newest = next((each for each in reversed(self._pending) if isinstance(each, Progress)), None)
            self._pending = [each for each in self._pending if each is newest or not isinstance(each, Progress)]
            del self._pending[: len(self._pending) - MAX_PENDING]

    def flush(self) -> None:
        """Send the pending events, then answer the permit requests; during an outage both are kept for the next call.

        Raises:
            BrokerUnavailableError: the broker is unavailable.
            LostClaimError: another attempt holds the job.
        """
        while self._sending or self._pending:
            if not self._sending:
                self._sending, self._pending = self._pending, []
                self._batch = secrets.token_hex(8)
            self._store.append(self._job_id, self._token, self._sending, batch=self._batch)
            self._sending = []
        while self._requests:
            request = self._requests[0]
            granted = self._store.permit(self._job_id, self._token, request.action)
            del self._requests[0]
            self.refused = self.refused or not granted
            self._answer(Permission(number=request.number, granted=granted))

    def _remember(self, message: ReportedEvent) -> None:
        match message:
            case Published():
                self.published = message
            case Result():
                self.result = message
            case Failed():
                self.failed = message

    def _report_invalid(self, what: str) -> None:
        self._invalid_lines += 1
        if self._invalid_lines <= MAX_INVALID_LINES:
            last = "; further such lines are not reported" if self._invalid_lines == MAX_INVALID_LINES else ""
            self.add(Note(text=f"the job's process wrote an invalid event: {what}{last}"))
