"""Parsing and validation of inference requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from reprlib import repr as shortened

from pydantic import ValidationError

from core.errors import explain
from core.repository.manifest import Precision
from service.engine.arrays import Pixels
from service.errors import InvalidInferenceError, MalformedBodyError
from service.openinference.body import split
from service.openinference.contract import OUTPUTS, OutputName
from service.openinference.images import ImageShape, images_of, raw_images
from service.openinference.messages import InferenceRequest, OutputParameters, RequestOutput, RequestParameters


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A requested output.

    Attributes:
        name: of the tensor.
        binary: encoded after the JSON instead of within.
        classes: number of top classes to return instead of the tensor; 0 for the tensor.
    """

    name: OutputName
    binary: bool
    classes: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A validated inference request.

    Attributes:
        id: echoed in the response.
        images_NHWC: uint8, at least one image.
        outputs: in the order of the response.
        precision: None for the service's preference.
        timeout_seconds: limit of the client, if any.
    """

    id: str | None
    images_NHWC: Pixels
    outputs: tuple[OutputSpec, ...]
    precision: Precision | None
    timeout_seconds: float | None


def read_call(body: bytes, json_length: int | None, shape_HWC: ImageShape, max_images: int) -> Call:
    """Parse a decompressed body.

    Args:
        body: JSON, then binary tensors; or one raw tensor.
        json_length: bytes of JSON, as in `Framing`.
        shape_HWC: input shape of the model.
        max_images: limit of images per request.

    Raises:
        MalformedBodyError: the body cannot be split, or its JSON is invalid.
        InvalidInferenceError: the protocol or the model does not support the request.
    """
    if json_length == 0:
        all_outputs = tuple(OutputSpec(name, binary=True) for name in OUTPUTS)
        return Call(None, raw_images(body, shape_HWC, max_images), all_outputs, None, None)
    json, binary = split(body, json_length)
    request = _parsed(json)
    parameters = request.parameters or RequestParameters()
    return Call(
        request.id,
        images_of(request.inputs, binary, shape_HWC, max_images),
        _output_specs(request.outputs or (), binary_by_default=parameters.binary_data_output),
        parameters.precision,
        parameters.timeout / 1e6 if parameters.timeout else None,  # 0 means no timeout
    )


def _parsed(json: bytes) -> InferenceRequest:
    try:
        return InferenceRequest.model_validate_json(json)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise MalformedBodyError(f"the body's first {len(json)} bytes are not JSON: {explain(error)}") from error
        raise InvalidInferenceError(explain(error)) from error


def _output_specs(outputs: Sequence[RequestOutput], *, binary_by_default: bool) -> tuple[OutputSpec, ...]:
    if not outputs:
        return tuple(OutputSpec(name, binary_by_default) for name in OUTPUTS)
    specs: dict[OutputName, OutputSpec] = {}
    for output in outputs:
        name = _output_name(output.name)
        if name in specs:
            raise InvalidInferenceError(f"the output {name!r} is requested twice")
        parameters = output.parameters or OutputParameters()
        classes = parameters.classification or 0
        if classes and OUTPUTS[name] != "FP32":
            raise InvalidInferenceError(f"classification ranks the values of an output, and {name!r} has none")
        binary = binary_by_default if parameters.binary_data is None else parameters.binary_data
        specs[name] = OutputSpec(name, binary, classes)
    return tuple(specs.values())


def _output_name(name: str) -> OutputName:
    for known in OUTPUTS:
        if name == known:
            return known
    raise InvalidInferenceError(f"unknown output {shortened(name)}: available outputs are {', '.join(OUTPUTS)}")
