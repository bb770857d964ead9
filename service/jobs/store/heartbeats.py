"""Worker heartbeats: an expiring report of each worker, with its jobs and training readiness, and an index of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.scripts import load
from service.jobs.store.keys import WORKER_PREFIX, WORKERS
from service.jobs.store.redis_client import broker_errors

BEAT_SECONDS = 2.0
EXPIRY_SECONDS = 10
"""A worker without a heartbeat for this time counts as dead."""
INDEXED_SECONDS = 900
"""Time for which a dead worker stays in the index, so that metrics show the age of its last heartbeat."""


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
        self._beat = client.register_script(load("beat"))

    def beat(self, report: WorkerReport) -> None:
        """Store the report and renew its expiry."""
        limits = [EXPIRY_SECONDS * 1000, INDEXED_SECONDS * 1000]
        with broker_errors():
            self._beat(
                keys=[WORKER_PREFIX + report.name, WORKERS], args=[report.name, report.model_dump_json(), *limits]
            )

    def gone(self, name: str) -> None:
        """Remove the report of a worker that ends."""
        with broker_errors(), self._client.pipeline() as pipeline:
            pipeline.delete(WORKER_PREFIX + name)
            pipeline.zrem(WORKERS, name)
            pipeline.execute()

    def all(self) -> list[WorkerReport]:
        """Reports of the live workers, by name, without those that this release cannot parse."""
        with broker_errors():
            names: Any = self._client.zrange(WORKERS, 0, -1)
            texts: Any = self._client.mget([WORKER_PREFIX + name for name in sorted(names)]) if names else []
        return [report for report in map(parse_report, texts) if report is not None]


def parse_report(text: str | None) -> WorkerReport | None:
    """The report; None if it has expired or is of another release."""
    try:
        return None if text is None else WorkerReport.model_validate_json(text)
    except ValidationError:
        return None
