"""Worker heartbeats: one expiring key per worker, with its jobs and training readiness."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.store.keys import WORKER_PREFIX
from service.jobs.store.redis_client import broker_errors

BEAT_SECONDS = 2.0
EXPIRY_SECONDS = 10
"""A worker without a heartbeat for this time counts as dead."""


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Readiness(_Plain):
    """State of a worker's training environment."""

    ready: bool
    reason: str | None = Field(description="reason if not ready")
    since: datetime = Field(description="time of the last change, UTC")


class WorkerReport(_Plain):
    """Report of a worker."""

    name: str = Field(description="worker name, as in the records of its jobs")
    host: str
    pid: int
    queues: tuple[JobKind, ...]
    jobs: int = Field(description="concurrency")
    running: tuple[str, ...] = Field(description="ids of its running jobs")
    training: Readiness
    cifar10: bool = Field(False, description="whether its jobs find the files of CIFAR-10")


class Heartbeats:
    """The workers' reports in the broker. Every method raises BrokerUnavailableError if the broker is unavailable."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def beat(self, report: WorkerReport) -> None:
        """Store the report and renew its expiry."""
        with broker_errors():
            self._client.set(WORKER_PREFIX + report.name, report.model_dump_json(), ex=EXPIRY_SECONDS)

    def gone(self, name: str) -> None:
        """Remove the report of a worker that ends."""
        with broker_errors():
            self._client.delete(WORKER_PREFIX + name)

    def all(self) -> list[WorkerReport]:
        """Reports of the live workers, by name, without those that this release cannot parse."""
        with broker_errors():
            names = sorted(self._client.scan_iter(WORKER_PREFIX + "*", count=1000))
            texts = self._client.mget(names) if names else []
        reports = []
        for text in texts:
            try:
                if text is not None:  # expired since SCAN
                    reports.append(WorkerReport.model_validate_json(text))
            except ValidationError:
                continue
        return reports
