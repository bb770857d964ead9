"""Leader lock: only one process at a time runs a maintenance task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockError, RedisError

from service.jobs.store.keys import leader_key
from service.jobs.store.redis_client import broker_errors


@contextmanager
def leader(client: Redis, name: str, *, timeout_seconds: float) -> Iterator[bool]:
    """Yield whether this process holds the lock of the task `name`; never blocks.

    The lock is released with the context, or after `timeout_seconds` if the process died. Two processes may therefore
    overlap, and the task must tolerate this.

    Raises:
        BrokerUnavailableError: the broker cannot be used.
    """
    lock = client.lock(leader_key(name), timeout=timeout_seconds, blocking=False, thread_local=False)
    with broker_errors():
        ours = lock.acquire()
    try:
        yield ours
    finally:
        if ours:
            with suppress(LockError, RedisError):  # the lock has expired or will expire
                lock.release()


def once_per(client: Redis, name: str, *, seconds: float) -> bool:
    """Return True for one process in every `seconds`, for the task `name`.

    Raises:
        BrokerUnavailableError: the broker cannot be used.
    """
    with broker_errors():
        return bool(client.set(leader_key(name), "taken", nx=True, px=max(1, round(seconds * 1000))))
