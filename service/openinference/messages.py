"""The protocol's JSON objects, as far as they have a meaning here; fields and parameters beyond these are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, FailFast, Field

from core.repository.manifest import Precision

Parameter: TypeAlias = str | int | float | bool

# A list stops at its first bad element: a body of millions of them would otherwise make millions of errors.
MAX_TENSORS = 16
MAX_DIMENSIONS = 16
MAX_MICROSECONDS = 2**64 - 1
"""Other servers read a timeout as an unsigned number of 64 bits."""


class _Sent(BaseModel):
    """From a client: nothing is converted, so that 1.0 is no dimension and "true" no boolean."""

    model_config = ConfigDict(frozen=True, strict=True)


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class _TensorParameters(_Sent):
    shared_memory_region: None = Field(None, description="shared memory is not offered here")


class InputParameters(_TensorParameters):
    """How an input is sent."""

    binary_data_size: int | None = Field(None, ge=0, description="bytes of this tensor after the JSON")


class OutputParameters(_TensorParameters):
    """How an output is wanted."""

    binary_data: bool | None = Field(None, description="after the JSON instead of within; else as binary_data_output")
    classification: int | None = Field(
        None, ge=0, description="instead of the tensor, this many classes as `value:index:label`, best first"
    )


class RequestParameters(_Sent):
    """How the whole request is to be answered."""

    binary_data_output: bool = Field(False, description="whether outputs come after the JSON instead of within")
    precision: Precision | None = Field(None, description="fp32 or int8; as the service is set up where none is given")
    timeout: int | None = Field(
        None, ge=0, le=MAX_MICROSECONDS, description="microseconds, where less than the service's own deadline"
    )


class RequestInput(_Sent):
    """A tensor that is sent."""

    name: str
    shape: Annotated[tuple[int, ...], FailFast(), Field(max_length=MAX_DIMENSIONS)]
    datatype: str
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="row-major, nested or flat; absent where it is sent as binary")


class RequestOutput(_Sent):
    """A tensor that is wanted."""

    name: str
    parameters: OutputParameters | None = None


class InferenceRequest(_Sent):
    """The request's JSON object."""

    id: str | None = Field(None, description="echoed in the answer")
    parameters: RequestParameters | None = None
    inputs: Annotated[tuple[RequestInput, ...], FailFast(), Field(max_length=MAX_TENSORS)]
    outputs: Annotated[tuple[RequestOutput, ...] | None, FailFast(), Field(max_length=MAX_TENSORS)] = Field(
        None, description="in the order in which they are wanted; all where none is named"
    )


class ResponseOutput(_Answered):
    """A tensor that is answered."""

    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: tuple[int, ...]
    parameters: dict[str, Parameter] | None = Field(None, description="`binary_data_size` where it follows the JSON")
    data: list[float] | list[str] | None = Field(
        None, description="row-major and flat; absent where it follows the JSON"
    )


class InferenceResponse(_Answered):
    """The answer's JSON object."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Parameter]
    outputs: tuple[ResponseOutput, ...]


class TensorMetadata(_Answered):
    """A tensor that a model takes or gives; -1 stands for any number of images."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(_Answered):
    """What a model takes and gives, and what its answers mean."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    parameters: dict[str, Parameter]


class ServerMetadata(_Answered):
    """What the server is and speaks."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ServerLive(_Answered):
    """The server answers."""

    live: Literal[True] = True


class ServerReady(_Answered):
    """The server can be sent requests."""

    ready: Literal[True] = True


class ModelReady(_Answered):
    """The model can be sent requests."""

    name: str
    ready: Literal[True] = True


class ErrorMessage(_Answered):
    """What is wrong with a request and what to do about it."""

    error: str
