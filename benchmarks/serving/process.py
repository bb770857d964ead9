"""Costs of the Duet process: start time, memory, and the gain of a second worker."""

from __future__ import annotations

import time

import psutil

from benchmarks.common.http import ask, requests_for
from benchmarks.common.report import BenchmarkError, Goal, SkippedError
from benchmarks.common.server import START_SECONDS, rss_mb
from benchmarks.common.wrk import Load, warm_up, wrk_load
from benchmarks.serving.servers import Setup, check_answers, predict_path, start

START = "start to first answer, s"
GOALS = (
    Goal("two workers on two cores over one on one", ">=", 1.7),
    Goal(START, "<=", 2.0),
    Goal("resident memory with * champion(s), MB", "<=", 200),
)
MAX_GENERATOR_CPU = 0.15
_CLIENTS, _MEMORY_CLIENTS = 64, 32
_WARM_REQUESTS, _READY_ANSWERS = 64, 32


def start_figures(setup: Setup) -> dict[str, float]:
    """Measure the time from the spawn to the first answer."""
    [request, *_] = _requests(setup, setup.model.manifest.family)
    spawned = time.perf_counter()
    with start("duet", "fp32", setup, setup.cores.server) as server:
        answer = server.wait_for_answer(request)
        taken = time.perf_counter() - spawned
    if not answer.ok:
        raise BenchmarkError(f"the service rejects the first request: {answer.status} {answer.body[:200]!r}")
    return {START: taken}


def memory_figures(setup: Setup, seconds: float) -> dict[str, float]:
    """Measure the resident memory with all champions before and after load; the larger one has a goal."""
    requests = [_requests(setup, family) for family in setup.model.champions]
    with start("duet", "fp32", setup, setup.cores.server) as server:
        for of_family in requests:
            for request in of_family[:_WARM_REQUESTS]:
                if not server.wait_for_answer(request).ok:
                    raise BenchmarkError(f"the service does not answer for a champion: {server.log_tail()}")
        warm = rss_mb(server.processes())
        for of_family in requests:
            wrk_load(server.port, of_family, clients=_MEMORY_CLIENTS, seconds=seconds)
        most = max(warm, rss_mb(server.processes()))
    name = f"resident memory with {len(requests)} champion(s), MB"
    return {name: most, f"{name}, before load": warm}


def scaling_figures(setup: Setup, seconds: float) -> dict[str, float]:
    """Compare two workers on two cores with one on one: fp32, raw bodies, 64 clients.

    If the load shares a core with the second worker, the ratio has a goal only if the load takes little of that core.

    Raises:
        SkippedError: the service does not start two processes.
    """
    cores = setup.cores
    one, _ = _load_workers(setup, 1, cores.server, seconds=seconds)
    two, generator = _load_workers(setup, 2, cores.server, cores.second, seconds=seconds)
    name = "two workers on two cores over one on one"
    if cores.second == cores.load and generator > MAX_GENERATOR_CPU:
        name += f" (no goal: the load takes more than {MAX_GENERATOR_CPU:.0%} of a core)"
    return {name: two.per_second / one.per_second, "CPU of the load beside two workers, %": 100 * generator}


def _load_workers(setup: Setup, workers: int, *cores: int, seconds: float) -> tuple[Load, float]:
    """Return the load of this number of workers, and the CPU time of wrk over wall time."""
    with start("duet", "fp32", setup, *cores, workers=workers) as server:
        requests = _requests(setup, setup.model.manifest.family)
        check_answers(server, "duet", "fp32", requests, setup)
        if len(server.processes()) < workers:
            raise SkippedError(f"with DUET_WORKERS={workers} the service runs as {len(server.processes())} process")
        # Any worker may accept a connection: many successes in a row mean that all of them are ready.
        in_a_row, end = 0, time.monotonic() + START_SECONDS
        while in_a_row < _READY_ANSWERS:
            if time.monotonic() > end:
                raise BenchmarkError(f"a worker does not become ready: {server.log_tail()}")
            in_a_row = in_a_row + 1 if ask(server.port, requests[0]).ok else 0
        warm_up(server.port, requests, clients=_CLIENTS)
        before = psutil.Process().cpu_times()
        load = wrk_load(server.port, requests, clients=_CLIENTS, seconds=seconds)
        after = psutil.Process().cpu_times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return load, used / load.seconds


def _requests(setup: Setup, family: str) -> list[bytes]:
    return requests_for("raw", predict_path("duet", "fp32", family), setup.images.pngs)
