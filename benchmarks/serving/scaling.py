"""Two workers on two cores against one on one.

On a machine of two cores the load comes from the second worker's core; how much of it the generator takes is part of
the result, and the scaling is then judged only where that is little.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.serving.ask import ask
from benchmarks.serving.bench import Bench
from benchmarks.serving.errors import BenchmarkError, LeftOutError
from benchmarks.serving.messages import requests_for
from benchmarks.serving.processes import ServerProcess, own_cpu_seconds
from benchmarks.serving.results import Load, Scaling
from benchmarks.serving.targets import START_SECONDS, check_answers, path_of, start_target

CLIENTS = 64
_IN_A_ROW = 32


def scaling_rounds(bench: Bench) -> Iterator[Scaling]:
    """Measure one worker and two in each round, fp32, raw bodies, 64 clients."""
    for round_ in range(bench.plan.rounds):
        try:
            one, _ = _measured(bench, 1, {bench.cores.server})
            two, generator_cpu = _measured(bench, 2, {bench.cores.server, bench.cores.second})
        except LeftOutError as reason:
            bench.leave_out("two workers", reason)
            return
        found = Scaling(round_, one, two, bench.cores.load_is_free, generator_cpu)
        bench.say(
            f"round {round_ + 1}  one worker {one.per_second:.0f}/s, two {two.per_second:.0f}/s "
            f"({two.per_second / one.per_second:.2f}); the generator took {generator_cpu:.0%} of a core"
        )
        yield found


def _measured(bench: Bench, workers: int, cores: set[int]) -> tuple[Load, float]:
    model, settings = bench.model, {"DUET_WORKERS": str(workers)}
    with start_target("duet", "fp32", model, cores=cores, folder=bench.folder, settings=settings) as server:
        requests = requests_for("raw", path_of("duet", "fp32", model.manifest.family), bench.pictures.pngs)
        check_answers(server, "duet", "fp32", requests, model, bench.pictures)
        _wait_for_every_worker(server, requests)
        if len(server.pids()) < workers:
            raise LeftOutError(f"with DUET_WORKERS={workers} the service runs as {len(server.pids())} process")
        before = own_cpu_seconds()
        load, _ = bench.measured(server, requests, clients=CLIENTS, seconds=bench.plan.seconds)
        # The warm-up's share is in the numerator alone, so the generator is shown as no cheaper than it is.
        return load, (own_cpu_seconds() - before) / load.seconds


def _wait_for_every_worker(server: ServerProcess, requests: list[bytes]) -> None:
    """Return once many connections in a row were served: each goes to any worker, and all must have loaded."""
    in_a_row = 0
    end = time.monotonic() + START_SECONDS
    while in_a_row < _IN_A_ROW:
        if time.monotonic() > end:
            raise BenchmarkError(f"not every worker gets ready: {server.log_tail()}")
        in_a_row = in_a_row + 1 if ask(server.port, requests[0]).ok else 0
