"""Figures of all jobs and workers for metrics, read from the broker by one script."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
from redis import Redis

from core.jobs.parameters import JobKind
from service.jobs.scripts import load
from service.jobs.store.heartbeats import parse_report
from service.jobs.store.keys import COUNTS, LEASES, PREFIX, QUEUED, WORKER_PREFIX, WORKERS
from service.jobs.store.redis_client import broker_errors
from service.observability.job_metrics import FINAL, KINDS, JobFigures, WorkerFigures

MAX_ENTRIES = 500
"""Maximum number of queued jobs, of running jobs and of workers that are counted, which bounds the time of a read.

At most 200 jobs are queued by requests."""
Number = TypeVar("Number", int, float)


class JobFiguresScript:
    """Reads the figures; `client` must decode responses to str."""

    def __init__(self, client: Redis) -> None:
        self._read = client.register_script(load("figures"))

    def read(self) -> JobFigures:
        """Read the figures in one round trip.

        Raises:
            BrokerUnavailableError: the broker is unavailable.
        """
        began = time.perf_counter()
        with broker_errors():
            text = self._read(
                keys=[QUEUED, LEASES, COUNTS, WORKERS], args=[f"{PREFIX}job:", WORKER_PREFIX, MAX_ENTRIES]
            )
        return _parse(orjson.loads(text), time.perf_counter() - began)


def _parse(found: Mapping[str, Any], response_seconds: float) -> JobFigures:
    # An empty table of Lua is an object in JSON, also where the script returns a list.
    flat = list(found["counts"])
    counts = dict(zip(flat[::2], map(int, flat[1::2]), strict=True))
    durations: dict[tuple[JobKind, int], int] = {}
    for name, count in counts.items():
        match name.split(":"):
            case ["bucket", kind, k] if kind in KINDS:
                durations[kind, int(k)] = count
    return JobFigures(
        queued=_by_kind(found["queued"], int),
        oldest_queued_seconds=_by_kind(found["waited"], _seconds),
        running=_by_kind(found["running"], int),
        overdue_seconds=_by_kind(found["overdue"], _seconds),
        ended={(kind, state): counts.get(f"ended:{kind}:{state}", 0) for kind in KINDS for state in FINAL},
        durations=durations,
        duration_seconds={kind: _seconds(counts.get(f"milliseconds:{kind}", 0)) for kind in KINDS},
        workers=tuple(_worker(name, _seconds(age), text or None) for name, age, text in found["reports"]),
        broker_memory=found["memory"] or None,
        response_seconds=response_seconds,
    )


def _by_kind(values: Mapping[str, Any], convert: Callable[[Any], Number]) -> dict[JobKind, Number]:
    return {kind: convert(values[kind]) for kind in KINDS if kind in values}


def _worker(name: str, age_seconds: float, text: str | None) -> WorkerFigures:
    report = parse_report(text)
    if report is None:
        return WorkerFigures(name, age_seconds)
    return WorkerFigures(name, age_seconds, report.queues, report.training.ready, report.jobs, len(report.running))


def _seconds(milliseconds: float) -> float:
    return milliseconds / 1000
