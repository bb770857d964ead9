"""Work that every process could do and one at a time should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockError, RedisError

from service.jobs.store.keys import leader_key
from service.jobs.store.redis_client import broker_errors


@contextmanager
def leader(client: Redis, name: str, *, timeout_seconds: float) -> Iterator[bool]:
    """Whether it is this process's turn at the task called `name`; at once, never waiting.

    A turn ends with the context, or after `timeout_seconds` where the process died; what is done in one must
    therefore be harmless when two do it at a time.

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
            with suppress(LockError, RedisError):  # it ran out, or will
                lock.release()


def once_per(client: Redis, name: str, *, seconds: float) -> bool:
    """Whether no process has been told so for `name` in the last `seconds`.

    Raises:
        BrokerUnavailableError: the broker cannot be used.
    """
    with broker_errors():
        return bool(client.set(leader_key(name), "taken", nx=True, px=max(1, round(seconds * 1000))))
