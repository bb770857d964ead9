from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from service.errors import InvalidInferenceError, MalformedBodyError
from service.openinference.call import Call, OutputSpec, read_call

SHAPE_HWC = (1, 2, 3)
IMAGE_NHWC = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
INPUT = {"name": "images", "shape": [1, 1, 2, 3], "datatype": "UINT8", "data": [0, 1, 2, 3, 4, 5]}


def read(**fields: Any) -> Call:
    return read_call(json.dumps({"inputs": [INPUT], **fields}).encode(), None, SHAPE_HWC, 1)


def wanted(*outputs: Any, **parameters: Any) -> tuple[OutputSpec, ...]:
    return read(outputs=list(outputs), parameters=parameters).outputs


def output(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def test_inputs_only_request_gets_all_outputs_as_json() -> None:
    call = read()
    assert (call.id, call.precision, call.timeout_seconds) == (None, None, None)
    assert call.outputs == (OutputSpec("logits", False), OutputSpec("probabilities", False), OutputSpec("label", False))
    np.testing.assert_array_equal(call.images_NHWC, IMAGE_NHWC)


def test_raw_request_gets_all_outputs_as_binary() -> None:
    call = read_call(IMAGE_NHWC.tobytes(), 0, SHAPE_HWC, 1)
    assert call.outputs == (OutputSpec("logits", True), OutputSpec("probabilities", True), OutputSpec("label", True))
    np.testing.assert_array_equal(call.images_NHWC, IMAGE_NHWC)


def test_null_means_absent() -> None:
    call = read(id=None, parameters=None, outputs=None)
    assert (call.id, len(call.outputs), call.precision) == (None, 3, None)
    assert len(read(outputs=[]).outputs) == 3
    assert wanted({"name": "label", "parameters": None}) == (OutputSpec("label", False),)


def test_outputs_keep_the_requested_order() -> None:
    assert [one.name for one in wanted(output("label"), output("logits"))] == ["label", "logits"]


def test_binary_data_of_an_output_overrides_the_request() -> None:
    outputs = [output("logits", binary_data=True), output("probabilities", binary_data=False), output("label")]
    assert [one.binary for one in wanted(*outputs)] == [True, False, False]
    assert [one.binary for one in wanted(*outputs, binary_data_output=True)] == [True, False, True]
    assert [one.binary for one in read(parameters={"binary_data_output": True}).outputs] == [True] * 3


def test_classification_of_zero_means_none() -> None:
    outputs = [output("logits", classification=2), output("probabilities", classification=0)]
    assert [one.classes for one in wanted(*outputs)] == [2, 0]


def test_request_parameters_are_read() -> None:
    call = read(id="42", parameters={"precision": "int8", "timeout": 1500})
    assert (call.id, call.precision, call.timeout_seconds) == ("42", "int8", 0.0015)
    assert read(parameters={"timeout": 0}).timeout_seconds is None
    assert read(parameters={"timeout": 2**64 - 1}).timeout_seconds == (2**64 - 1) / 1e6


def test_parameters_of_other_servers_are_ignored() -> None:
    parameters = {"sequence_id": 3, "priority": 1, "headers": "x", "content_type": "np"}
    assert read(model_name="cnn", parameters=parameters).outputs == read().outputs
    request = {"inputs": [{**INPUT, "parameters": {"content_type": "np"}}]}
    assert read_call(json.dumps(request).encode(), None, SHAPE_HWC, 1).outputs == read().outputs


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": None}, "inputs: Input should be"),
        ({"inputs": {}}, "inputs: Input should be"),
        ({"inputs": ["images"]}, "inputs.0: Input should be an object"),
        ({"inputs": [{}]}, "inputs.0.name: Field required"),
        ({"inputs": [{**INPUT, "datatype": 8}]}, "inputs.0.datatype: Input should be"),
        ({"inputs": [{**INPUT, "shape": None}]}, "inputs.0.shape: Input should be"),
        ({"inputs": [{**INPUT, "shape": [1, 1, 2, 3.0]}]}, "inputs.0.shape.3: Input should be a valid integer"),
        ({"inputs": [{**INPUT, "shape": [True, 1, 2, 3]}]}, "inputs.0.shape.0: Input should be a valid integer"),
        ({"inputs": [{**INPUT, "shape": ["1", 1, 2, 3]}]}, "inputs.0.shape.0: Input should be a valid integer"),
        ({"inputs": [{**INPUT, "shape": [1] * 17}]}, "inputs.0.shape: Tuple should have at most 16 items"),
        ({"inputs": [{**INPUT, "data": "AAECAwQF"}]}, "inputs.0.data: Input should be a valid array"),
        ({"inputs": [{**INPUT, "data": {}}]}, "inputs.0.data: Input should be a valid array"),
        ({"inputs": [{**INPUT, "parameters": {"binary_data_size": -6}}]}, "binary_data_size: Input should be greater"),
        ({"inputs": [{**INPUT, "parameters": {"binary_data_size": "6"}}]}, "binary_data_size: Input should be a valid"),
        ({"inputs": [{**INPUT, "parameters": {"binary_data_size": 6.0}}]}, "binary_data_size: Input should be a valid"),
        ({"inputs": [{**INPUT, "parameters": {"shared_memory_region": "r"}}]}, "shared_memory_region: Input should be"),
        ({"inputs": [INPUT] * 17}, "inputs: Tuple should have at most 16 items"),
        ({"id": 42}, "id: Input should be a valid string"),
        ({"parameters": []}, "parameters: Input should be an object"),
        ({"parameters": {"precision": "fp16"}}, "parameters.precision: Input should be 'fp32', 'bf16' or 'int8'"),
        ({"parameters": {"binary_data_output": "true"}}, "binary_data_output: Input should be a valid boolean"),
        ({"parameters": {"timeout": -1}}, "parameters.timeout: Input should be greater"),
        ({"parameters": {"timeout": 2**64}}, "parameters.timeout: Input should be less"),
        ({"outputs": ["logits"]}, "outputs.0: Input should be an object"),
        ({"outputs": [output("logits", binary_data=1)]}, "outputs.0.parameters.binary_data: Input should be a valid"),
        ({"outputs": [output("logits", classification=-1)]}, "classification: Input should be greater"),
        ({"outputs": [output("logits", shared_memory_region="r")]}, "shared_memory_region: Input should be null"),
        (
            {"outputs": [output("scores")]},
            "unknown output 'scores': available outputs are logits, probabilities, label",
        ),
        ({"outputs": [output("s" * 5000)]}, "unknown output 'sss"),
        ({"outputs": [output("logits"), output("logits", classification=2)]}, "'logits' is requested twice"),
        ({"outputs": [output("label", classification=2)]}, "'label' has none"),
    ],
)
def test_invalid_request_is_refused_with_the_location(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInferenceError, match=message) as refused:
        read(**fields)
    assert len(refused.value.detail) < 250


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"not JSON", b"\xff\xfe{}", b'{"inputs": []} x', b"[" * 100_000, b'{"id": "\\ud800", "inputs": []}'],
)
def test_invalid_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="are not JSON: ") as refused:
        read_call(body, None, SHAPE_HWC, 1)
    assert len(refused.value.detail) < 250


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"inputs"'])
def test_json_other_than_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInferenceError, match="Input should be an object"):
        read_call(body, None, SHAPE_HWC, 1)


