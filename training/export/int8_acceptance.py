"""The trial of an int8 variant: it is published where it is faster and shown to be no worse."""

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
"""Accuracy that int8 may lose on the holdout, as the lower end of the difference's 95 % interval."""

_ROUNDS = 30
_UNTIMED = 3


def accept_int8(
    graphs: Mapping[Precision, Path],
    logits: Mapping[Precision, npt.NDArray[np.float32]],
    labels_N: npt.NDArray[np.int64],
    images_NHWC: npt.NDArray[np.uint8],
) -> QuantizationRecord:
    """Measure the int8 graph against the float32 one, on the holdout and on this machine.

    Args:
        graphs: both files.
        logits: both graphs' answers to the holdout, float32 [N, K].
        labels_N: int64 [N], true classes of the holdout.
        images_NHWC: uint8, the images that fixed the ranges; both graphs are timed on the first 32.
    """
    difference = compare_paired(labels_N, logits["int8"].argmax(axis=1), logits["fp32"].argmax(axis=1)).difference
    speedups = {size: measured_speedup(graphs, images_NHWC[:size]) for size in (1, 32)}
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


def measured_speedup(graphs: Mapping[Precision, Path], images_NHWC: npt.NDArray[np.uint8]) -> float:
    """Median time of the float32 graph over that of int8 for one batch, a thread each, in interleaved rounds."""
    sessions = {precision: open_session(path, threads=1) for precision, path in graphs.items()}
    seconds: dict[Precision, list[float]] = {precision: [] for precision in graphs}
    for _ in range(_UNTIMED + _ROUNDS):
        for precision, session in sessions.items():
            started = time.perf_counter()
            session.run(["logits"], {"images": images_NHWC})
            seconds[precision].append(time.perf_counter() - started)
    # The first runs allocate.
    medians = {precision: float(np.median(times[_UNTIMED:])) for precision, times in seconds.items()}
    return medians["fp32"] / medians["int8"]
