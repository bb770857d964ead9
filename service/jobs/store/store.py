"""Job store in Redis: every change of a job is one Lua script, which Redis runs atomically.

A claim issues a fencing token. Every change by an attempt carries its token. The scripts reject a token that is not the
newest or whose job has ended, so only the newest attempt at a job can write. The scripts use the clock of Redis, not
those of the machines. Each script is idempotent and may be resent after a lost response.

    queued --claim--> running --request_cancel--> cancelling --finish--> succeeded | failed | cancelled
      ^---- interrupt -------'                                             |
      '------------------------------- retry ------------------------------'   (not after succeeded)
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import orjson
from pydantic import JsonValue
from redis import Redis

from core.errors import JobFinishedError, JobNotRetryableError, LostClaimError
from core.jobs.events import (
    AddedEvent,
    Cancelling,
    Claimed,
    Finished,
    ReportedEvent,
    Retried,
    Submitted,
    to_text,
)
from core.jobs.parameters import JobKind, JobParameters
from core.jobs.records import FinalState, JobFailure, JobRecord, JobState
from service.jobs.scripts import load
from service.jobs.store import keys
from service.jobs.store.idempotency import Reservation, conflict
from service.jobs.store.records import Cause, fields_of, interruption_args, progress_fields, read_record, record_of
from service.jobs.store.redis_client import broker_errors, connect

ClaimStatus = Literal["held", "cancel_requested", "lost"]
"""State of a claim: continue; stop with a checkpoint; or stop immediately without writing."""

DEFAULT_EVENTS_KEPT = 10_000
_SCRIPTS = ("create", "claim", "renew", "permit", "append", "finish", "interrupt", "cancel", "retry", "forget")
_CLAIM_STATUSES: Mapping[str, ClaimStatus] = {"running": "held", "cancelling": "cancel_requested", "lost": "lost"}
_FILTERED_PAGE = 200


@dataclass(frozen=True)
class Claim:
    """A job claimed by this worker until the lease expires."""

    record: JobRecord
    token: int


@dataclass(frozen=True)
class Page:
    """A page of jobs, newest first; `next_cursor` is None on the last page."""

    records: tuple[JobRecord, ...]
    next_cursor: str | None


class JobStore:
    """Reads and changes jobs; safe for any number of threads and processes.

    Every method raises BrokerUnavailableError if the broker is unavailable. Methods with a job id raise
    JobNotFoundError if there is no such job. `append`, `finish` and `interrupt` raise LostClaimError if the token is
    not the newest or the job has ended.

    Args:
        client: must decode responses to str.
        events_kept: approximate number of events kept per job; the oldest are removed first.
    """

    def __init__(self, client: Redis, *, events_kept: int = DEFAULT_EVENTS_KEPT) -> None:
        self.client = client
        self._events_kept = events_kept
        self._scripts = {name: client.register_script(load(name)) for name in _SCRIPTS}

    @classmethod
    def open(cls, url: str, *, events_kept: int = DEFAULT_EVENTS_KEPT) -> Self:
        """Open the store at `url` (redis://, rediss:// or unix://); connects on first use."""
        return cls(connect(url), events_kept=events_kept)

    def create(
        self,
        kind: JobKind,
        parameters: JobParameters,
        *,
        request_id: str,
        traceparent: str | None,
        key_id: str = "",
        reservation: Reservation | None = None,
    ) -> JobRecord:
        """Record a new queued job, or return the job that the reservation's idempotency key already has.

        `key_id` is the id of the API key that submits it, see `JobQueues.queued`.

        Raises:
            IdempotencyConflictError: the reservation expired and another request took the key.
        """
        if reservation is not None and reservation.job_id is not None:
            return self.get(reservation.job_id)
        with broker_errors():
            seconds, microseconds = self.client.time()
        job_id = keys.new_job_id(seconds * 1000 + microseconds // 1000)
        args = [kind, parameters.model_dump_json(), request_id, key_id, traceparent or "", to_text(Submitted())]
        more_args: list[Any] = [] if reservation is None else [reservation.digest, reservation.retention_ms]
        more_keys = [] if reservation is None else [reservation.key]
        answer, *rest = self._run("create", job_id, *args, *more_args, more_keys=more_keys)
        if answer == "conflict":
            raise conflict()
        return self.get(rest[0]) if answer == "replay" else record_of(job_id, rest[0])

    def get(self, job_id: str) -> JobRecord:
        """The record of a job."""
        with broker_errors():
            fields: Any = self.client.hgetall(keys.job_key(job_id))
        if not fields:
            raise keys.unknown_job(job_id)
        return read_record(job_id, fields)

    def list(
        self, *, kind: JobKind | None = None, state: JobState | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page:
        """Up to `limit` jobs, newest first, starting after `cursor`."""
        found: list[JobRecord] = []
        page_size = limit + 1 if kind is None and state is None else _FILTERED_PAGE
        while True:
            ids = self._ids_before(cursor, page_size)
            for record in self._records(ids):
                if kind in (None, record.kind) and state in (None, record.state):
                    if len(found) == limit:
                        return Page(tuple(found), found[-1].id)
                    found.append(record)
            if len(ids) < page_size:
                return Page(tuple(found), None)
            cursor = ids[-1]

    def claim(self, job_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Claim a queued job; None if it is already claimed or finished."""
        nonce = secrets.token_hex(8)
        answer, *rest = self._run(
            "claim", job_id, worker, _milliseconds(lease_seconds), nonce, to_text(Claimed(worker=worker))
        )
        if answer == "unknown":
            raise keys.unknown_job(job_id)
        if answer == "taken":
            return None
        record = record_of(job_id, rest[0])
        return Claim(record, int(fields_of(rest[0])["token"]))

    def renew(self, job_id: str, token: int, lease_seconds: float) -> ClaimStatus:
        """Renew the lease for `lease_seconds` from now. An expired lease can be renewed until the reaper runs."""
        (answer,) = self._run("renew", job_id, token, _milliseconds(lease_seconds))
        return _CLAIM_STATUSES[answer]

    def permit(self, job_id: str, token: int, action: Literal["checkpoint", "publish"]) -> bool:
        """Return whether the attempt with this token may write now; a grant renews the lease.

        A checkpoint requires the newest claim. Publishing also requires that the job is not being cancelled.
        """
        return bool(self._run("permit", job_id, token, action) == ["granted"])

    def append(
        self, job_id: str, token: int, events: Sequence[ReportedEvent | AddedEvent], *, batch: str | None = None
    ) -> None:
        """Append events to the job's stream and update its progress atomically.

        A `batch` that is resent after a lost response is stored only once. The stream keeps only the newest `progress`
        event; all other events stay until the stream is full.
        """
        fields = progress_fields(events)
        pairs = [item for name, value in fields.items() for item in (name, orjson.dumps(value))]
        stored = [item for event in events for item in (event.event, to_text(event))]
        answer, *_ = self._run("append", job_id, token, batch or secrets.token_hex(8), len(fields), *pairs, *stored)
        if answer == "lost":
            raise _lost(job_id)

    def finish(
        self,
        job_id: str,
        token: int,
        state: FinalState,
        *,
        result: Mapping[str, JsonValue] | None = None,
        error: JobFailure | None = None,
    ) -> JobRecord:
        """End the job."""
        return self._run_as_holder(
            "finish",
            job_id,
            token,
            state,
            "" if result is None else orjson.dumps(result),
            "" if error is None else error.model_dump_json(),
            to_text(Finished(state=state)),
        )

    def interrupt(self, job_id: str, token: int, reason: str, cause: Cause = "crash") -> JobRecord:
        """Record that the attempt ended before the job did.

        The job is queued again, and the caller sends its message. After the second crash, or after the eleventh lost
        worker without a checkpoint in between, the job fails. A job in state `cancelling` becomes `cancelled`.
        """
        return self._run_as_holder("interrupt", job_id, token, *interruption_args(reason, cause))

    def expire(self, job_id: str, reason: str) -> JobRecord | None:
        """Same as `interrupt` for the lost worker of the current attempt; returns None if its lease has not expired."""
        answer, *rest = self._run("interrupt", job_id, "", *interruption_args(reason, "lost_worker"))
        return None if answer == "lost" else record_of(job_id, rest[0])

    def request_cancel(self, job_id: str) -> JobRecord:
        """Cancel a job: a queued job ends immediately, a running job is `cancelling` until its worker has stopped it.

        Raises:
            JobFinishedError: it has ended.
        """
        answer, *rest = self._run("cancel", job_id, to_text(Cancelling()), to_text(Finished(state="cancelled")))
        if answer == "unknown":
            raise keys.unknown_job(job_id)
        if answer != "ok":
            ended = "been cancelled" if answer == "cancelled" else answer
            raise JobFinishedError(f"job {job_id} cannot be cancelled: it has already {ended}")
        return record_of(job_id, rest[0])

    def retry(self, job_id: str) -> JobRecord:
        """Queue a failed or cancelled job again under the same id; it resumes from its checkpoint.

        Raises:
            JobNotRetryableError: it has not ended, or has succeeded.
        """
        answer, *rest = self._run("retry", job_id, to_text(Retried()))
        if answer == "unknown":
            raise keys.unknown_job(job_id)
        if answer != "ok":
            raise JobNotRetryableError(f"job {job_id} is {answer}: only a failed or cancelled job can be retried")
        return record_of(job_id, rest[0])

    def forget(self, job_id: str, *, ended_before_seconds: float) -> bool:
        """Remove the record and events of a job that ended before this time; returns whether they were removed."""
        return bool(self._run("forget", job_id, _milliseconds(ended_before_seconds)) == ["ok"])

    def _run_as_holder(self, script: str, job_id: str, *args: Any) -> JobRecord:
        answer, *rest = self._run(script, job_id, *args)
        if answer == "lost":
            raise _lost(job_id)
        return record_of(job_id, rest[0])

    def _run(self, script: str, job_id: str, *args: Any, more_keys: Sequence[str] = ()) -> Any:
        names = [keys.job_key(job_id), keys.events_key(job_id), keys.JOBS, keys.QUEUED, keys.LEASES, keys.FINISHED]
        with broker_errors():
            return self._scripts[script](
                keys=[*names, keys.TOKENS, keys.COUNTS, *more_keys], args=[job_id, self._events_kept, *args]
            )

    def _ids_before(self, cursor: str | None, max_ids: int) -> Sequence[str]:
        start = "+" if cursor is None else f"({cursor}"
        with broker_errors():
            ids: Any = self.client.zrange(keys.JOBS, start, "-", desc=True, bylex=True, offset=0, num=max_ids)
        return list(ids)

    def _records(self, ids: Sequence[str]) -> Sequence[JobRecord]:
        with broker_errors(), self.client.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hgetall(keys.job_key(job_id))
            answers = pipeline.execute()
        # A job may have been removed since its id was read.
        return [read_record(job_id, fields) for job_id, fields in zip(ids, answers, strict=True) if fields]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _lost(job_id: str) -> LostClaimError:
    return LostClaimError(f"the claim on job {job_id} is lost: another attempt holds it, or the job has ended")
