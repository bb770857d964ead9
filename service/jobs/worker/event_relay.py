"""What a child tells, passed on to the job's stream; what it asks, answered once the broker has been asked."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

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
from service.jobs.worker.line_reader import OversizedLine

MAX_COMPLAINTS = 20
"""After so many lines that are no messages, further ones are passed over in silence: a stream has a bounded length."""
MAX_WAITING = 1000
"""Events kept while the broker is away; past it, progress that is out of date goes first."""


class Broker(Protocol):
    """The part of the job store that a relay needs."""

    def append(
        self, job_id: str, token: int, events: Sequence[ReportedEvent | AddedEvent], *, batch: str | None = None
    ) -> None:
        """Add events to the job's stream, those of a batch once."""

    def permit(self, job_id: str, token: int, action: Literal["checkpoint", "publish"]) -> bool:
        """Whether the attempt may write now."""


class EventForwarder:
    """One attempt's events on their way to the store.

    Args:
        store: of the jobs.
        job_id: of the job.
        token: of the claim.
        answer: tells the child.
    """

    def __init__(self, store: Broker, job_id: str, token: int, answer: Callable[[Permission], None]) -> None:
        self._store = store
        self._job_id = job_id
        self._token = token
        self._answer = answer
        self._waiting: list[ReportedEvent | AddedEvent] = []
        self._sending: list[ReportedEvent | AddedEvent] = []
        self._batch = ""
        self._asked: list[Permit] = []
        self._complaints = 0
        self.published: Published | None = None
        self.result: Result | None = None
        self.failed: Failed | None = None
        self.refused = False
        """Whether a permit was asked for and not granted."""

    def receive(self, lines: Sequence[bytes | OversizedLine]) -> None:
        """Read lines of the child; what is no message becomes a note."""
        for line in lines:
            if isinstance(line, OversizedLine):
                self._complain(f"a line of {line.bytes:,} bytes, which is more than {MAX_LINE_BYTES:,}")
                continue
            try:
                message = read_child_message(line)
            except JobEventError as error:
                self._complain(str(error))
                continue
            if isinstance(message, Permit):
                self._asked.append(message)
            else:
                self._remember(message)
                self.add(message)

    def add(self, event: ReportedEvent | AddedEvent) -> None:
        """Put an event behind those that wait."""
        self._waiting.append(event)
        if len(self._waiting) > MAX_WAITING:
            # The event that has just come may be progress; all before it is out of date.
            self._waiting = [each for each in self._waiting if each is event or not isinstance(each, Progress)]
            del self._waiting[: len(self._waiting) - MAX_WAITING]

    def flush(self) -> None:
        """Pass on what waits, then answer what was asked; both stay for the next call where the broker is away.

        Raises:
            BrokerUnavailableError: it is away.
            LostClaimError: another attempt has the job.
        """
        while self._sending or self._waiting:
            if not self._sending:
                self._sending, self._waiting = self._waiting, []
                self._batch = secrets.token_hex(8)
            self._store.append(self._job_id, self._token, self._sending, batch=self._batch)
            self._sending = []
        while self._asked:
            asked = self._asked[0]
            granted = self._store.permit(self._job_id, self._token, asked.action)
            del self._asked[0]
            self.refused = self.refused or not granted
            self._answer(Permission(number=asked.number, granted=granted))

    def _remember(self, message: ReportedEvent) -> None:
        match message:
            case Published():
                self.published = message
            case Result():
                self.result = message
            case Failed():
                self.failed = message

    def _complain(self, what: str) -> None:
        self._complaints += 1
        if self._complaints <= MAX_COMPLAINTS:
            last = "; no more such lines are noted" if self._complaints == MAX_COMPLAINTS else ""
            self.add(Note(text=f"the job's process wrote on its event pipe what is no event: {what}{last}"))
