"""onnxruntime's own speed: nothing but `session.run` in a loop, on one thread of the server's core.

A child process measures it, so that each measurement opens the graph as a server does, on memory of its own:

    python -m benchmarks.serving.raw --graph models/cnn/4/model.onnx --seconds 1
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.machine import pinned
from benchmarks.serving.processes import ROOT
from benchmarks.serving.results import RawSpeed
from core.repository.onnx_session import open_session

BATCH = 32
_WARM_RUNS = 3


def raw_speed(graph: Path, *, core: int, seconds: float) -> RawSpeed:
    """Measure `graph` for `seconds` at a batch of one and as long at a batch of 32, while the servers are idle.

    Raises:
        BenchmarkError: the child process failed.
    """
    command = [sys.executable, "-m", "benchmarks.serving.raw", "--graph", str(graph), "--seconds", str(seconds)]
    with pinned({core}):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60 + 4 * seconds, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"onnxruntime could not be measured on {graph}: {done.stderr.strip()[-1000:]}")
    return RawSpeed(**json.loads(done.stdout))


def measure(graph: Path, seconds: float) -> dict[str, float]:
    """The fields of RawSpeed: median time of one image, mean rate at 32, and the share of the core it had then."""
    session = open_session(graph, threads=1)
    height, width = session.get_inputs()[0].shape[1:3]
    images_NHWC = np.random.default_rng(0).integers(0, 256, (BATCH, height, width, 3), np.uint8)
    ones, _ = _times(session, images_NHWC[:1], seconds)
    batches, cpu = _times(session, images_NHWC, seconds)
    return {
        "batch_1_ms": 1000 * statistics.median(ones),
        "batch_32_images_per_second": BATCH * len(batches) / sum(batches),
        "batch_32_images_per_cpu_second": BATCH * len(batches) / cpu,
        "core_share": cpu / sum(batches),
    }


def _times(session: Any, images_NHWC: np.ndarray[Any, np.dtype[np.uint8]], seconds: float) -> tuple[list[float], float]:
    """Seconds of each run, for about `seconds` in all, and the CPU time of all of them."""
    feed = {"images": images_NHWC}
    for _ in range(_WARM_RUNS):
        session.run(None, feed)
    times: list[float] = []
    cpu = time.process_time()
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        started = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - started)
    return times, time.process_time() - cpu


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.graph, arguments.seconds)))


if __name__ == "__main__":
    main()
