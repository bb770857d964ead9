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
from training.export import source_graph as module
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


def test_files_over_the_size_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_foreign_graph(tmp_path / "model.onnx", LABELS)
    size = path.stat().st_size
    monkeypatch.setattr(module, "MAX_BYTES", size)
    read_graph(path)
    monkeypatch.setattr(module, "MAX_BYTES", size - 1)
    with pytest.raises(DataError, match=rf"model\.onnx is larger than {size - 1:,} bytes"):
        read_graph(path)


def test_graph_and_data_over_the_size_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_foreign_graph(
        tmp_path / "model.onnx", LABELS, save_as_external_data=True, location="data.bin", size_threshold=0
    )
    size = path.stat().st_size + path.with_name("data.bin").stat().st_size
    monkeypatch.setattr(module, "MAX_BYTES", size)
    read_graph(path)
    monkeypatch.setattr(module, "MAX_BYTES", size - 1)
    with pytest.raises(DataError, match=rf"model\.onnx and its data are larger than {size - 1:,} bytes"):
        read_graph(path)


def test_newer_opset_is_refused_with_the_supported_ones(tmp_path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()

    def set_opset(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = newest + 1

    path = edited_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS), set_opset)
    with pytest.raises(DataError, match=f"has opset {newest + 1}, supported are 13 to {newest}: export it with one"):
        read_graph(path)


def test_local_functions_and_custom_operators_of_sub_graphs_are_refused(tmp_path: Path) -> None:
    def add_function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Relu", ["a"], ["b"])
        model.functions.append(helper.make_function("acme", "Own", ["a"], ["b"], [node], [helper.make_opsetid("", 17)]))

    def add_branch(model: onnx.ModelProto) -> None:
        value = helper.make_tensor_value_info("m", TensorProto.FLOAT, None)
        branch = helper.make_graph([helper.make_node("Magic", [], ["m"], domain="acme")], "inner", [], [value])
        model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))

    for change, named in ((add_function, "local functions"), (add_branch, r"acme\.Magic")):
        path = edited_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS), change)
        with pytest.raises(DataError, match=rf"has custom operators \({named}\): export it with standard ONNX"):
            read_graph(path)
