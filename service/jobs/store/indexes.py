"""Which jobs wait, and which ought not to wait any longer: what the reaper and retention look through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.store.keys import FINISHED, LEASES, QUEUED, QUEUES, job_key, queue_key
from service.jobs.store.redis_client import broker_errors

MOST = 1000
"""Most jobs that one look returns; the next look finds the others."""


class JobQueues:
    """Reads the indexes of jobs. Every method raises BrokerUnavailableError where the broker cannot be used."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def expired_leases(self) -> dict[str, float]:
        """Jobs whose lease has run out, each with when, in ms since the epoch."""
        with broker_errors():
            expired: Any = self._client.zrange(
                LEASES, 0, self._ago(0), byscore=True, offset=0, num=MOST, withscores=True
            )
        return dict(expired)

    def without_message(self, seconds: float) -> Sequence[str]:
        """Queued jobs that were last sent more than `seconds` ago and may have no message in their queue.

        A queue with fewer messages than jobs has lost one. Which one cannot be told, so all are named: one message
        too many is taken and dropped in a moment, and hides a lost one no longer than until a worker is free.
        """
        with broker_errors():
            waiting: Any = self._client.zrange(QUEUED, 0, self._ago(seconds), byscore=True, offset=0, num=MOST)
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
        """Note that a message of the job, if it still waits, is sent now."""
        with broker_errors():
            self._client.zadd(QUEUED, {job_id: self._ago(0)}, xx=True)

    def ended(self, seconds: float) -> Sequence[str]:
        """Jobs that ended at least so long ago, the oldest first."""
        with broker_errors():
            ids: Any = self._client.zrange(FINISHED, 0, self._ago(seconds), byscore=True, offset=0, num=MOST)
        return list(ids)

    def _ago(self, seconds: float) -> int:
        now, microseconds = self._client.time()
        return int(now * 1000 + microseconds // 1000 - seconds * 1000)
