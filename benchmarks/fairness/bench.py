"""Fairness benchmark: the latency of a modest caller alone, and beside one that sends ten times the capacity.

The server runs on one core, both callers on another. Both send small images at random times that are fixed beforehand,
with a key each.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import report as reports
from benchmarks.common.http import raw_request
from benchmarks.common.inputs import draw_images
from benchmarks.common.machine import describe_machine, pick_cores, pinned
from benchmarks.common.open_loop import open_load, poisson_arrivals
from benchmarks.common.report import BenchmarkError, Figures, Goal, append, check_goals, figure_tables, percentile
from benchmarks.common.server import READY_REQUEST, Server, start_duet
from benchmarks.common.wrk import wrk_load
from core.files.home import shipped_models

FACTOR = 10
MODEST_SHARE = 0.2
CAPACITY_CLIENTS = 32
HEAVY_KEY, MODEST_KEY = "heavy-caller-of-the-benchmark", "modest-caller-of-the-benchmark"
_SETTLE_SECONDS = 2.0
_NICENESS = 5

GOALS = (
    Goal("modest caller: p99 beside the heavy one, times alone", "<=", 1.5),
    Goal("modest caller: requests without a 2xx answer", "<=", 0),
)


def main(
    family: reports.Family = "cnn",
    rounds: Annotated[int, typer.Option(min=1, help="Measurements alone and beside the other caller.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Length of one measurement.")] = 20,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Measure fair shares; exit with code 1 if a goal is not met."""
    console, cores = reports.progress_console(), pick_cores()
    images = [raw_request(f"/predict?model={family}", png) for png in draw_images(64, height=32, width=32).pngs]
    modest = [with_key(request, MODEST_KEY) for request in images]
    figures: Figures = {}
    with pinned(cores.load), serving(cores.server) as server:
        capacity = wrk_load(server.port, modest, clients=CAPACITY_CLIENTS, seconds=seconds / 2).per_second
        console.print(f"capacity: {capacity:.0f} requests/s")
        for round_ in range(rounds):
            alone = latencies(server, modest, MODEST_SHARE * capacity, seconds, seed=round_)
            with heavy_caller(server, family, FACTOR * capacity, seconds + _SETTLE_SECONDS, seed=round_) as statuses:
                time.sleep(_SETTLE_SECONDS)
                beside = latencies(server, modest, MODEST_SHARE * capacity, seconds, seed=round_)
            server.require_alive()
            append(figures, summarize(capacity, alone, beside, statuses, seconds + _SETTLE_SECONDS))
            console.print(f"round {round_ + 1} of {rounds}")
    head = (
        f"{describe_machine()} {family}, server on one core. Modest caller: {MODEST_SHARE:g} of the capacity. Medians "
        f"of {rounds} rounds of {seconds:g} s, with the lowest and the highest."
    )
    reports.report(head, figure_tables("Two callers", figures, GOALS), figures, out=out, markdown=markdown)
    if not all(verdict.met for verdict in check_goals(GOALS, figures)):
        raise typer.Exit(1)


def summarize(
    capacity: float,
    alone: Sequence[float],
    beside: Sequence[float],
    heavy: Counter[int],
    seconds: float,
) -> dict[str, float]:
    """The figures of one round.

    Args:
        capacity: requests per second of one caller with many connections.
        alone: latencies of the modest caller in ms; NaN for a request without a 2xx answer.
        beside: the same beside the heavy caller.
        heavy: number of answers to the heavy caller by status.
        seconds: time for which it sent.
    """
    accepted = [[value for value in values if value == value] for values in (alone, beside)]
    p50s, p99s = ([percentile(values, percent) for values in accepted] for percent in (50, 99))
    return {
        "capacity, requests/s": capacity,
        "heavy caller: sent, requests/s": heavy.total() / seconds,
        "heavy caller: accepted, requests/s": heavy[200] / seconds,
        "heavy caller: neither 200 nor 429": heavy.total() - heavy[200] - heavy[429],
        "modest caller: sent, requests/s": len(beside) / (seconds - _SETTLE_SECONDS),
        "modest caller: p50 alone, ms": p50s[0],
        "modest caller: p50 beside the heavy one, ms": p50s[1],
        "modest caller: p99 alone, ms": p99s[0],
        "modest caller: p99 beside the heavy one, ms": p99s[1],
        "modest caller: p99 beside the heavy one, times alone": p99s[1] / p99s[0],
        "modest caller: requests without a 2xx answer": len(alone) + len(beside) - sum(map(len, accepted)),
    }


@contextmanager
def serving(core: int) -> Iterator[Server]:
    """Start one API process with the shipped models and two keys for predictions on a core."""
    with tempfile.TemporaryDirectory(prefix="duet-fairness-") as folder:
        settings = {
            "DUET_EMBEDDED_BROKER": "0",
            "DUET_API_KEYS": f"predict:{HEAVY_KEY},predict:{MODEST_KEY}",
        }
        with start_duet(Path(folder) / "home", settings, models=shipped_models(), cores=(core,)) as server:
            server.wait_for_answer(READY_REQUEST)
            yield server


def latencies(
    server: Server, requests: Sequence[bytes], per_second: float, seconds: float, *, seed: int
) -> list[float]:
    """Milliseconds from the time when each request was due to its answer; NaN without a 2xx answer."""
    run = open_load(server.port, requests, poisson_arrivals(per_second, seconds, seed=seed), connections=64)
    return [
        1000 * (one.ended - one.due) if one.answer is not None and one.answer.ok else float("nan")
        for one in run.outcomes
    ]


@contextmanager
def heavy_caller(
    server: Server, family: str, per_second: float, seconds: float, *, seed: int
) -> Iterator[Counter[int]]:
    """Send from another process for `seconds`; the counts of answers by status are complete at the end.

    Raises:
        BenchmarkError: the process failed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(server.port, family, per_second, seconds, seed, sender), daemon=True)
    process.start()
    if not receiver.poll(60) or receiver.recv() != "started":
        raise BenchmarkError("the heavy caller did not start")
    statuses: Counter[int] = Counter()
    yield statuses
    if not receiver.poll(seconds + 60):
        raise BenchmarkError("the heavy caller did not end")
    statuses.update(receiver.recv())
    process.join()


def _send(port: int, family: str, per_second: float, seconds: float, seed: int, sender: Connection) -> None:
    os.nice(_NICENESS)  # the measured caller goes first on the core of the load
    pngs = draw_images(64, height=32, width=32).pngs
    requests = [with_key(raw_request(f"/predict?model={family}", png), HEAVY_KEY) for png in pngs]
    due = poisson_arrivals(per_second, seconds, seed=1000 + seed)
    sender.send("started")
    run = open_load(port, requests, due)
    sender.send(Counter(one.answer.status if one.answer is not None else 0 for one in run.outcomes))


def with_key(request: bytes, key: str) -> bytes:
    """The request with an API key."""
    return request.replace(b"\r\n\r\n", f"\r\nX-API-Key: {key}\r\n\r\n".encode(), 1)
