"""What a request asks for, read and checked."""

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
class Wanted:
    """One output as it is asked for.

    Attributes:
        name: of the tensor.
        binary: after the JSON instead of within.
        classes: how many classes to name instead of giving the tensor; 0 for the tensor itself.
    """

    name: OutputName
    binary: bool
    classes: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the protocol.

    Attributes:
        id: to be echoed.
        images_NHWC: uint8, at least one image.
        wanted: in the order of the answer.
        precision: None where the client does not care.
        timeout_seconds: the client's own limit, if it has one.
    """

    id: str | None
    images_NHWC: Pixels
    wanted: tuple[Wanted, ...]
    precision: Precision | None
    timeout_seconds: float | None


def read_call(body: bytes, json_length: int | None, shape_HWC: ImageShape, max_images: int) -> Call:
    """Read a body that is not compressed.

    Args:
        body: JSON, then binary tensors; or one tensor alone.
        json_length: bytes of JSON, as of `Framing`.
        shape_HWC: of the images that the model takes.
        max_images: most that one request may hold.

    Raises:
        MalformedBodyError: it cannot be taken apart, or its JSON is none.
        InvalidInferenceError: it asks for what the protocol or the model does not have.
    """
    if json_length == 0:
        everything = tuple(Wanted(name, binary=True) for name in OUTPUTS)
        return Call(None, raw_images(body, shape_HWC, max_images), everything, None, None)
    json, binary = split(body, json_length)
    request = _parsed(json)
    parameters = request.parameters or RequestParameters()
    return Call(
        request.id,
        images_of(request.inputs, binary, shape_HWC, max_images),
        _wanted(request.outputs or (), binary_by_default=parameters.binary_data_output),
        parameters.precision,
        parameters.timeout / 1e6 if parameters.timeout else None,  # 0 is how clients say that they set none
    )


def _parsed(json: bytes) -> InferenceRequest:
    try:
        return InferenceRequest.model_validate_json(json)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise MalformedBodyError(f"the body's first {len(json)} bytes are not JSON: {explain(error)}") from error
        raise InvalidInferenceError(explain(error)) from error


def _wanted(outputs: Sequence[RequestOutput], *, binary_by_default: bool) -> tuple[Wanted, ...]:
    if not outputs:
        return tuple(Wanted(name, binary_by_default) for name in OUTPUTS)
    wanted: dict[OutputName, Wanted] = {}
    for output in outputs:
        name = _output_name(output.name)
        if name in wanted:
            raise InvalidInferenceError(f"the output {name!r} is asked for twice")
        parameters = output.parameters or OutputParameters()
        classes = parameters.classification or 0
        if classes and OUTPUTS[name] != "FP32":
            raise InvalidInferenceError(f"classification ranks the values of an output, and {name!r} has none")
        binary = binary_by_default if parameters.binary_data is None else parameters.binary_data
        wanted[name] = Wanted(name, binary, classes)
    return tuple(wanted.values())


def _output_name(name: str) -> OutputName:
    for known in OUTPUTS:
        if name == known:
            return known
    raise InvalidInferenceError(f"there is no output {shortened(name)}: the model gives {', '.join(OUTPUTS)}")
