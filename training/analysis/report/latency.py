"""Latency of the graphs of a version per image, on one thread of this machine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.records.base import ReportedModel
from core.records.latency import Latency, Timing
from core.repository.manifest import GRAPHS, Manifest
from core.repository.onnx_session import open_session, runtime_version
from core.statistics.intervals import statistic_estimate
from training.run.environment import cpu_name

BATCHES = (1, 32)
_SECONDS, _QUICK_SECONDS = 3.0, 0.3
"""Measured processor time per graph and batch size."""
_MIN_RUNS = 10


def measure_latency(manifest: Manifest, folder: Path, *, quick: bool = False) -> Latency:
    """Measure all graphs of a version on noise images, one at a time and in batches.

    Measures the processor time of the thread, which other work on the machine hardly affects.

    Args:
        manifest: manifest of the version.
        folder: folder of the version.
        quick: measure for a tenth of the time.
    """
    timings = []
    for precision in manifest.calibration:
        for batch in BATCHES:
            seconds_R = _run_times(folder / GRAPHS[precision], manifest, batch, _QUICK_SECONDS if quick else _SECONDS)
            ms = statistic_estimate(lambda drawn_R: float(np.median(drawn_R)), 1000 * seconds_R / batch)
            timings.append(Timing(precision=precision, batch=batch, ms=ms, runs=len(seconds_R)))
    return Latency(
        model=ReportedModel.of(manifest), cpu=cpu_name(), onnxruntime=runtime_version(), timings=tuple(timings)
    )


def _run_times(graph: Path, manifest: Manifest, batch: int, seconds: float) -> npt.NDArray[np.float64]:
    """Processor time of each run in seconds, float64 [R], after one warm-up run."""
    size = manifest.input
    shape = (batch, size.height, size.width, size.channels)
    inputs = {"images": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}
    session = open_session(graph, threads=1)
    session.run(["logits"], inputs)
    times: list[float] = []
    while len(times) < _MIN_RUNS or sum(times) < seconds:
        started = time.thread_time()
        session.run(["logits"], inputs)
        times.append(time.thread_time() - started)
    return np.array(times)
