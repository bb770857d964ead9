"""Idempotency keys: a request that is resent after a lost response creates only one job.

    with keys.reserve(key, "train", parameters) as reservation:
        record = store.create("train", parameters, ..., reservation=reservation)

The reservation marks the key as in flight while the request is processed. `JobStore.create` binds the key to the job in
the script that records the job, so that a crash cannot leave one without the other. See
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from redis import Redis

from core.errors import IdempotencyConflictError, IdempotencyInFlightError
from core.jobs.parameters import JobKind, JobParameters
from service.jobs.scripts import load
from service.jobs.store.keys import idempotency_key
from service.jobs.store.redis_client import broker_errors

IN_FLIGHT_MS = 30_000
"""Expiry of a reservation whose process died; longer than any request takes to record a job."""


@dataclass(frozen=True)
class Reservation:
    """An idempotency key held by this request; `job_id` is set if an earlier request created the job."""

    key: str
    digest: str
    nonce: str
    retention_ms: int
    job_id: str | None


class IdempotencyKeys:
    """Reserves idempotency keys.

    Args:
        retention_seconds: lifetime of a key after its job was created.
    """

    def __init__(self, client: Redis, *, retention_seconds: float) -> None:
        self._retention_ms = round(retention_seconds * 1000)
        self._reserve = client.register_script(load("reserve"))
        self._release = client.register_script(load("release"))

    @contextmanager
    def reserve(self, key: str, kind: JobKind, parameters: JobParameters) -> Iterator[Reservation]:
        """Hold the key while the request is processed; an exception inside releases it.

        Raises:
            IdempotencyConflictError: the key was used for another kind of job or other parameters.
            IdempotencyInFlightError: an earlier request with the key is still being processed.
            BrokerUnavailableError: the broker is unavailable.
        """
        reservation = self._begin(key, kind, parameters)
        try:
            yield reservation
        except BaseException:
            if reservation.job_id is None:
                with broker_errors():
                    self._release(keys=[reservation.key], args=[reservation.nonce])
            raise

    def _begin(self, key: str, kind: JobKind, parameters: JobParameters) -> Reservation:
        name = idempotency_key(sha256(key.encode()).hexdigest())
        digest = sha256(f"{kind}\n{parameters.model_dump_json()}".encode()).hexdigest()
        nonce = secrets.token_hex(16)
        with broker_errors():
            answer, job_id = self._reserve(keys=[name], args=[digest, nonce, IN_FLIGHT_MS])
        if answer == "conflict":
            raise conflict()
        if answer == "in_flight":
            raise IdempotencyInFlightError(
                "the first request with this Idempotency-Key is still being processed: send it again in a moment"
            )
        return Reservation(name, digest, nonce, self._retention_ms, job_id or None)


def conflict() -> IdempotencyConflictError:
    """Error for a key of another request."""
    return IdempotencyConflictError(
        "this Idempotency-Key was used for a different request before: send a new key with each new request"
    )
