"""The rounds: start the service once, measure every part in each round, stop it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.jobs.beginnings import beginnings
from benchmarks.jobs.beside import pair
from benchmarks.jobs.results import Results
from benchmarks.jobs.service import Service, running_service
from benchmarks.jobs.training import Training, small_training
from benchmarks.serving.messages import raw_request
from benchmarks.serving.model import find_model
from benchmarks.serving.pictures import drawn_pictures
from benchmarks.serving.processes import cpu_seconds

PARTS = ("idle", "begin", "beside")
_PICTURES = 64
_SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Plan:
    """What is measured: `parts` of PARTS, in `rounds`.

    Attributes:
        models: folder of model versions.
        family: whose champion predicts.
        data_dir: of CIFAR-10; None: train on drawn pictures.
        recipe: of the training.
        parts: of PARTS.
        rounds: over all parts.
        seconds: of each measurement.
        per_second: predictions.
        job_nice: how much nicer than the worker a job is.
        job_idle: whether it also leaves its core at once.
    """

    models: Path
    family: str
    data_dir: Path | None
    recipe: str
    parts: tuple[str, ...]
    rounds: int
    seconds: float
    per_second: float
    job_nice: int
    job_idle: bool


def run(plan: Plan, console: Console) -> tuple[str, Results]:
    """Measure everything that the plan asks for; what ran, in words, and every sample.

    Raises:
        BenchmarkError: there is no such model, or something does not run.
    """
    model = find_model(plan.family, plan.models)
    size = model.manifest.input
    pngs = drawn_pictures(_PICTURES, height=size.height, width=size.width).pngs
    requests = [raw_request(f"/predict?model={plan.family}", png) for png in pngs]
    results = Results()
    with tempfile.TemporaryDirectory(prefix="duet-jobs-") as folder:
        home = Path(folder) / "home"
        training = small_training(plan.recipe, home, plan.data_dir)
        with running_service(
            home, models=plan.models, data_dir=plan.data_dir, job_nice=plan.job_nice, job_idle=plan.job_idle
        ) as service:
            if "idle" in plan.parts:
                results.idle_worker_cpu = _idle_cpu(service, plan.seconds)
            for number in range(plan.rounds):
                _round(plan, service, training, requests, number, results)
                console.print(f"round {number + 1} of {plan.rounds} of {training.words}")
    return f"{model.manifest.reference} predicts, {training.words} trains", results


def _round(
    plan: Plan, service: Service, training: Training, requests: list[bytes], number: int, results: Results
) -> None:
    if "begin" in plan.parts:
        for begun, job in beginnings(service, training, first=number == 0):
            results.begun.append(begun)
            results.heard_ms += job.stream.delays_ms
    if "beside" in plan.parts:
        measured, job = pair(
            service, training, requests, per_second=plan.per_second, seconds=plan.seconds, number=number
        )
        results.pairs.append(measured)
        results.heard_ms += job.stream.delays_ms


def _idle_cpu(service: Service, seconds: float) -> float:
    """Share of a core that the worker takes while there is nothing to do."""
    time.sleep(_SETTLE_SECONDS)
    pids = [service.worker.pid]
    before, started = cpu_seconds(pids), time.perf_counter()
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / (time.perf_counter() - started)
