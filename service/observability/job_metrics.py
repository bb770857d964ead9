"""Metrics of jobs, workers and the broker, from figures that are read for each scrape.

Jobs and workers belong to the whole service, so every API process exports the same values. Queries take their `max`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.jobs.parameters import JobKind
from core.jobs.records import FinalState

KINDS: tuple[JobKind, ...] = get_args(JobKind)
FINAL: tuple[FinalState, ...] = get_args(FinalState)
BUCKETS = 10
"""Number of finite buckets of a duration; bucket k holds durations of up to 4^k seconds, the last one 3 days."""


@dataclass(frozen=True)
class WorkerFigures:
    """A worker; one without a recent heartbeat has no `kinds`, no `slots` and no `running`."""

    name: str
    heartbeat_age_seconds: float
    kinds: tuple[JobKind, ...] = ()
    ready: bool = False
    slots: int = 0
    running: int = 0


@dataclass(frozen=True)
class JobFigures:
    """Figures of all jobs; a kind without jobs may be missing in each mapping.

    Attributes:
        queued, running: number of jobs by kind.
        oldest_queued_seconds: time since the job that waits for the longest was queued, by kind.
        overdue_seconds: time since the earliest lease of a running job expired, by kind; 0 before that.
        ended: number of ended jobs by kind and final state, since the broker's first start.
        durations: number of ended attempts by kind and bucket.
        duration_seconds: sum of these durations by kind.
        workers: live workers, and those that died some minutes ago.
        broker_memory: memory that the broker uses, in bytes; None if it does not say.
        response_seconds: time of the broker for these figures.
    """

    queued: Mapping[JobKind, int] = field(default_factory=dict)
    oldest_queued_seconds: Mapping[JobKind, float] = field(default_factory=dict)
    running: Mapping[JobKind, int] = field(default_factory=dict)
    overdue_seconds: Mapping[JobKind, float] = field(default_factory=dict)
    ended: Mapping[tuple[JobKind, FinalState], int] = field(default_factory=dict)
    durations: Mapping[tuple[JobKind, int], int] = field(default_factory=dict)
    duration_seconds: Mapping[JobKind, float] = field(default_factory=dict)
    workers: tuple[WorkerFigures, ...] = ()
    broker_memory: int | None = None
    response_seconds: float = 0.0


class JobMetrics(Collector):
    """Collector of the latest figures. Without a broker in the settings, it has no samples."""

    def __init__(self) -> None:
        self._figures: JobFigures | None = None
        self._up: bool | None = None

    def show(self, figures: JobFigures | None) -> None:
        """Replace the figures; None if the broker is unavailable, and then only `duet_broker_up` has a sample."""
        self._figures, self._up = figures, figures is not None

    def collect(self) -> Iterable[Metric]:
        """The metric families; those without figures have no samples."""
        up = GaugeMetricFamily("duet_broker_up", "1 if the job broker answered this scrape in time, otherwise 0")
        if self._up is not None:
            up.add_metric((), self._up)
        yield up
        found = () if self._figures is None else (self._figures,)
        yield from _broker(found)
        yield from _jobs(found)
        yield _ended(found)
        yield _durations(found)
        yield from _workers(found)


def _broker(found: Iterable[JobFigures]) -> Iterable[Metric]:
    seconds = GaugeMetricFamily("duet_broker_response_seconds", "Time of the job broker to answer this scrape")
    memory = GaugeMetricFamily("duet_broker_memory_bytes", "Memory that the job broker uses")
    for figures in found:
        seconds.add_metric((), figures.response_seconds)
        if figures.broker_memory is not None:
            memory.add_metric((), figures.broker_memory)
    return seconds, memory


def _jobs(found: Iterable[JobFigures]) -> Iterable[Metric]:
    jobs = GaugeMetricFamily("duet_jobs", "Unfinished jobs; state is queued or running", labels=("kind", "state"))
    oldest = GaugeMetricFamily(
        "duet_jobs_oldest_queued_seconds",
        "Time for which the oldest queued job has waited since it was queued last; 0 if none waits",
        labels=("kind",),
    )
    overdue = GaugeMetricFamily(
        "duet_jobs_lease_overdue_seconds",
        "Time since the lease of a running job expired because its worker sent no heartbeat; 0 if none has expired",
        labels=("kind",),
    )
    for figures in found:
        for kind in KINDS:
            jobs.add_metric((kind, "queued"), figures.queued.get(kind, 0))
            jobs.add_metric((kind, "running"), figures.running.get(kind, 0))
            oldest.add_metric((kind,), figures.oldest_queued_seconds.get(kind, 0))
            overdue.add_metric((kind,), figures.overdue_seconds.get(kind, 0))
    return jobs, oldest, overdue


def _ended(found: Iterable[JobFigures]) -> Metric:
    family = CounterMetricFamily(
        "duet_jobs_ended",
        "Ends of jobs; state is succeeded, failed or cancelled. A job that is retried may end again",
        labels=("kind", "state"),
    )
    for figures in found:
        for kind in KINDS:
            for state in FINAL:
                family.add_metric((kind, state), figures.ended.get((kind, state), 0))
    return family


def _durations(found: Iterable[JobFigures]) -> Metric:
    family = HistogramMetricFamily(
        "duet_job_duration_seconds",
        "Time from the last claim of a job by a worker to the end of the job, in any final state",
        labels=("kind",),
    )
    for figures in found:
        for kind in KINDS:
            below, buckets = 0, []
            for k in range(BUCKETS):
                below += figures.durations.get((kind, k), 0)
                buckets.append((str(float(4**k)), below))
            total = sum(count for (of, _), count in figures.durations.items() if of == kind)
            family.add_metric((kind,), [*buckets, ("+Inf", total)], figures.duration_seconds.get(kind, 0.0))
    return family


def _workers(found: Iterable[JobFigures]) -> Iterable[Metric]:
    workers = GaugeMetricFamily(
        "duet_workers",
        "Live workers that take jobs of a kind; state is ready or not_ready, which depends on the training environment",
        labels=("kind", "state"),
    )
    age = GaugeMetricFamily(
        "duet_worker_heartbeat_age_seconds",
        "Time since the last heartbeat of a worker; one that died is listed for 15 minutes",
        labels=("worker",),
    )
    slots = GaugeMetricFamily(
        "duet_worker_slots", "Number of jobs that a live worker runs at a time", labels=("worker",)
    )
    running = GaugeMetricFamily("duet_worker_running", "Number of jobs that a live worker runs now", labels=("worker",))
    for figures in found:
        for kind in KINDS:
            able = [worker.ready for worker in figures.workers if kind in worker.kinds]
            workers.add_metric((kind, "ready"), able.count(True))
            workers.add_metric((kind, "not_ready"), able.count(False))
        for worker in figures.workers:
            age.add_metric((worker.name,), max(0.0, worker.heartbeat_age_seconds))
            if worker.slots:
                slots.add_metric((worker.name,), worker.slots)
                running.add_metric((worker.name,), worker.running)
    return workers, age, slots, running
