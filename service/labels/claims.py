"""Claims of pictures in Redis, so that two people never get the same picture."""

from __future__ import annotations

import secrets

from redis import Redis

from service.jobs.store.keys import PREFIX
from service.jobs.store.redis_client import broker_errors

CLAIM_SECONDS = 600
"""Time after which a claimed picture is given to somebody else."""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"


class Claims:
    """Claims of pictures by key; all methods block, and raise BrokerUnavailableError if Redis does not respond."""

    def __init__(self, client: Redis, *, seconds: int = CLAIM_SECONDS) -> None:
        self._client = client
        self._seconds = seconds

    def take(self, key: str) -> str | None:
        """Claim a picture; returns the token of the claim, None if the picture is claimed."""
        token = secrets.token_hex(16)
        with broker_errors():
            return token if self._client.set(_name(key), token, nx=True, ex=self._seconds) else None

    def holds(self, key: str, token: str) -> bool:
        """True if the claim with this token is still valid."""
        with broker_errors():
            return self._client.get(_name(key)) == token

    def release(self, key: str, token: str) -> None:
        """End a claim; nothing happens if it has expired."""
        with broker_errors():
            self._client.eval(_RELEASE, 1, _name(key), token)


def _name(key: str) -> str:
    return f"{PREFIX}labelling:{key}"
