"""Static int8 quantization with activation ranges from training images, and the acceptance test of the result.

The graph is in QDQ form, which onnxruntime fuses into integer kernels: convolutions with batch normalization and ReLU,
pooling and hidden dense layers run on integers. The last layer stays in float32, because quantized logits have only 256
steps and tie. A whitening layer does too, because the ranges of its channels differ by orders of magnitude. Weights use
7 of 8 bits, because products of uint8 activations and 8-bit weights saturate the 16-bit sums of a CPU without VNNI.
docs/lab-notes.md compares the alternatives.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

# Before onnxruntime, because it sets environment variables that onnxruntime reads on its first import.
from core.repository.onnx_session import open_session

# isort: split
from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

from core.repository.graph_records import QuantizationRecord
from core.repository.manifest import GRAPHS, Precision
from core.statistics.comparison import compare_paired
from training.data.split_dataset import Images

METHOD = (
    "static QDQ; weights int8 per channel in 7 bits, activations uint8 by minimum and maximum; whitening and last "
    "layer in float32"
)
_WHITENING = "network.whitening."
"""Prefix of the names of the whitening layer's weights."""
_SAMPLE = 1_024
_BATCH = 64
MIN_SPEEDUP = 1.5
"""Smallest accepted speed-up over float32, for one image and for 32."""
MAX_LOSS = 0.005
"""Largest accepted loss of holdout accuracy, compared with the lower end of the 95 % interval of the difference."""
_TIMED_RUNS = 5, 30
"""Smallest and largest number of timed runs of each graph; beyond the smallest, only for `_TIMED_SECONDS`."""
_TIMED_SECONDS = 4.0
_WARMUP_RUNS = 2


class _Batches:
    """Calibration data reader of onnxruntime's quantizer: yields batches, then None."""

    def __init__(self, images_NHWC: npt.NDArray[np.uint8]) -> None:
        self._batches: Iterator[dict[str, npt.NDArray[np.uint8]]] = (
            {"images": images_NHWC[start : start + _BATCH]} for start in range(0, len(images_NHWC), _BATCH)
        )

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        return next(self._batches, None)


def calibration_images(images: Images) -> npt.NDArray[np.uint8]:
    """Up to 1,024 training images, uint8 [N, H, W, 3], evenly spaced because some data sets are sorted by class."""
    train = images.split.train
    chosen = np.linspace(0, len(train) - 1, min(_SAMPLE, len(train))).astype(np.int64)
    return images.dataset.training.images_NHWC[train[chosen]]


def quantize(model: Path, images_NHWC: npt.NDArray[np.uint8]) -> Path:
    """Write model.int8.onnx to the folder of `model`; returns its path.

    The file contains its weights. The same model and training images, uint8 [N, H, W, 3], give the same bytes.
    """
    target = model.with_name(GRAPHS["int8"])
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared = Path(folder, "whole.onnx"), Path(folder, "prepared.onnx")
        onnx.save(onnx.load(model), whole)
        # Folds batch normalization into the convolutions, so that their output is quantized only once.
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        whitening = [node.name for node in nodes if any(_WHITENING in name for name in node.input)]
        last = [node.name for node in nodes if "logits" in node.output]
        quantize_static(
            str(prepared),
            str(target),
            _Batches(images_NHWC),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*whitening, *last],
        )
    _drop_unused_domains(target)
    onnx.checker.check_model(str(target), full_check=True)
    return target


def _drop_unused_domains(path: Path) -> None:
    """Remove operator set imports that onnxruntime adds although the graph does not use them."""
    graph = onnx.load(path)
    used = {node.domain for node in graph.graph.node}
    kept = [entry for entry in graph.opset_import if entry.domain in used]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    onnx.save(graph, path)


def accept_int8(
    graphs: Mapping[Precision, Path],
    logits: Mapping[Precision, npt.NDArray[np.float32]],
    labels_N: npt.NDArray[np.int64],
    images_NHWC: npt.NDArray[np.uint8],
) -> QuantizationRecord:
    """Compare the int8 graph with the float32 graph: accuracy on the holdout, speed on this machine.

    `logits` are float32 [N, K] on the holdout. `images_NHWC`, uint8 [M, H, W, 3], are those of the range calibration;
    both graphs are timed on the first 32.
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
    least, most = _TIMED_RUNS
    begin = time.perf_counter()
    for run in range(_WARMUP_RUNS + most):
        # Large images take seconds per batch, and their median is stable after a few runs.
        if run >= _WARMUP_RUNS + least and time.perf_counter() - begin > _TIMED_SECONDS:
            break
        for precision, session in sessions.items():
            started = time.perf_counter()
            session.run(["logits"], {"images": images_NHWC})
            seconds[precision].append(time.perf_counter() - started)
    medians = {precision: float(np.median(times[_WARMUP_RUNS:])) for precision, times in seconds.items()}
    return medians["fp32"] / medians["int8"]
