"""Example messages for OpenAPI, created from the message models, so that they match their schemas."""

from __future__ import annotations

from typing import Any

from core.release import release
from service.openinference.contract import EXTENSIONS, INPUT, INPUT_DATATYPE, PLATFORM
from service.openinference.messages import (
    InferenceRequest,
    InferenceResponse,
    InputParameters,
    ModelMetadata,
    ModelReady,
    OutputParameters,
    Parameter,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)

_MEANING: dict[str, Parameter] = {"precision": "fp32", "temperature": 1.2, "labels": "cat\ndog"}
_PIXELS = [[[[12, 200, 3], [14, 201, 7]], [[11, 198, 2], [13, 203, 9]]]]

SERVER_EXAMPLE: Any = ServerMetadata(name="duet", version=release(), extensions=EXTENSIONS).model_dump(mode="json")
LIVE_EXAMPLE: Any = ServerLive().model_dump()
READY_EXAMPLE: Any = ServerReady().model_dump()
MODEL_READY_EXAMPLE: Any = ModelReady(name="cnn").model_dump()
MODEL_EXAMPLE: Any = ModelMetadata(
    name="cnn",
    versions=("1", "2", "3"),
    platform=PLATFORM,
    inputs=(TensorMetadata(name=INPUT, datatype=INPUT_DATATYPE, shape=(-1, 2, 2, 3)),),
    outputs=(
        TensorMetadata(name="logits", datatype="FP32", shape=(-1, 2)),
        TensorMetadata(name="probabilities", datatype="FP32", shape=(-1, 2)),
        TensorMetadata(name="label", datatype="BYTES", shape=(-1,)),
    ),
    parameters={"version": "3", **_MEANING},
).model_dump(mode="json")

REQUEST_EXAMPLE: Any = InferenceRequest(
    id="42",
    inputs=(RequestInput(name=INPUT, shape=(1, 2, 2, 3), datatype=INPUT_DATATYPE, data=_PIXELS),),
    outputs=(
        RequestOutput(name="label"),
        RequestOutput(name="probabilities", parameters=OutputParameters(classification=2)),
        RequestOutput(name="logits"),
    ),
).model_dump(mode="json", exclude_none=True)

BINARY_REQUEST_EXAMPLE: Any = InferenceRequest(
    inputs=(
        RequestInput(
            name=INPUT,
            shape=(1, 2, 2, 3),
            datatype=INPUT_DATATYPE,
            parameters=InputParameters(binary_data_size=12),
        ),
    ),
).model_dump_json(exclude_none=True)

RESPONSE_EXAMPLE: Any = InferenceResponse(
    model_name="cnn",
    model_version="3",
    id="42",
    parameters=_MEANING,
    outputs=(
        ResponseOutput(name="label", datatype="BYTES", shape=(1,), data=["dog"]),
        ResponseOutput(name="probabilities", datatype="BYTES", shape=(1, 2), data=["0.937027:1:dog", "0.062973:0:cat"]),
        ResponseOutput(name="logits", datatype="FP32", shape=(1, 2), data=[-0.8, 2.44]),
    ),
).model_dump(mode="json", exclude_none=True)
