"""Contract of ONNX files from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.errors import DataError
from tests.support.foreign_graphs import edited_graph, write_foreign_graph
from training.export.source_graph import read_graph

LABELS = ("snow", "grass", "night")


def add_custom(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Magic", ["scores"], ["magic"], domain="acme"))
    model.opset_import.append(helper.make_opsetid("acme", 1))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"batch": 1}, "takes batches of 1 images only: export it with a dynamic batch size"),
        ({"side": 4}, "takes images of 4x4 pixels"),
        ({"opset": 12}, "has opset 12, supported are 13 to"),
    ],
)
def test_form_that_breaks_the_contract_is_refused(tmp_path: Path, form: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS, **form))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_custom, r"has custom operators \(acme\.Magic\)"),
        (
            lambda model: model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])),
            "has 2 inputs, it must have one",
        ),
        (
            lambda model: model.graph.output.append(
                helper.make_tensor_value_info("color", TensorProto.FLOAT, ["N", 3])
            ),
            "has 2 outputs, it must have one",
        ),
        (lambda model: model.graph.node.pop(0), "is not a valid ONNX graph"),
    ],
)
def test_graph_that_breaks_the_contract_is_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_graph(edited_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS), change))


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "missing"])
def test_data_outside_of_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(100))
    (folder / "link").symlink_to(tmp_path / "secret")
    path = write_foreign_graph(
        folder / "model.onnx", LABELS, save_as_external_data=True, location="data.bin", size_threshold=0
    )
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        next(one for one in tensor.external_data if one.key == "location").value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="lacks its file" if location == "missing" else "names data outside"):
        read_graph(path)


def test_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(DataError, match="is not an ONNX file"):
        read_graph(tmp_path / "model.onnx")
    with pytest.raises(DataError, match="cannot read"):
        read_graph(tmp_path / "none.onnx")


def test_torn_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_foreign_graph(path, LABELS, save_as_external_data=True, location="data.bin", size_threshold=0)
    data = path.with_name("data.bin")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"the data of .* cannot be read .*: copy all its files again"):
        read_graph(path)


def test_graph_with_shapes_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    def add_row(model: onnx.ModelProto) -> None:
        [node] = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul")]
        [weight] = [one for one in model.graph.initializer if one.name == node.input[1]]
        values = numpy_helper.to_array(weight)
        weight.CopyFrom(numpy_helper.from_array(np.pad(values, 1), weight.name))

    path = edited_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS), add_row)
    with pytest.raises(DataError, match="is not a valid ONNX graph"):
        read_graph(path)