def test_million_mistakes_give_one_error() -> None:
    zeros = b",".join([b"0"] * 1_000_000)
    with pytest.raises(InvalidInferenceError) as refused:
        read_call(b'{"inputs": [%b], "outputs": [%b]}' % (zeros, zeros), None, SHAPE_HWC, 1)
    assert refused.value.detail == "inputs.0: Input should be an object; outputs.0: Input should be an object"


def test_binary_data_follows_the_json() -> None:
    described = {**INPUT, "data": None, "parameters": {"binary_data_size": 6}}
    head = json.dumps({"inputs": [described]}).encode()
    body = head + IMAGE_NHWC.tobytes()
    np.testing.assert_array_equal(read_call(body, len(head), SHAPE_HWC, 1).images_NHWC, IMAGE_NHWC)
    with pytest.raises(MalformedBodyError, match="are not JSON"):
        read_call(body, len(head) - 1, SHAPE_HWC, 1)
    with pytest.raises(MalformedBodyError, match="are not JSON"):
        read_call(body, len(head) + 1, SHAPE_HWC, 1)
    with pytest.raises(MalformedBodyError, match="are not JSON"):
        read_call(body, None, SHAPE_HWC, 1)
    with pytest.raises(MalformedBodyError, match="has only"):
        read_call(body, len(body) + 1, SHAPE_HWC, 1)
    with pytest.raises(InvalidInferenceError, match="0 bytes follow"):
        read_call(head, len(head), SHAPE_HWC, 1)
