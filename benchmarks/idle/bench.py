"""Idle benchmark: memory of all processes of `duet serve`, and time to the first answer with and without a worker."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psutil
import typer

from benchmarks.common import report as reports
from benchmarks.common.http import raw_request
from benchmarks.common.inputs import draw_images
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import BenchmarkError, Figures, Goal, check_goals, figure_tables
from benchmarks.common.server import Server, start_duet, wait_for_worker
from core.files.home import shipped_models

GOALS = (Goal("PSS of all processes, MB", "<=", 500.0),)
_SETTLE_SECONDS = 5.0


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Starts with and without a worker.")] = 5, out: reports.Out = None
) -> None:
    """Measure what an idle duet serve costs; exit with code 1 if the memory exceeds its goal."""
    head = f"{describe_machine()} Medians of {rounds} starts."
    figures = measure_memory()
    for _ in range(rounds):
        for name, broker in (("with broker and worker", "1"), ("API only", "0")):
            started = time.monotonic()
            with answering(broker):
                figures.setdefault(f"start to first answer, s: {name}", []).append(time.monotonic() - started)
    reports.report(head, figure_tables("Idle", figures, GOALS), figures, out=out)
    if not all(verdict.met for verdict in check_goals(GOALS, figures)):
        raise typer.Exit(1)


@contextmanager
def answering(broker: str = "1") -> Iterator[tuple[Server, Path]]:
    """Start `duet serve` with the shipped models, and continue after its first answer."""
    request = raw_request("/predict", draw_images(1, height=32, width=32).pngs[0])
    with tempfile.TemporaryDirectory(prefix="duet-idle-") as folder:
        home = Path(folder) / "home"
        with start_duet(home, {"DUET_EMBEDDED_BROKER": broker}, models=shipped_models()) as server:
            answer = server.wait_for_answer(request)
            if not answer.ok:
                raise BenchmarkError(f"the service rejects the first request: {answer.status} {answer.body[:200]!r}")
            yield server, home


def measure_memory() -> Figures:
    """Measure the PSS of each process of an idle service."""
    with answering() as (server, home):
        wait_for_worker(server, home)
        time.sleep(_SETTLE_SECONDS)
        figures: Figures = {}
        for process in server.processes():
            name = f"PSS of {'API' if process.pid == server.process.pid else role(process)}, MB"
            figures[name] = [sum(figures.get(name, [])) + process.memory_full_info().pss / 1e6]
        return figures | {"PSS of all processes, MB": [sum(sum(values) for values in figures.values())]}


def role(process: psutil.Process) -> str:
    """Return `broker`, `worker`, or the command line of another process."""
    line = " ".join(process.cmdline())
    return "broker" if "valkey-server" in line or "redis-server" in line else "worker" if "worker" in line else line
