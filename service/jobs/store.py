"""The jobs in Redis: every change of a job is one script that the broker runs whole or not at all.

A claim gives out a fencing token. Whatever an attempt changes names its token, and a script refuses one that is not
the newest or whose job has ended, so that of two copies of a job only the newest can ever write. Scripts read the
broker's clock, so those of the machines do not matter; each may be sent again after a lost answer without harm.

    queued --claim--> running --request_cancel--> cancelling --finish--> succeeded | failed | cancelled
      ^-- interrupt (once) --'                                             |
      '------------------------------- retry ------------------------------'   (not of one that succeeded)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from redis import Redis

from core.jobs.events import AddedEvent, ReportedEvent
from core.jobs.parameters import JobKind, JobParameters
from service.jobs.idempotency import Reservation
from service.jobs.records import FinalState, JobFailure, JobRecord, JobState

Standing = Literal["held", "cancel_requested", "lost"]
"""Where a claim stands: go on; stop, keeping a checkpoint; or stop at once without writing anything."""


@dataclass(frozen=True)
class Claim:
    """A job that is this worker's until its lease runs out."""

    record: JobRecord
    token: int


@dataclass(frozen=True)
class Page:
    """Some of the jobs, newest first; `next_cursor` is None on the last page."""

    records: tuple[JobRecord, ...]
    next_cursor: str | None


class JobStore:
    """Reads and changes jobs. Every method raises BrokerUnavailableError where the broker cannot be used.

    Args:
        client: decodes answers to str.
        events_kept: about how many events of each job are kept; the oldest go first.
    """

    def __init__(self, client: Redis, *, events_kept: int = 10_000) -> None: ...

    @classmethod
    def open(cls, url: str, *, events_kept: int = 10_000) -> Self:
        """The store at `url` (redis://, rediss:// or unix://); connects when first used."""

    def create(
        self,
        kind: JobKind,
        parameters: JobParameters,
        *,
        request_id: str,
        traceparent: str | None,
        reservation: Reservation | None = None,
    ) -> JobRecord:
        """Record a new job, queued; with the reservation of an idempotency key that has one already, that job."""

    def get(self, job_id: str) -> JobRecord:
        """The record of a job. Raises UnknownJobError."""

    def list(
        self, *, kind: JobKind | None = None, state: JobState | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page:
        """Jobs, newest first; `cursor` is a page's `next_cursor`."""

    def claim(self, job_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Take a queued job. None: it is not to be had (claimed by another, or ended). Raises UnknownJobError."""

    def renew(self, job_id: str, token: int, lease_seconds: float) -> Standing:
        """Keep the job for `lease_seconds` from now."""

    def permit(self, job_id: str, token: int) -> bool:
        """Whether the attempt with this token may write a checkpoint or publish now."""

    def append(self, job_id: str, token: int, events: Sequence[ReportedEvent | AddedEvent]) -> None:
        """Add events to the job's stream and bring its progress up to date. Raises LostClaimError."""

    def finish(
        self,
        job_id: str,
        token: int,
        state: FinalState,
        *,
        result: dict[str, object] | None = None,
        error: JobFailure | None = None,
    ) -> JobRecord:
        """End the job. Raises LostClaimError."""

    def interrupt(self, job_id: str, token: int, reason: str) -> JobRecord:
        """The attempt ended without an end of the job: back to queued the first time, failed the second (cancelled
        where that was asked for). Raises LostClaimError.
        """

    def request_cancel(self, job_id: str) -> JobRecord:
        """Cancel: a queued job at once, a running one becomes cancelling. Raises UnknownJobError, JobFinishedError."""

    def retry(self, job_id: str) -> JobRecord:
        """Queue a failed or cancelled job again under its id, so that it goes on from its checkpoint.

        Raises UnknownJobError, JobNotRetryableError.
        """
