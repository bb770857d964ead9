"""Served graphs of imported ONNX files: the wrapping of a file's nodes, and its parameters and multiply-accumulates.

The served graph takes `images` uint8 [N, H, W, 3] and returns `logits` float32 [N, K]: it scales the pixels, changes
the layout, runs the nodes of the file, and sorts the classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from safetensors import SafetensorError
from safetensors.numpy import save

from core.errors import DataError
from core.repository.manifest import GRAPHS
from training.export.source_graph import SourceGraph, graph_inputs
from training.export.weights import WEIGHTS_NAME, point_into_weights

_SMALLEST_PROBABILITY = 1e-7
_INLINE_BYTES = 1_024
"""Maximum size of weights that remain in the graph. Shape inference needs the shape of a Reshape, for example, and does
not read external data."""


def write_served_graph(
    source: SourceGraph,
    folder: Path,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    order: Sequence[int],
    probabilities: bool,
) -> None:
    """Write model.onnx and weights.safetensors to `folder`.

    Args:
        source: the imported graph.
        folder: of the version.
        mean: per channel on the [0, 1] scale.
        std: per channel on the [0, 1] scale.
        order: output of the file for each class of the version.
        probabilities: the file returns probabilities, whose logarithms are the logits.

    Raises:
        DataError: safetensors cannot store the type of a weight, or the wrapped graph is not valid.
    """
    inner = compose.add_prefix(source.model, "imported/")
    graph = inner.graph
    entry, exit_name = graph_inputs(graph)[0].name, graph.output[0].name
    constants = [numpy_helper.from_array(np.array(order, np.int64), "order")]
    before, value = [], "images"
    if source.dtype == "float32":
        scale_C, shift_C = 1 / (255 * np.array(std)), -np.array(mean) / np.array(std)
        constants += [
            numpy_helper.from_array(scale_C.astype(np.float32), "scale"),
            numpy_helper.from_array(shift_C.astype(np.float32), "shift"),
        ]
        before += [
            helper.make_node("Cast", [value], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "shift"], ["normalized"]),
        ]
        value = "normalized"
    if source.layout == "NCHW":
        before.append(helper.make_node("Transpose", [value], [entry], perm=[0, 3, 1, 2]))
    else:
        before.append(helper.make_node("Identity", [value], [entry]))
    after, value = [], exit_name
    if probabilities:
        constants.append(numpy_helper.from_array(np.array(_SMALLEST_PROBABILITY, np.float32), "smallest"))
        after += [
            helper.make_node("Max", [value, "smallest"], ["positive"]),
            helper.make_node("Log", ["positive"], ["log"]),
        ]
        value = "log"
    after.append(helper.make_node("Gather", [value, "order"], ["logits"], axis=1))
    # `from_array` stores the values as raw data, which `point_into_weights` turns into external data.
    weights = [numpy_helper.from_array(numpy_helper.to_array(one), one.name) for one in graph.initializer]
    served = helper.make_model(
        helper.make_graph(
            [*before, *graph.node, *after],
            "imported",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", source.side, source.side, 3])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(order)])],
            [*weights, *constants],
        ),
        opset_imports=inner.opset_import,
        ir_version=inner.ir_version,
    )
    path = folder / WEIGHTS_NAME
    try:
        path.write_bytes(save({one.name: numpy_helper.to_array(one) for one in weights}))
    except SafetensorError as error:
        raise DataError(f"{source.path} has weights of a type that cannot be stored: {error}") from error
    point_into_weights(served, path, "", inline_bytes=_INLINE_BYTES)
    onnx.save(served, folder / GRAPHS["fp32"])
    try:
        onnx.checker.check_model(str(folder / GRAPHS["fp32"]), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise DataError(f"{source.path} cannot be served: {str(error).splitlines()[0]}") from error


def as_logits(
    outputs_NK: npt.NDArray[np.float32], order: Sequence[int], *, probabilities: bool
) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] of the served graph for the outputs of the file."""
    values_NK = np.log(np.maximum(outputs_NK, np.float32(_SMALLEST_PROBABILITY))) if probabilities else outputs_NK
    return np.asarray(values_NK[:, list(order)])


def are_probabilities(outputs_NK: npt.NDArray[np.float32]) -> bool:
    """True if all rows are distributions: not negative, with a sum of 1."""
    return bool((outputs_NK >= 0).all() and np.allclose(outputs_NK.sum(axis=1), 1, atol=1e-3))


def count_parameters(model: onnx.ModelProto) -> int:
    """Number of values of all floating-point initializers, at least 1."""
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    return max(1, sum(int(math.prod(one.dims)) for one in model.graph.initializer if one.data_type in floats))


def count_macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of convolutions and matrix products for one image, at least 1."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    graph_inputs(single.graph)[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(single).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    shapes = {one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in values}
    shapes |= {one.name: list(one.dims) for one in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            output, weight = shapes.get(node.output[0], []), shapes.get(node.input[1], [])
            transposed = any(one.name == "transB" and one.i for one in node.attribute)
            terms = (
                (math.prod(weight[1:]) if node.op_type == "Conv" else (weight[1] if transposed else weight[-2]))
                if len(weight) > 1
                else 0
            )
            total += math.prod(output) * terms
    return max(1, total)
