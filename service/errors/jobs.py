"""Errors of jobs: unknown ones, changes that come too late, requests sent twice, a broker or worker that is away."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

import core.errors
from core.errors import (
    BrokerUnavailableError,
    IdempotencyConflictError,
    IdempotencyInFlightError,
    JobError,
    UnknownJobError,
)
from service.errors.base import ProblemError

_EXAMPLE_ID = "019a1b2c3d4e5f60718293a4b5c6d7e8"


class JobNotFoundError(ProblemError):
    """No job has this id, or it was removed after its time."""

    status, slug, title = 404, "unknown-job", "There is no such job"

    @classmethod
    def example(cls) -> Self:
        return cls(f"no job '{_EXAMPLE_ID}': GET /jobs lists those that exist; old ones are removed in time")


class JobFinishedError(ProblemError):
    """The job has ended, so that there is nothing to cancel."""

    status, slug, title = 409, "job-ended", "The job has ended"

    @classmethod
    def example(cls) -> Self:
        return cls(f"job {_EXAMPLE_ID} cannot be cancelled: it has succeeded already")


class JobNotRetryableError(ProblemError):
    """The job has not ended or has succeeded, so that there is nothing to try again."""

    status, slug, title = 409, "job-not-retryable", "The job cannot be tried again"

    @classmethod
    def example(cls) -> Self:
        return cls(f"job {_EXAMPLE_ID} is running: only one that failed or was cancelled can be tried again")


class IdempotencyKeyReusedError(ProblemError):
    """The idempotency key came with another request before."""

    status, slug, title = 422, "idempotency-key-reused", "The idempotency key belongs to another request"

    @classmethod
    def example(cls) -> Self:
        return cls("this Idempotency-Key was used for a different request before: give every new request its own")


class RequestInFlightError(ProblemError):
    """The first request with the idempotency key is still being answered."""

    status, slug, title = 409, "request-in-flight", "The same request is still being answered"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})

    @classmethod
    def example(cls) -> Self:
        return cls("the first request with this Idempotency-Key is still being answered: send it again in a moment")


class TooManyStreamsError(ProblemError):
    """As many event streams are open as are allowed at a time."""

    status, slug, title = 429, "too-many-streams", "Too many event streams are open"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} event streams are open here: ask for /jobs/{{job_id}} now and then instead, or try again later",
            headers={"Retry-After": "10"},
        )

    @classmethod
    def example(cls) -> Self:
        return cls(1000)


class JobsNotConfiguredError(ProblemError):
    """The service was started without a broker, so that it has no jobs."""

    status, slug, title = 503, "jobs-not-configured", "Jobs are not set up"

    def __init__(self) -> None:
        super().__init__(
            "this service was started without a broker for jobs: set DUET_REDIS_URL to one, or leave "
            "DUET_EMBEDDED_BROKER on so that `duet serve` starts its own"
        )

    @classmethod
    def example(cls) -> Self:
        return cls()


class BrokerDownError(ProblemError):
    """The broker that keeps the jobs cannot be used now; the service looks for it again with every request."""

    status, slug, title = 503, "broker-unavailable", "The broker of the jobs is away"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})

    @classmethod
    def example(cls) -> Self:
        return cls("the broker that keeps the jobs does not answer: start it again, or check DUET_REDIS_URL")


class TrainingNotReadyError(ProblemError):
    """Workers are there, and none of them can run jobs of this kind now."""

    status, slug, title = 503, "training-not-ready", "No worker can run this job yet"

    def __init__(self, reason: str, since: datetime) -> None:
        """`since`: for how long that has been so."""
        super().__init__(
            f"no worker can run this job yet: {reason} (since {since:%Y-%m-%d %H:%M:%S} UTC)",
            headers={"Retry-After": "30"},
            reason=reason,
            since=since.isoformat(),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("the training environment is being installed", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


_PROBLEMS: dict[type[JobError], type[ProblemError]] = {
    UnknownJobError: JobNotFoundError,
    core.errors.JobFinishedError: JobFinishedError,
    core.errors.JobNotRetryableError: JobNotRetryableError,
    IdempotencyConflictError: IdempotencyKeyReusedError,
    IdempotencyInFlightError: RequestInFlightError,
    BrokerUnavailableError: BrokerDownError,
}


def job_problem(error: JobError) -> ProblemError:
    """The same error with its place in HTTP."""
    return _PROBLEMS[type(error)](str(error))
