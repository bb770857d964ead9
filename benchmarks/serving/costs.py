"""What one API process costs: the time from its start to its first answer, and the memory that it holds.

A start is timed from the spawn to the first 2xx answer of /predict, asked for every few milliseconds from another
core, over an empty home, with the program's files in the page cache. Memory is read after 64 requests to each
champion, and again after each was loaded for a while by 32 clients.
"""

from __future__ import annotations

import time

from benchmarks.serving.ask import settled_answer
from benchmarks.serving.bench import Bench
from benchmarks.serving.closed_loop import python_load
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import raw_request
from benchmarks.serving.processes import memory
from benchmarks.serving.results import Memory
from benchmarks.serving.targets import START_SECONDS, path_of, start_target, wait_until_ready

_WARM_REQUESTS = 64
_CLIENTS = 32


def start_seconds(bench: Bench) -> tuple[float, ...]:
    """Seconds from spawn to first answer, of each start."""
    found = []
    request = raw_request(path_of("duet", "fp32", bench.model.manifest.family), bench.pictures.pngs[0])
    for _ in range(bench.plan.starts):
        spawned = time.perf_counter()
        with start_target("duet", "fp32", bench.model, cores={bench.cores.server}, folder=bench.folder) as server:
            answer = settled_answer(server.port, request, within=START_SECONDS)
            found.append(time.perf_counter() - spawned)
            if answer is None or not answer.ok:
                raise BenchmarkError(f"the service did not start: {server.log_tail()}")
        bench.say(f"start to first answer: {found[-1]:.2f} s")
    return tuple(found)


def process_memory(bench: Bench) -> tuple[Memory, Memory]:
    """Memory of one API process with every champion loaded: warm, and after load."""
    requests = [
        [raw_request(path_of("duet", "fp32", family), png) for png in bench.pictures.pngs]
        for family in bench.model.champions
    ]
    with start_target("duet", "fp32", bench.model, cores={bench.cores.server}, folder=bench.folder) as server:
        for each in requests:
            for request in each[:_WARM_REQUESTS]:
                if not wait_until_ready(server, request).ok:
                    raise BenchmarkError(f"the service does not answer for a champion: {server.log_tail()}")
        warm = memory(server.pids())
        for each in requests:
            python_load(server.port, each, clients=_CLIENTS, seconds=bench.plan.seconds)
        loaded = memory(server.pids())
    bench.say(
        f"memory with {', '.join(bench.model.champions)}: {warm.rss_mb:.0f} MB warm, {loaded.rss_mb:.0f} MB after load"
    )
    return warm, loaded
