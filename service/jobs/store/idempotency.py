"""Idempotency keys: a request sent twice, because its answer was lost, makes one job.

    with keys.reserve(key, "train", parameters) as reservation:
        record = store.create("train", parameters, ..., reservation=reservation)

The reservation marks the key as in flight while the request is answered; `JobStore.create` binds it to the job in the
very script that records the job, so that no crash between the two leaves one without the other. See
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
"""After which a reservation whose process died is void; no request takes this long to record a job."""


@dataclass(frozen=True)
class Reservation:
    """An idempotency key that is this request's; `job_id` is set where an earlier one has made the job already."""

    key: str
    digest: str
    nonce: str
    retention_ms: int
    job_id: str | None


class IdempotencyKeys:
    """The keys of requests answered lately.

    Args:
        client: decodes answers to str.
        retention_seconds: how long a key is remembered once its job is made.
    """

    def __init__(self, client: Redis, *, retention_seconds: float) -> None:
        self._retention_ms = round(retention_seconds * 1000)
        self._reserve = client.register_script(load("reserve"))
        self._release = client.register_script(load("release"))

    @contextmanager
    def reserve(self, key: str, kind: JobKind, parameters: JobParameters) -> Iterator[Reservation]:
        """Hold the key while the request is answered; an error raised inside gives it back.

        Raises:
            IdempotencyConflictError: the key came with another kind of job or other parameters before.
            IdempotencyInFlightError: an earlier request with the key is still being answered.
            BrokerUnavailableError: the broker cannot be used.
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
                "the first request with this Idempotency-Key is still being answered: wait a moment and send it again"
            )
        return Reservation(name, digest, nonce, self._retention_ms, job_id or None)


def conflict() -> IdempotencyConflictError:
    """The error for a key that came with another request before."""
    return IdempotencyConflictError(
        "this Idempotency-Key was used for a different request before: give every new request a key of its own"
    )
