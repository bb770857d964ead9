"""Acceptance test of the int8 variant: it is published only if it is faster and not inferior in accuracy."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.repository.manifest import Precision, QuantizationRecord
from core.repository.onnx_session import open_session
from core.statistics.comparison import compare_paired
from training.export.quantize import METHOD

MIN_SPEEDUP = 1.5
MAX_LOSS = 0.005
"""Largest accepted loss of holdout accuracy, compared with the lower end of the 95 % interval of the difference."""

_TIMED_RUNS = 30
_WARMUP_RUNS = 3


def accept_int8(
    graphs: Mapping[Precision, Path],
    logits: Mapping[Precision, npt.NDArray[np.float32]],
    labels_N: npt.NDArray[np.int64],
    images_NHWC: npt.NDArray[np.uint8],
) -> QuantizationRecord:
    """Compare the int8 graph with the float32 graph: accuracy on the holdout, speed on this machine.

    Args:
        graphs: files of both graphs.
        logits: float32 [N, K], logits of both graphs on the holdout.
        labels_N: int64 [N], true classes of the holdout.
        images_NHWC: uint8 [M, H, W, 3], images of the range calibration; both graphs are timed on the first 32.
    """
    difference = compare_paired(labels_N, logits["int8"].argmax(axis=1), logits["fp32"].argmax(axis=1)).difference
    speedups = {size: measure_speedup(graphs, images_NHWC[:size]) for size in (1, 32)}
    reasons = []
    if min(speedups.values()) < MIN_SPEEDUP:
        reasons.append(f"less than {MIN_SPEEDUP} times as fast as float32")
    if difference.low <= -MAX_LOSS:
        reasons.append(f"not shown to lose less than {MAX_LOSS * 100:g} points of accuracy")
    return QuantizationRecord(
        method=METHOD,
        calibration_images=len(images_NHWC),
        speedup_batch_1=speedups[1],
        speedup_batch_32=speedups[32],
        holdout_difference=difference,
        published=not reasons,
        verdict=" and ".join(reasons) or "faster and not inferior",
    )


def measure_speedup(graphs: Mapping[Precision, Path], images_NHWC: npt.NDArray[np.uint8]) -> float:
    """Median float32 time divided by median int8 time, for one batch on one thread, in alternating runs."""
    sessions = {precision: open_session(path, threads=1) for precision, path in graphs.items()}
    seconds: dict[Precision, list[float]] = {precision: [] for precision in graphs}
    for _ in range(_WARMUP_RUNS + _TIMED_RUNS):
        for precision, session in sessions.items():
            started = time.perf_counter()
            session.run(["logits"], {"images": images_NHWC})
            seconds[precision].append(time.perf_counter() - started)
    medians = {precision: float(np.median(times[_WARMUP_RUNS:])) for precision, times in seconds.items()}
    return medians["fp32"] / medians["int8"]
