"""The int8 variant of a model: the same weights in integers, the ranges of its activations fixed on training images.

Static quantization in the QDQ form, which onnxruntime fuses into integer kernels: convolutions with their batch
normalization and ReLU, pooling and hidden dense layers all run on integers. Measured on the baselines' networks and
the 5,000 validation images: answers that stay those of float32, and mean divergence KL(float32 || int8) in thousandths
of a nat. Accuracy moved by 0.1 to 0.2 points in every row, which 5,000 images cannot tell apart, and is no guide.

| | cnn | mlp | |
|---|---|---|---|
| what is done here | 99.62 %, 0.32 | 99.02 %, 0.38 | 2.8 to 4.6 times as fast as float32 |
| weights in all 8 bits | 99.60 %, 0.28 | 99.06 %, 0.28 | wrong on processors without VNNI, see below |
| one scale per tensor of weights | 99.10 %, 1.90 | 98.56 %, 0.62 | no faster |
| last layer in int8 too | 99.60 %, 0.38 | 97.24 %, 0.97 | 219 of the mlp's images tie: logits in 256 steps; no faster |
| first layer in float32 | 99.58 %, 0.26 | 98.64 %, 0.32 | the mlp gains nothing: that layer is most of it |
| ranges from 128 images | 99.56 %, 3.12 | 98.80 %, 0.32 | rare large activations are cut off; 4,096 are no better |
| ranges at the 99.99th percentile | 99.42 %, 6.32 | 98.94 %, 0.31 | the same; by entropy: 0.74 and 0.54 |
| activations int8 about zero | 99.32 %, 0.68 | 98.28 %, 0.93 | a fifth slower; off-center int8 is equal to uint8 |

A whitening layer stays in float32, because whitening gives its channels ranges that differ by orders of magnitude. On
cnn_best's network and 1,500 training images, whose answers are compared as above: 99.93 %, 0.35, at 771 images a second
on one thread, instead of 99.87 %, 0.53, at 741.

Weights keep to seven of their eight bits because the product of uint8 activations and full-range weights saturates its
16-bit sums where a processor has no VNNI. Emulating one (AVX2 only) with 1,000 images: in seven bits every logit is
the same to the bit; in eight, 3.8 % of the cnn's answers and 4.4 % of the mlp's change. Versions are served anywhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before anything of onnxruntime: it reads what this module sets when it is first imported.
import core.repository.onnx_session  # noqa: F401

# isort: split
import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

from core.repository.manifest import GRAPHS
from training.data.split_dataset import Images

METHOD = (
    "static QDQ; weights int8 per channel in 7 bits, activations uint8 by minimum and maximum; whitening and last "
    "layer in float32"
)
_WHITENING = "network.whitening."
"""What the weights of that layer are called."""
_SAMPLE = 1_024
_BATCH = 64


class _Batches:
    """Feeds images to the quantizer, a batch at a time; it asks for the next one until there is none."""

    def __init__(self, images_NHWC: npt.NDArray[np.uint8]) -> None:
        self._batches: Iterator[dict[str, npt.NDArray[np.uint8]]] = (
            {"images": images_NHWC[start : start + _BATCH]} for start in range(0, len(images_NHWC), _BATCH)
        )

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        return next(self._batches, None)


def calibration_images(images: Images) -> npt.NDArray[np.uint8]:
    """Up to 1,024 training images, uint8 [N, H, W, 3]: evenly spaced, because some data sets are sorted by class."""
    train = images.split.train
    chosen = np.linspace(0, len(train) - 1, min(_SAMPLE, len(train))).astype(np.int64)
    return images.dataset.training.images_NHWC[train[chosen]]


def quantize(model: Path, images_NHWC: npt.NDArray[np.uint8]) -> Path:
    """Write model.int8.onnx beside `model`, from the same weights; returns its path.

    The same model and images give the same bytes. The file holds its weights: it needs no other.

    Args:
        model: the float32 graph, `images` -> `logits`; its weights may be external data.
        images_NHWC: uint8 [N, H, W, 3], training images that fix the ranges of the activations.
    """
    target = model.with_name(GRAPHS["int8"])
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared = Path(folder, "whole.onnx"), Path(folder, "prepared.onnx")
        onnx.save(onnx.load(model), whole)
        # Folds batch normalization into the convolutions, so that their output is quantized once.
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
    """Undeclare what onnxruntime declares because it knows it, whether or not the graph uses it."""
    graph = onnx.load(path)
    used = {node.domain for node in graph.graph.node}
    kept = [entry for entry in graph.opset_import if entry.domain in used]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    onnx.save(graph, path)
