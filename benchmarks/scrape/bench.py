"""Scrape benchmark: time of GET /metrics with many jobs or a broker that hangs, and of measuring a large data set."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer

from benchmarks.common import report as reports
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import BenchmarkError, Figures, Goal, check_goals, figure_tables
from benchmarks.common.server import READY_REQUEST, Server, cpu_seconds, start_duet
from benchmarks.idle.bench import role
from core.files.home import shipped_models
from core.jobs.parameters import EvaluateParameters
from service.broker.address import embedded_url
from service.datasets.usage import DatasetUsage
from service.jobs.figures import MIN_AGE_SECONDS
from service.jobs.service import MAX_QUEUED_JOBS
from service.jobs.store.heartbeats import Heartbeats, Readiness, WorkerReport
from service.jobs.store.store import JobStore

FRESH = "scrape that reads the broker, ms"
HANGING = "scrape while the broker hangs, ms"
GOALS = (Goal(FRESH, "<=", 25.0), Goal(HANGING, "<=", 1500.0))
WORKERS = 20
_FILES_PER_FOLDER = 5_000
_BURST = 200


def main(
    jobs: Annotated[int, typer.Option(min=MAX_QUEUED_JOBS + WORKERS, help="Jobs in the broker.")] = 5_000,
    files: Annotated[int, typer.Option(min=1, help="Files of the data set.")] = 50_000,
    rounds: Annotated[int, typer.Option(min=1, help="Scrapes that read the broker.")] = 30,
    out: reports.Out = None,
) -> None:
    """Measure what a scrape costs; exit with code 1 if a goal is missed."""
    head = (
        f"{describe_machine()} {jobs:,} jobs, of which {MAX_QUEUED_JOBS} are queued and {WORKERS} run on as many "
        f"workers; a data set of {files:,} files."
    )
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="duet-scrape-") as folder:
        home = Path(folder) / "home"
        measure_usage(home, files, figures)
        settings = {"DUET_EMBEDDED_BROKER": "1", "DUET_EMBEDDED_WORKER": "0", "DUET_JOB_LEASE_SECONDS": "3600"}
        with start_duet(home, settings, models=shipped_models()) as server:
            server.wait_for_answer(READY_REQUEST)
            fill(home, jobs)
            measure_scrapes(server, rounds, figures)
    reports.report(head, figure_tables("Scrape", figures, GOALS), figures, out=out)
    if not all(verdict.met for verdict in check_goals(GOALS, figures)):
        raise typer.Exit(1)


def fill(home: Path, jobs: int) -> None:
    """Record finished, running and queued jobs, and the heartbeats of workers that run one job each."""
    store = JobStore.open(embedded_url(home))
    for number in range(jobs):
        record = store.create("evaluate", EvaluateParameters(), request_id="benchmark", traceparent=None)
        if number < jobs - MAX_QUEUED_JOBS:
            claim = store.claim(record.id, worker="benchmark", lease_seconds=3600)
            if claim is not None and number >= WORKERS:
                store.finish(record.id, claim.token, "succeeded", result={})
    training = Readiness(ready=True, reason=None, since=datetime.now(UTC))
    for number in range(WORKERS):
        Heartbeats(store.client).beat(
            WorkerReport(
                name=f"host:{number}",
                host="host",
                pid=1,
                queues=("evaluate",),
                jobs=1,
                running=("x",),
                training=training,
            )
        )
    store.client.close()


def measure_scrapes(server: Server, rounds: int, figures: Figures) -> None:
    """Time scrapes that read the broker, scrapes within the same second, and one with a stopped broker."""
    with httpx.Client(base_url=server.url, timeout=30) as client:

        def scrape() -> None:
            answer = client.get("/metrics")
            if answer.status_code != 200:
                raise BenchmarkError(f"GET /metrics returned {answer.status_code}")
            figures["size of the metrics, kB"] = [len(answer.content) / 1e3]

        scrape()
        for _ in range(rounds):
            time.sleep(MIN_AGE_SECONDS + 0.05)
            figures.setdefault(FRESH, []).append(milliseconds(scrape))
        before = cpu_seconds([server.process])
        figures["scrape within the same second, ms"] = [milliseconds(scrape) for _ in range(_BURST)]
        figures["scrape within the same second, CPU time, ms"] = [
            (cpu_seconds([server.process]) - before) / _BURST * 1000
        ]
        [broker] = [process for process in server.processes() if role(process) == "broker"]
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            time.sleep(MIN_AGE_SECONDS)
            figures[HANGING] = [milliseconds(scrape)]
        finally:
            os.kill(broker.pid, signal.SIGCONT)


def measure_usage(home: Path, files: int, figures: Figures) -> None:
    """Time the count of a data set, and the check that nothing has changed."""
    for number in range(files):
        folder = home / "datasets" / "many" / f"class{number // _FILES_PER_FOLDER}"
        if number % _FILES_PER_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"{number}.png").write_bytes(b"x")
    usage = DatasetUsage(home)
    for name in ("count of the data set, CPU time, ms", "check of the unchanged data set, CPU time, ms"):
        before = time.process_time()
        usage.measure()
        figures[name] = [(time.process_time() - before) * 1000]


def milliseconds(call: Callable[[], object]) -> float:
    """Time of a call in milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000
