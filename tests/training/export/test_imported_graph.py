"""Served graphs of imported ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from core.errors import DataError
from core.repository.manifest import GRAPHS
from core.repository.onnx_session import open_session
from tests.support.foreign_graphs import COLORS, edited_graph, write_foreign_graph
from training.export.imported_graph import (
    are_probabilities,
    as_logits,
    count_macs,
    count_parameters,
    write_served_graph,
)
from training.export.run_onnx import predict_logits
from training.export.source_graph import read_graph
from training.export.weights import WEIGHTS_NAME

LABELS = ("snow", "grass", "night")
ORDER = (1, 2, 0)
"""Outputs of the file for grass, night and snow."""
MEAN, STD = (0.4, 0.4, 0.4), (0.2, 0.2, 0.2)


@pytest.mark.parametrize(
    "form",
    [
        {"mean": 0.4, "std": 0.2},
        {"layout": "NHWC", "mean": 0.4, "std": 0.2},
        {"layout": "NHWC", "dtype": "uint8"},
        {"dtype": "uint8", "softmax": True},
        {"softmax": True, "mean": 0.4, "std": 0.2},
        {"reshape": True, "mean": 0.4, "std": 0.2},
        {"mean": 0.4, "std": 0.2, "save_as_external_data": True, "location": "data.bin", "size_threshold": 0},
    ],
)
def test_served_graph_gives_the_logits_of_the_file(tmp_path: Path, form: dict[str, Any]) -> None:
    source = read_graph(write_foreign_graph(tmp_path / "model.pb.onnx", LABELS, **form))
    images_NHWC = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)
    colors = [COLORS[label] for label in ("grass", "night", "snow")]
    images_NHWC[:3] = np.array(colors, np.uint8)[:, None, None]
    session = open_session(source.path, threads=1)
    outputs_NK = session.run([source.output], {source.input: source.prepared(images_NHWC, MEAN, STD)})[0]
    probabilities = are_probabilities(outputs_NK)
    assert probabilities == bool(form.get("softmax"))
    folder = tmp_path / "version"
    folder.mkdir()
    write_served_graph(source, folder, mean=MEAN, std=STD, order=ORDER, probabilities=probabilities)
    served_NK = predict_logits(folder / GRAPHS["fp32"], images_NHWC, threads=1)
    assert served_NK == pytest.approx(as_logits(outputs_NK, ORDER, probabilities=probabilities), abs=1e-4)
    assert served_NK[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert sorted(path.name for path in folder.iterdir()) == [GRAPHS["fp32"], WEIGHTS_NAME]
    assert count_parameters(source.model) == 12
    assert count_macs(source.model) == 9


def test_large_weights_are_stored_once(tmp_path: Path) -> None:
    def add_weight(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.ones(1_000, np.float32), "large"))
        model.graph.node.append(onnx.helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=1))
        model.graph.node.append(onnx.helper.make_node("Add", ["scores", "sum"], ["out"]))
        model.graph.output[0].name = "out"

    source = read_graph(edited_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS), add_weight))
    folder = tmp_path / "version"
    folder.mkdir()
    write_served_graph(source, folder, mean=MEAN, std=STD, order=ORDER, probabilities=False)
    served = onnx.load(folder / GRAPHS["fp32"], load_external_data=False)
    external = {each.name: onnx.external_data_helper.uses_external_data(each) for each in served.graph.initializer}
    assert [name for name, outside in external.items() if outside] == ["imported/large"]
    assert predict_logits(folder / GRAPHS["fp32"], np.zeros((1, 16, 16, 3), np.uint8), threads=1).shape == (1, 3)


def test_weights_of_a_type_that_cannot_be_stored_are_refused(tmp_path: Path) -> None:
    def add_text(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(["a"], dtype=object), "text"))

    source = read_graph(edited_graph(write_foreign_graph(tmp_path / "model.onnx", LABELS), add_text))
    with pytest.raises(DataError, match="of a type that cannot be stored"):
        write_served_graph(source, tmp_path, mean=MEAN, std=STD, order=ORDER, probabilities=False)
