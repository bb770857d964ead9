"""Reaper: requeues jobs whose worker died, and resends lost messages; a leader lock lets one process do so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import LockError, RedisError

from service.jobs.dispatch import Dispatcher
from service.jobs.store.indexes import JobQueues
from service.jobs.store.keys import leader_key
from service.jobs.store.redis_client import broker_errors
from service.jobs.store.store import JobStore

log = logging.getLogger("duet.jobs")
LOCK_SECONDS = 30.0
LEASE_RAN_OUT = "the worker stopped renewing its lease: the process was killed, or its machine is down or unreachable"


@dataclass(frozen=True)
class Reaped:
    """Result of a round: ids of jobs that were requeued, that failed, and whose message was resent."""

    resumed: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    sent_again: tuple[str, ...] = ()


class Reaper:
    """Requeues and resends; any number of processes may run one, a leader lock lets one work at a time."""

    def __init__(self, store: JobStore, dispatcher: Dispatcher, *, resend_after_seconds: float = 5.0) -> None:
        self._store = store
        self._queues = JobQueues(store.client)
        self._dispatcher = dispatcher
        self._resend_after_seconds = resend_after_seconds
        self._suspects: dict[str, float] = {}

    def run_once(self) -> Reaped:
        """Run one round, or do nothing if another process is running one.

        A job is taken from its worker only if two consecutive rounds find the same expired lease: after a pause of the
        broker or the machine all leases have expired, and their workers are about to renew them.

        Raises:
            BrokerUnavailableError: the broker cannot be used.
        """
        with leader(self._store.client, "reaper") as ours:
            if not ours:
                return Reaped()
            resumed, given_up = self._expire()
            return Reaped(resumed, given_up, self._send_again())

    def _expire(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        expired = self._queues.expired_leases()
        overdue = [job_id for job_id, ran_out in expired.items() if self._suspects.get(job_id) == ran_out]
        self._suspects = expired
        resumed, given_up = [], []
        for job_id in overdue:
            record = self._store.expire(job_id, LEASE_RAN_OUT)
            if record is None:
                continue
            log.warning("job %s, attempt %d: %s; now %s", job_id, record.attempt, LEASE_RAN_OUT, record.state)
            if record.state == "queued":
                self._dispatcher.send(record)
                resumed.append(job_id)
            else:
                given_up.append(job_id)
        return tuple(resumed), tuple(given_up)

    def _send_again(self) -> tuple[str, ...]:
        sent = []
        for job_id in self._queues.without_message(self._resend_after_seconds):
            record = self._store.get(job_id)
            self._queues.mark_sent(job_id)
            if self._dispatcher.send(record):
                log.warning("job %s had no message in its queue: message resent", job_id)
                sent.append(job_id)
        return tuple(sent)


@contextmanager
def leader(client: Redis, name: str) -> Iterator[bool]:
    """Yield whether this process holds the lock of the task `name`; never blocks.

    The lock is released with the context, or after LOCK_SECONDS if the process died. Two processes may therefore
    overlap, and the task must tolerate this.

    Raises:
        BrokerUnavailableError: the broker cannot be used.
    """
    lock = client.lock(leader_key(name), timeout=LOCK_SECONDS, blocking=False, thread_local=False)
    with broker_errors():
        ours = lock.acquire()
    try:
        yield ours
    finally:
        if ours:
            with suppress(LockError, RedisError):  # the lock has expired or will expire
                lock.release()
