"""gradient.onnx of the brightness models, whose logits are linear, so that every gradient is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from core.repository.manifest import GRADIENT_GRAPH, Geometry
from tests.support.onnx_models import CLASSES, SHARPNESS, SIZE, write_onnx_version
from tests.support.service import set_champions


def gradient_graph(*, classes: int = len(CLASSES), size: int = SIZE, inverted: bool = False, features: bool) -> bytes:
    """Return the gradient graph of `write_onnx_version`; its optional feature map is the image in NCHW layout."""
    centers_K = np.linspace(0, 1, classes, dtype=np.float32)[:: -1 if inverted else 1]
    count = size * size * 3
    weights_PK = np.tile(SHARPNESS * 2 * centers_K / count, (count, 1)).astype(np.float32)
    constants = [
        numpy_helper.from_array(weights_PK, "weights"),
        numpy_helper.from_array((-SHARPNESS * centers_K**2).astype(np.float32), "bias"),
        numpy_helper.from_array(np.array([-1, size, size, 3], np.int64), "image"),
    ]
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("Transpose", ["weights"], ["back"], perm=[1, 0]),
        helper.make_node("MatMul", ["target", "back"], ["flat_gradient"]),
        helper.make_node("Reshape", ["flat_gradient", "image"], ["gradient"]),
    ]
    images: list[str | int | None] = ["N", size, size, 3]
    outputs: list[tuple[str, list[str | int | None]]] = [("logits", ["N", classes]), ("gradient", images)]
    if features:
        for name, source in (("features", "pixels"), ("feature_gradient", "gradient")):
            nodes.append(helper.make_node("Transpose", [source], [name], perm=[0, 3, 1, 2]))
            outputs.append((name, ["N", 3, size, size]))
    graph = helper.make_graph(
        nodes,
        "gradient",
        [
            helper.make_tensor_value_info("pixels", TensorProto.FLOAT, images),
            helper.make_tensor_value_info("target", TensorProto.FLOAT, ["N", classes]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def expected_slope(target: int) -> float:
    """Return the gradient of a class's logit at every pixel of a non-inverted version."""
    return SHARPNESS * 2 * target / (len(CLASSES) - 1) / (SIZE * SIZE * 3)


def write_explainable(home: Path, *, geometry: Geometry = "stretch") -> Path:
    """Return cnn@1 with feature maps, the inverted mlp@1 without, and cnn@2 without a gradient graph."""
    models = home / "models"
    for family, inverted in (("cnn", False), ("mlp", True)):
        graph = gradient_graph(inverted=inverted, features=family == "cnn")
        write_onnx_version(
            models / family / "1", family, 1, inverted=inverted, geometry=geometry, extra_files={GRADIENT_GRAPH: graph}
        )
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    set_champions(models, cnn=1, mlp=1)
    return models
