"""Serving costs of a candidate relative to the champion: latency and size.

Latency is CPU time at low priority, so that the measurement does not slow down a running service.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from core.errors import CorruptVersionError
from core.gate.holdout import Evidence
from core.repository.manifest import GRAPHS
from core.repository.onnx_session import open_session
from core.statistics.intervals import ConfidenceInterval, statistic_estimate

NICENESS = 5
CPU_SECONDS = 0.3
WALL_SECONDS = 1.0
_MIN_ROUNDS = 10


@dataclass(frozen=True)
class Latency:
    """CPU time of one image on one thread, median over rounds; `ratio` is candidate divided by champion."""

    ratio: ConfidenceInterval
    candidate_ms: float
    champion_ms: float


def measure_latency(candidate: Evidence, champion: Evidence) -> Latency:
    """Run both graphs alternately for 0.3 seconds of CPU time, at most 1 second of wall time.

    The runs are on a separate thread of low priority. Its CPU time does not include waiting for the core. Each round
    gives one ratio, so that changes of the clock frequency affect both sides.

    Raises:
        CorruptVersionError: a graph cannot be loaded or run.
    """
    runs = (_runner(candidate), _runner(champion))
    with ThreadPoolExecutor(1, thread_name_prefix="gate-latency", initializer=_yield_to_others) as thread:
        return thread.submit(_measure, runs).result()


def _measure(runs: Sequence[Callable[[], None]]) -> Latency:
    for run in runs:
        _seconds(run)  # the first run on a thread allocates
    rounds_R2: list[list[float]] = []
    cpu_end, wall_end = time.thread_time() + CPU_SECONDS, time.monotonic() + WALL_SECONDS
    while len(rounds_R2) < _MIN_ROUNDS or (time.thread_time() < cpu_end and time.monotonic() < wall_end):
        order = (0, 1) if len(rounds_R2) % 2 else (1, 0)
        seconds = [0.0, 0.0]
        for side in order:
            seconds[side] = _seconds(runs[side])
        rounds_R2.append(seconds)
    seconds_R2 = np.array(rounds_R2)
    ratios_R = seconds_R2[:, 0] / seconds_R2[:, 1]
    ratio = statistic_estimate(lambda drawn_R: float(np.median(drawn_R)), ratios_R, resamples=500)
    candidate_ms, champion_ms = (float(median) for median in 1e3 * np.median(seconds_R2, axis=0))
    return Latency(ratio, candidate_ms, champion_ms)


def _runner(version: Evidence) -> Callable[[], None]:
    """A function that runs the graph on one image of noise; raises CorruptVersionError if it cannot."""
    size = version.manifest.input
    shape = (1, size.height, size.width, size.channels)
    image_NHWC = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = version.folder / GRAPHS["fp32"]
    try:
        session = open_session(path, threads=1)
        session.run(["logits"], {"images": image_NHWC})
    except Exception as error:  # onnxruntime has no common base for its errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorruptVersionError(f"{version.manifest.reference}: {path.name} cannot be run ({reason})") from error

    def run() -> None:
        session.run(["logits"], {"images": image_NHWC})

    return run


def _seconds(run: Callable[[], None]) -> float:
    started = time.thread_time()
    run()
    return max(time.thread_time() - started, 1e-9)


def _yield_to_others() -> None:
    """Lower the priority of this thread; only Linux has priorities per thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


@dataclass(frozen=True)
class Costs:
    """Latency on one thread, and size of the graph and its weights."""

    latency: Latency
    candidate_bytes: int
    champion_bytes: int

    @property
    def size_ratio(self) -> float:
        """Size of the candidate divided by that of the champion."""
        return self.candidate_bytes / max(1, self.champion_bytes)


def measure_costs(candidate: Evidence, champion: Evidence) -> Costs:
    """Measure latency and size of both versions; takes less than a second on an idle machine.

    Raises:
        CorruptVersionError: a graph cannot be loaded or run.
    """
    return Costs(measure_latency(candidate, champion), candidate.manifest.served_bytes, champion.manifest.served_bytes)
