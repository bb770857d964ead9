"""ONNX files as other tools export them: a linear classifier of the mean color, in several forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

COLORS = {"grass": (60, 180, 70), "night": (20, 20, 90), "snow": (240, 240, 245)}


def write_foreign_graph(
    path: Path,
    labels: tuple[str, ...],
    *,
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    dtype: Literal["float32", "uint8"] = "float32",
    side: int = 16,
    softmax: bool = False,
    reshape: bool = False,
    mean: float = 0.0,
    std: float = 1.0,
    batch: int | str = "N",
    opset: int = 17,
    **save: Any,
) -> Path:
    """Write a graph that predicts the label whose color is nearest to the image's mean color.

    With `reshape`, the mean color has two more dimensions, which a Reshape removes, as torch exports Flatten.
    """
    colors_KC = np.array([COLORS[label] for label in labels]) / 255
    # -|x - c|^2 without its term in x, for x = y * std + mean.
    weights_CK = 40 * std * 2 * colors_KC.T
    bias_K = 40 * (2 * mean * colors_KC.sum(axis=1) - (colors_KC**2).sum(axis=1))
    if dtype == "uint8":
        weights_CK = weights_CK / 255
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    nodes = [] if dtype == "float32" else [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    nodes += [
        helper.make_node(
            "ReduceMean", ["x" if dtype == "float32" else "y"], ["mean"], axes=axes, keepdims=int(reshape)
        ),
        helper.make_node("Reshape" if reshape else "Identity", ["mean", "shape"] if reshape else ["mean"], ["color"]),
        helper.make_node("Gemm", ["color", "weights", "bias"], ["scores"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["out"], axis=1))
    shape = [batch, 3, side, side] if layout == "NCHW" else [batch, side, side, 3]
    kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.UINT8
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("out" if softmax else "scores", TensorProto.FLOAT, [batch, len(labels)])],
        [
            numpy_helper.from_array(weights_CK.astype(np.float32), "weights"),
            numpy_helper.from_array(bias_K.astype(np.float32), "bias"),
            *([numpy_helper.from_array(np.array([-1, 3], np.int64), "shape")] if reshape else []),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.save(model, path, **save)
    return path


def edited_graph(path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    """The file of `path` with a changed graph."""
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path
