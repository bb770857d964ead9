"""What predictions notice of a training: the same schedule of requests without one, and beside one."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.jobs.results import Asked, Pair
from benchmarks.jobs.service import Job, Service
from benchmarks.jobs.training import Training
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.open_loop import open_load, poisson_arrivals
from benchmarks.serving.spread import percentile


def pair(
    service: Service,
    training: Training,
    requests: Sequence[bytes],
    *,
    per_second: float,
    seconds: float,
    number: int,
) -> tuple[Pair, Job]:
    """One round; in every other, the measurement beside a training comes first.

    Args:
        service: whose worker has nothing to do.
        training: what runs beside the predictions.
        requests: sent in turn.
        per_second: how many, at random times.
        seconds: of each of the two measurements.
        number: of the round, and seed of the times.

    Raises:
        BenchmarkError: an answer is missing or not 2xx.
    """

    def measure() -> Asked:
        return _asked(service.port, requests, per_second, seconds, number)

    alone = measure() if number % 2 == 0 else None
    job = service.train(training)
    job.stream.wait("progress")
    before = _steps(job)
    beside = measure()
    steps_per_second = (_steps(job) - before) / seconds
    job.cancel()
    return Pair(alone or measure(), beside, steps_per_second), job


def _asked(port: int, requests: Sequence[bytes], per_second: float, seconds: float, seed: int) -> Asked:
    run = open_load(port, requests, poisson_arrivals(per_second, seconds, seed=seed), watch=lambda: 0.0)
    failed = [outcome for outcome in run.outcomes if outcome.answer is None or not outcome.answer.ok]
    if failed:
        raise BenchmarkError(f"{len(failed)} of {len(run.outcomes)} predictions failed: {failed[0]}")
    taken_ms = [1000 * (outcome.ended - outcome.due) for outcome in run.outcomes]
    return Asked(len(taken_ms), percentile(taken_ms, 50), percentile(taken_ms, 99))


def _steps(job: Job) -> int:
    """How many the training has told of."""
    return max(int(heard.event["step"]) for heard in job.stream.heard if heard.kind == "progress")
