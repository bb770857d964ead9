"""Names of everything that jobs keep in Redis, all under one prefix, and the ids of jobs."""

from __future__ import annotations

import re
import secrets

from core.errors import UnknownJobError
from core.jobs.parameters import JobKind

PREFIX = "duet:"
JOBS = PREFIX + "jobs"
"""Sorted set of every job's id, all with score 0, so that it is ordered by id, which is by age."""
QUEUED = PREFIX + "jobs:queued"
"""Sorted set: job -> when its message was last sent, or it was queued, in ms since the epoch."""
LEASES = PREFIX + "jobs:leases"
"""Sorted set: job that is running or cancelling -> when its lease runs out, in ms since the epoch."""
FINISHED = PREFIX + "jobs:finished"
"""Sorted set: job that has ended -> when, in ms since the epoch."""
TOKENS = PREFIX + "jobs:token"
"""The newest fencing token that was given out."""
WORKER_PREFIX = PREFIX + "worker:"
"""Before the name of each worker that is alive: its report, which expires."""
CELERY_PREFIX = PREFIX + "celery:"
"""Put by kombu before the name of every key of its own."""

TASK_NAME = "duet.run_job"
QUEUES: tuple[JobKind, ...] = ("train", "evaluate")

JOB_ID_PATTERN = r"[0-9a-f]{32}"


def new_job_id(milliseconds: int) -> str:
    """32 hexadecimal digits that sort by age: 12 of the given time, and 20 random ones, so that none can be guessed."""
    return f"{milliseconds:012x}{secrets.token_hex(10)}"


def job_key(job_id: str) -> str:
    """The hash that is the record of a job.

    Raises:
        UnknownJobError: no job can have this id.
    """
    return f"{PREFIX}job:{_checked(job_id)}"


def events_key(job_id: str) -> str:
    """The stream of a job's events; raises as `job_key` does."""
    return f"{PREFIX}job:{_checked(job_id)}:events"


def idempotency_key(digest: str) -> str:
    """The hash that remembers the request with this digest of an idempotency key."""
    return f"{PREFIX}idempotency:{digest}"


def leader_key(name: str) -> str:
    """The lock that lets one process at a time do a task that all of them could do."""
    return f"{PREFIX}turn:{name}"


def queue_key(kind: JobKind) -> str:
    """The list of waiting messages of the queue, as it is called at the broker."""
    return f"{CELERY_PREFIX}{kind}"


def _checked(job_id: str) -> str:
    if re.fullmatch(JOB_ID_PATTERN, job_id) is None:
        raise unknown_job(job_id)
    return job_id


def unknown_job(job_id: str) -> UnknownJobError:
    """The error for an id that no job has."""
    return UnknownJobError(f"no job {job_id[:64]!r}: GET /jobs lists those that exist; old ones are removed in time")
