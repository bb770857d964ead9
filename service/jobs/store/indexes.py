"""Indexes of jobs for queue limits, reaper and retention: queued, leased and finished jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.store.keys import FINISHED, LEASES, QUEUED, QUEUES, job_key, queue_key
from service.jobs.store.redis_client import broker_errors

MAX_JOBS = 1000
"""Limit of jobs per query; the next round finds the others."""


class JobQueues:
    """Reads the indexes. Every method raises BrokerUnavailableError if the broker is unavailable."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def queued(self, key_id: str) -> tuple[int, int]:
        """Number of all queued jobs, and of those that were submitted with the API key of this id."""
        with broker_errors():
            ids: Any = self._client.zrange(QUEUED, 0, -1)
            with self._client.pipeline(transaction=False) as pipeline:
                for job_id in ids:
                    pipeline.hget(job_key(job_id), "key_id")
                owners = pipeline.execute()
        return len(ids), owners.count(key_id)

    def expired_leases(self) -> dict[str, float]:
        """Jobs with an expired lease -> its expiry in ms since the epoch."""
        with broker_errors():
            expired: Any = self._client.zrange(
                LEASES, 0, self._ago(0), byscore=True, offset=0, num=MAX_JOBS, withscores=True
            )
        return dict(expired)

    def without_message(self, seconds: float) -> Sequence[str]:
        """Queued jobs whose message was sent more than `seconds` ago and may be lost.

        A queue with fewer messages than jobs has lost a message. The lost one is unknown, so all jobs of the queue are
        returned: workers drop duplicate messages.
        """
        with broker_errors():
            waiting: Any = self._client.zrange(QUEUED, 0, self._ago(seconds), byscore=True, offset=0, num=MAX_JOBS)
            if not waiting:
                return []
            with self._client.pipeline(transaction=False) as pipeline:
                for job_id in waiting:
                    pipeline.hget(job_key(job_id), "kind")
                for kind in QUEUES:
                    pipeline.llen(queue_key(kind))
                answers = pipeline.execute()
        jobs: dict[JobKind, list[str]] = {kind: [] for kind in QUEUES}
        for job_id, kind in zip(waiting, answers, strict=False):
            if kind is not None:
                jobs[kind].append(job_id)
        messages = dict(zip(QUEUES, answers[len(waiting) :], strict=True))
        return [job_id for kind in QUEUES if messages[kind] < len(jobs[kind]) for job_id in jobs[kind]]

    def mark_sent(self, job_id: str) -> None:
        """Record that the message of the job is sent now, if the job is still queued."""
        with broker_errors():
            self._client.zadd(QUEUED, {job_id: self._ago(0)}, xx=True)

    def ended(self, seconds: float) -> Sequence[str]:
        """Jobs that ended at least `seconds` ago, oldest first."""
        with broker_errors():
            ids: Any = self._client.zrange(FINISHED, 0, self._ago(seconds), byscore=True, offset=0, num=MAX_JOBS)
        return list(ids)

    def _ago(self, seconds: float) -> int:
        now, microseconds = self._client.time()
        return int(now * 1000 + microseconds // 1000 - seconds * 1000)
