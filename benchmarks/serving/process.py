"""Costs of the Duet process: start time, memory, and processes against threads on several cores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.common.http import ask, requests_for
from benchmarks.common.report import BenchmarkError, Goal, SkippedError
from benchmarks.common.server import START_SECONDS, pss_mb, rss_mb
from benchmarks.common.wrk import warm_up, wrk_load
from benchmarks.serving.servers import Setup, predict_path, start_served

FIRST_START, NEXT_START = "first start to first answer, s", "start to first answer, s"
GOALS = (
    Goal(NEXT_START, "<=", 2.0),
    Goal("resident memory with * champion(s), MB", "<=", 300),
)
_CLIENTS_PER_CORE, _MEMORY_CLIENTS = 64, 32
_WARM_REQUESTS, _READY_ANSWERS = 64, 32

Arrangement = tuple[int, int, int]
"""Numbers of cores, of processes, and of model threads in each process."""


def start_figures(setup: Setup, home: Path) -> dict[str, float]:
    """Measure the time from the spawn to the first answer, with an empty home and again with the same home."""
    home.mkdir()
    return {name: _start_seconds(setup, home) for name in (FIRST_START, NEXT_START)}


def memory_figures(setup: Setup, seconds: float) -> dict[str, float]:
    """Measure the memory with all champions before and after load; the resident memory before has a goal."""
    requests = [_requests(setup, family) for family in setup.model.champions]
    with start_served(setup, setup.cores.server) as server:
        for of_family in requests:
            for request in of_family[:_WARM_REQUESTS]:
                if not server.wait_for_answer(request).ok:
                    raise BenchmarkError(f"the service does not answer for a champion: {server.log_tail()}")
        time.sleep(seconds)  # graphs are still compiled for other batch sizes
        processes = server.processes()
        fresh, shared = rss_mb(processes), pss_mb(processes)
        for of_family in requests:
            wrk_load(server.port, of_family, clients=_MEMORY_CLIENTS, seconds=seconds)
        loaded = rss_mb(processes)
    name = f"resident memory with {len(requests)} champion(s), MB"
    return {name: fresh, f"{name}, PSS": shared, f"{name}, after load": loaded}


def arrangements(cores: int) -> Iterator[Arrangement]:
    """Yield one process on one core, then both arrangements on 2 and 4 cores, as far as there are cores."""
    yield 1, 1, 1
    for count in (2, 4):
        if count <= cores:
            yield count, 1, count
            yield count, count, 1


def arrangement_figures(setup: Setup, arrangement: Arrangement, seconds: float) -> dict[str, float]:
    """Load Duet in default precision on several cores: multipart bodies, 64 clients per core.

    Raises:
        SkippedError: the service does not start that many processes.
    """
    count, workers, threads = arrangement
    clients = _CLIENTS_PER_CORE * count
    # With the default length of its queue, one process would reject some of these clients.
    settings = {"DUET_WORKERS": str(workers), "DUET_THREADS": str(threads), "DUET_QUEUE_SIZE": str(2 * clients)}
    requests = _requests(setup, setup.model.manifest.family)
    with start_served(setup, *setup.cores.serving[:count], settings=settings) as server:
        # Any worker may accept a connection: many successes in a row mean that all of them are ready.
        server.wait_for_answer(requests[0])
        in_a_row, end = 0, time.monotonic() + START_SECONDS
        while in_a_row < _READY_ANSWERS:
            if time.monotonic() > end:
                raise BenchmarkError(f"a worker does not become ready: {server.log_tail()}")
            in_a_row = in_a_row + 1 if ask(server.port, requests[0]).ok else 0
        processes = server.processes()
        if len(processes) < workers:
            raise SkippedError(f"with DUET_WORKERS={workers} the service runs as {len(processes)} process")
        warm_up(server.port, requests, clients=clients)
        before = psutil.Process().cpu_times()
        load = wrk_load(server.port, requests, clients=clients, seconds=seconds)
        after = psutil.Process().cpu_times()
        memory = pss_mb(processes)
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "requests/s": load.per_second,
        "p50, ms": load.p50_ms,
        "p99, ms": load.p99_ms,
        "errors": load.errors,
        "PSS, MB": memory,
        "CPU of the load, %": 100 * used / load.seconds,
    }


def _start_seconds(setup: Setup, home: Path) -> float:
    [request, *_] = _requests(setup, setup.model.manifest.family)
    spawned = time.perf_counter()
    with start_served(setup, setup.cores.server, home=home) as server:
        answer = server.wait_for_answer(request)
        taken = time.perf_counter() - spawned
    if not answer.ok:
        raise BenchmarkError(f"the service rejects the first request: {answer.status} {answer.body[:200]!r}")
    return taken


def _requests(setup: Setup, family: str) -> list[bytes]:
    return requests_for("multipart", predict_path("duet", family), setup.images.pngs)
