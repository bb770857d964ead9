"""Errors of jobs that the service raises itself; those of the job store are in `core.errors`."""

from __future__ import annotations

from datetime import datetime

from service.errors.base import ProblemError


class TooManyStreamsError(ProblemError):
    """The limit of open event streams is reached."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} event streams are open: poll /jobs/{{job_id}} instead, or try again later")


class JobsNotConfiguredError(ProblemError):
    """The service runs without a broker, and therefore without jobs."""

    def __init__(self) -> None:
        super().__init__(
            "this service was started without a broker for jobs: set DUET_REDIS_URL to one, or set "
            "DUET_EMBEDDED_BROKER=1 so that `duet serve` starts its own"
        )


class TrainingNotReadyError(ProblemError):
    """Workers are alive, but none of them can run jobs of this kind now."""

    def __init__(self, reason: str, since: datetime) -> None:
        super().__init__(
            f"no worker can run this job yet: {reason} (since {since:%Y-%m-%d %H:%M:%S} UTC)",
            reason=reason,
            since=since.isoformat(),
        )
