"""Redis keys of jobs, under one prefix, and job ids."""

from __future__ import annotations

import re
import secrets

from core.errors import JobNotFoundError
from core.jobs.parameters import JobKind

PREFIX = "duet:"
JOBS = PREFIX + "jobs"
"""Sorted set of all job ids, all with score 0, so that it is ordered by id, which is by age."""
QUEUED = PREFIX + "jobs:queued"
"""Sorted set: queued job -> time when its message was last sent, or it was queued, in ms since the epoch."""
LEASES = PREFIX + "jobs:leases"
"""Sorted set: running or cancelling job -> expiry of its lease in ms since the epoch."""
FINISHED = PREFIX + "jobs:finished"
"""Sorted set: finished job -> time of its end in ms since the epoch."""
TOKENS = PREFIX + "jobs:token"
"""The newest fencing token."""
COUNTS = PREFIX + "jobs:counts"
"""Hash of counters of ended jobs and of their durations, which retention does not change; see prelude.lua."""
WORKER_PREFIX = PREFIX + "worker:"
"""Prefix of the expiring report of each live worker."""
WORKERS = PREFIX + "workers"
"""Sorted set: worker -> time of its last heartbeat in ms since the epoch; dead workers stay for some minutes."""
CELERY_PREFIX = PREFIX + "celery:"
"""Prefix of kombu's own keys."""

TASK_NAME = "duet.run_job"
QUEUES: tuple[JobKind, ...] = ("train", "evaluate", "batch", "download")

JOB_ID_PATTERN = r"[0-9a-f]{32}"


def new_job_id(milliseconds: int) -> str:
    """32 hexadecimal digits that sort by age: 12 of the given time, and 20 random ones against guessing."""
    return f"{milliseconds:012x}{secrets.token_hex(10)}"


def job_key(job_id: str) -> str:
    """Key of the hash with the record of a job.

    Raises:
        JobNotFoundError: the id is malformed.
    """
    return f"{PREFIX}job:{_checked(job_id)}"


def events_key(job_id: str) -> str:
    """Key of the stream of a job's events; raises as `job_key` does."""
    return f"{PREFIX}job:{_checked(job_id)}:events"


def idempotency_key(digest: str) -> str:
    """Key of the hash of an idempotency key with this digest."""
    return f"{PREFIX}idempotency:{digest}"


def leader_key(name: str) -> str:
    """Key of the leader lock of a task."""
    return f"{PREFIX}leader:{name}"


def queue_key(kind: JobKind) -> str:
    """Key of the list of messages in a queue."""
    return f"{CELERY_PREFIX}{kind}"


def _checked(job_id: str) -> str:
    if re.fullmatch(JOB_ID_PATTERN, job_id) is None:
        raise unknown_job(job_id)
    return job_id


def unknown_job(job_id: str) -> JobNotFoundError:
    """Error for an id without a job."""
    return JobNotFoundError(f"unknown job {job_id[:64]!r}: GET /jobs lists the existing jobs (old jobs are removed)")
