"""How long the graphs of a version take for an image, on one thread of this machine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.records.base import ReportedModel
from core.records.latency import Latency, Timing
from core.repository.manifest import GRAPHS, Manifest
from core.repository.onnx_session import open_session, runtime_version
from core.statistics.resampling import statistic_estimate
from training.run.environment import cpu_name

BATCHES = (1, 32)
_SECONDS, _QUICK_SECONDS = 3.0, 0.3
_MIN_RUNS = 10


def measure_latency(manifest: Manifest, folder: Path, *, quick: bool = False) -> Latency:
    """Run every graph of a version on images of noise, alone and in batches.

    What counts is the processor time of the thread that computes, so other work on the machine disturbs it little.

    Args:
        manifest: of the version.
        folder: of the version.
        quick: a tenth of the time.
    """
    timings = []
    for precision in manifest.calibration:
        for batch in BATCHES:
            seconds_R = _runs(folder / GRAPHS[precision], manifest, batch, _QUICK_SECONDS if quick else _SECONDS)
            ms = statistic_estimate(lambda drawn_R: float(np.median(drawn_R)), 1000 * seconds_R / batch)
            timings.append(Timing(precision=precision, batch=batch, ms=ms, runs=len(seconds_R)))
    return Latency(
        model=ReportedModel.of(manifest), cpu=cpu_name(), onnxruntime=runtime_version(), timings=tuple(timings)
    )


def _runs(graph: Path, manifest: Manifest, batch: int, seconds: float) -> npt.NDArray[np.float64]:
    """Processor time of each run, float64 [R]; the first, which allocates, is left out."""
    size = manifest.input
    shape = (batch, size.height, size.width, size.channels)
    inputs = {"images": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}
    session = open_session(graph, threads=1)
    session.run(["logits"], inputs)
    taken: list[float] = []
    while len(taken) < _MIN_RUNS or sum(taken) < seconds:
        started = time.thread_time()
        session.run(["logits"], inputs)
        taken.append(time.thread_time() - started)
    return np.array(taken)
