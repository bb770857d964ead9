"""JSON messages of the protocol; unknown fields and parameters are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, FailFast, Field

from core.repository.manifest import Precision

Parameter: TypeAlias = str | int | float | bool

# FailFast: a list with millions of invalid elements must not create millions of errors.
MAX_TENSORS = 16
MAX_DIMENSIONS = 16
MAX_MICROSECONDS = 2**64 - 1
"""Other servers parse a timeout as an unsigned 64-bit integer."""


class _ClientMessage(BaseModel):
    """Base of client messages; strict: 1.0 is not a dimension and "true" is not a boolean."""

    model_config = ConfigDict(frozen=True, strict=True)


class _ServerMessage(BaseModel):
    model_config = ConfigDict(frozen=True)


class _TensorParameters(_ClientMessage):
    shared_memory_region: None = Field(None, description="shared memory is not supported")


class InputParameters(_TensorParameters):
    """Encoding of an input."""

    binary_data_size: int | None = Field(None, ge=0, description="bytes of this tensor after the JSON")


class OutputParameters(_TensorParameters):
    """Encoding of an output."""

    binary_data: bool | None = Field(None, description="encode after the JSON; default: binary_data_output")
    classification: int | None = Field(
        None, ge=0, description="return this many top classes as `value:index:label` instead of the tensor"
    )


class RequestParameters(_ClientMessage):
    """Options of the whole response."""

    binary_data_output: bool = Field(False, description="encode outputs after the JSON instead of within")
    precision: Precision | None = Field(None, description="fp32, bf16 or int8; default: the service's preference")
    timeout: int | None = Field(
        None, ge=0, le=MAX_MICROSECONDS, description="timeout in microseconds, if shorter than the service's deadline"
    )


class RequestInput(_ClientMessage):
    """Input tensor."""

    name: str
    shape: Annotated[tuple[int, ...], FailFast(), Field(max_length=MAX_DIMENSIONS)]
    datatype: str
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="row-major, nested or flat; absent for binary data")


class RequestOutput(_ClientMessage):
    """Requested output tensor."""

    name: str
    parameters: OutputParameters | None = None


class InferenceRequest(_ClientMessage):
    """Inference request."""

    id: str | None = Field(None, description="echoed in the response")
    parameters: RequestParameters | None = None
    inputs: Annotated[tuple[RequestInput, ...], FailFast(), Field(max_length=MAX_TENSORS)]
    outputs: Annotated[tuple[RequestOutput, ...] | None, FailFast(), Field(max_length=MAX_TENSORS)] = Field(
        None, description="requested outputs in order; default: all"
    )


class ResponseOutput(_ServerMessage):
    """Output tensor."""

    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: tuple[int, ...]
    parameters: dict[str, Parameter] | None = Field(None, description="`binary_data_size` for binary data")
    data: list[float] | list[str] | None = Field(None, description="row-major and flat; absent for binary data")


class InferenceResponse(_ServerMessage):
    """Inference response."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Parameter]
    outputs: tuple[ResponseOutput, ...]


class TensorMetadata(_ServerMessage):
    """Input or output of a model; -1 is the batch dimension."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(_ServerMessage):
    """Inputs, outputs and parameters of a model."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    parameters: dict[str, Parameter]


class ServerMetadata(_ServerMessage):
    """Name, version and extensions of the server."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ServerLive(_ServerMessage):
    """Liveness of the server."""

    live: Literal[True] = True


class ServerReady(_ServerMessage):
    """Readiness of the server."""

    ready: Literal[True] = True


class ModelReady(_ServerMessage):
    """Readiness of a model."""

    name: str
    ready: Literal[True] = True


class ErrorMessage(_ServerMessage):
    """Error of a request and its solution."""

    error: str
