"""How soon a job begins: with its worker idle, with one that has just become free, and after waiting for it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.jobs.results import Begun, Circumstance
from benchmarks.jobs.service import Job, Service
from benchmarks.jobs.training import Training

_REST_SECONDS = 2.0
"""After which a worker counts as idle."""


def beginnings(service: Service, training: Training, *, first: bool) -> Iterator[tuple[Begun, Job]]:
    """Three jobs, one after the other, each cancelled at its first step.

    Args:
        service: whose worker has nothing to do.
        training: what each job is.
        first: whether the service has had no job yet.
    """
    time.sleep(_REST_SECONDS)
    idle = service.train(training)
    yield _begun(idle, "first" if first else "idle"), idle
    idle.cancel()
    free = service.train(training)
    queued = service.train(training)
    yield _begun(free, "free"), free
    free.cancel()
    ended_ms = free.stream.wait("finished").stored_ms
    yield _begun(queued, "queued", since_ms=ended_ms), queued
    queued.cancel()


def _begun(job: Job, circumstance: Circumstance, *, since_ms: int | None = None) -> Begun:
    """Wait for the job's first step."""
    stepped = job.stream.wait("progress")
    claimed = job.stream.wait("claimed")
    if since_ms is None:
        since_ms = job.stream.wait("submitted").stored_ms
    return Begun(circumstance, claimed.stored_ms - since_ms, stepped.stored_ms - claimed.stored_ms)
