"""Which workers are alive, what they do, and whether they can train: a key each that expires unless it is renewed."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.store.keys import WORKER_PREFIX
from service.jobs.store.redis_client import broker_errors

BEAT_SECONDS = 2.0
EXPIRY_SECONDS = 10
"""A worker that has been silent for so long is dead, or as good as dead."""


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Readiness(_Plain):
    """Whether a worker's training environment is there."""

    ready: bool
    reason: str | None = Field(description="why not, as a sentence")
    since: datetime = Field(description="when it became so, UTC")


class WorkerReport(_Plain):
    """What a worker says of itself."""

    name: str = Field(description="as in the records of its jobs")
    host: str
    pid: int
    queues: tuple[JobKind, ...]
    jobs: int = Field(description="how many it runs at a time")
    running: tuple[str, ...] = Field(description="ids of the jobs that it runs now")
    training: Readiness


class Heartbeats:
    """The workers' reports at the broker. Every method raises BrokerUnavailableError where that cannot be used.

    Args:
        client: decodes answers to str.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    def beat(self, report: WorkerReport) -> None:
        """Say that the worker is alive."""
        with broker_errors():
            self._client.set(WORKER_PREFIX + report.name, report.model_dump_json(), ex=EXPIRY_SECONDS)

    def gone(self, name: str) -> None:
        """Say that the worker has ended."""
        with broker_errors():
            self._client.delete(WORKER_PREFIX + name)

    def all(self) -> list[WorkerReport]:
        """The workers that are alive, by name. One of another release, whose report does not read, is left out."""
        with broker_errors():
            names = sorted(self._client.scan_iter(WORKER_PREFIX + "*", count=1000))
            texts = self._client.mget(names) if names else []
        reports = []
        for text in texts:
            try:
                if text is not None:  # it expired since its name was read
                    reports.append(WorkerReport.model_validate_json(text))
            except ValidationError:
                continue
        return reports
