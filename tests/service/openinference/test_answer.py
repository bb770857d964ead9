from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from core.repository.graph_records import Calibration
from core.statistics.calibration import softmax
from service.engine.loaded_model import ModelVariant
from service.engine.postprocess import Outputs, postprocess
from service.engine.queue import ModelQueue
from service.openinference.answer import Answer, answer_of
from service.openinference.call import Call, OutputSpec
from service.openinference.messages import InferenceResponse
from tests.support.versions import make_manifest

LABELS = ("cat", "dog: a big one", "Überraschung")
LOGITS_NK = np.array([[1.5, -60.25, 0.1], [-2.0, 3.75, 3.5]], np.float32)
CALIBRATION = Calibration(
    temperature=2.0, coverage=0.9, conformal_threshold=0.2, ood_threshold=-1.0, ood_flag_rate=0.05
)


@pytest.fixture
def outputs() -> Outputs:
    return postprocess(LOGITS_NK, CALIBRATION)


@pytest.fixture
def served(outputs: Outputs) -> ModelVariant:
    manifest = make_manifest("cnn", 3, class_names=LABELS, calibration={"fp32": CALIBRATION})
    return ModelVariant(manifest, "fp32", ModelQueue("cnn", 3, lambda _: outputs, 0.001))


def call_for(*wanted: OutputSpec, id: str | None = None) -> Call:
    return Call(id, np.zeros((2, 1, 1, 3), np.uint8), wanted, None, None)


def parsed(answer: Answer) -> dict[str, Any]:
    """The JSON of a response, validated with the protocol's model."""
    head = answer.content[: answer.json_length]
    InferenceResponse.model_validate_json(head)
    fields: dict[str, Any] = json.loads(head)
    return fields


def test_json_outputs_are_flat_and_exact(served: ModelVariant, outputs: Outputs) -> None:
    call = call_for(
        OutputSpec("probabilities", False), OutputSpec("label", False), OutputSpec("logits", False), id="42"
    )
    answer = answer_of(call, served, outputs)
    assert answer.json_length is None
    fields = parsed(answer)
    assert list(fields) == ["model_name", "model_version", "id", "parameters", "outputs"]
    assert (fields["model_name"], fields["model_version"], fields["id"]) == ("cnn", "3", "42")
    assert fields["parameters"] == {"precision": "fp32", "temperature": 2.0, "labels": "\n".join(LABELS)}
    probabilities, label, logits = fields["outputs"]
    assert label == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["cat", "dog: a big one"]}
    assert (logits["name"], logits["datatype"], logits["shape"]) == ("logits", "FP32", [2, 3])
    np.testing.assert_array_equal(np.array(logits["data"], np.float32), LOGITS_NK.ravel())
    assert (probabilities["name"], probabilities["datatype"], probabilities["shape"]) == (
        "probabilities",
        "FP32",
        [2, 3],
    )
    np.testing.assert_allclose(probabilities["data"], softmax(LOGITS_NK, 2.0).ravel(), rtol=1e-6)
    assert 0 < probabilities["data"][1] < 1e-12


def test_response_without_request_id_has_no_id(served: ModelVariant, outputs: Outputs) -> None:
    assert "id" not in parsed(answer_of(call_for(OutputSpec("label", False)), served, outputs))
    assert parsed(answer_of(call_for(OutputSpec("label", False), id=""), served, outputs))["id"] == ""


def test_binary_outputs_follow_in_requested_order(served: ModelVariant, outputs: Outputs) -> None:
    call = call_for(OutputSpec("label", True), OutputSpec("probabilities", False), OutputSpec("logits", True))
    answer = answer_of(call, served, outputs)
    label, probabilities, logits = parsed(answer)["outputs"]
    assert "data" not in label
    assert "data" not in logits
    assert "parameters" not in probabilities
    binary = answer.content[answer.json_length :]
    expected_labels = b"".join(struct.pack("<I", len(name.encode())) + name.encode() for name in LABELS[:2])
    assert binary == expected_labels + LOGITS_NK.astype("<f4").tobytes()
    assert label["parameters"] == {"binary_data_size": len(expected_labels)}
    assert logits["parameters"] == {"binary_data_size": 24}


def test_binary_string_length_counts_bytes(served: ModelVariant) -> None:
    surprise = postprocess(np.array([[0, 0, 1]], np.float32), CALIBRATION)
    answer = answer_of(call_for(OutputSpec("label", True)), served, surprise)
    assert answer.content[answer.json_length :] == b"\x0d\0\0\0" + "Überraschung".encode()


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (1, [["1.500000:0:cat"], ["3.750000:1:dog: a big one"]]),
        (
            2,
            [
                ["1.500000:0:cat", "0.100000:2:Überraschung"],
                ["3.750000:1:dog: a big one", "3.500000:2:Überraschung"],
            ],
        ),
    ],
)
def test_classification_lists_top_classes_with_values(
    served: ModelVariant, outputs: Outputs, classes: int, expected: list[list[str]]
) -> None:
    fields = parsed(answer_of(call_for(OutputSpec("logits", False, classes)), served, outputs))
    [ranked] = fields["outputs"]
    assert ranked == {
        "name": "logits",
        "datatype": "BYTES",
        "shape": [2, classes],
        "data": [one for row in expected for one in row],
    }


def test_classification_beyond_the_classes_lists_all(served: ModelVariant, outputs: Outputs) -> None:
    [ranked] = parsed(answer_of(call_for(OutputSpec("probabilities", False, 10**9)), served, outputs))["outputs"]
    assert ranked["shape"] == [2, 3]
    assert [one.split(":", 2)[1] for one in ranked["data"]] == ["0", "2", "1", "1", "2", "0"]
    values = [float(one.split(":")[0]) for one in ranked["data"]]
    assert values[0] == pytest.approx(softmax(LOGITS_NK, 2.0)[0, 0], abs=1e-6)
