"""Input images of a request, decoded from JSON or bytes. N: images, H: height, W: width, C: channels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import prod
from reprlib import repr as shortened
from typing import Any, TypeAlias

import numpy as np

from service.engine.arrays import Pixels
from service.errors import InvalidInferenceError
from service.openinference.body import JSON_LENGTH
from service.openinference.contract import INPUT, INPUT_DATATYPE
from service.openinference.messages import RequestInput

ImageShape: TypeAlias = tuple[int, int, int]
"""Height, width, channels."""


def images_of(inputs: Sequence[RequestInput], binary: bytes, shape_HWC: ImageShape, max_images: int) -> Pixels:
    """Decode the images of a request, uint8 [N, H, W, C] with 1 <= N <= max_images.

    Args:
        inputs: of the request.
        binary: bytes after the JSON.
        shape_HWC: input shape of the model.
        max_images: limit of images per request.

    Raises:
        InvalidInferenceError: the inputs are not this one tensor, or its size is wrong.
    """
    tensor = _only(inputs)
    if tensor.datatype != INPUT_DATATYPE:
        raise InvalidInferenceError(f"the input {INPUT!r} is {INPUT_DATATYPE}, not {shortened(tensor.datatype)}")
    shape_NHWC = _checked_shape(tensor.shape, shape_HWC, max_images)
    stated = tensor.parameters.binary_data_size if tensor.parameters else None
    if stated is not None:
        if tensor.data is not None:
            raise InvalidInferenceError(f"the input {INPUT!r} has both data and binary_data_size: send one of them")
        pixels = _binary_pixels(binary, stated, shape_NHWC)
    else:
        if tensor.data is None:
            raise InvalidInferenceError(f"the input {INPUT!r} has neither data nor binary_data_size")
        if binary:
            raise InvalidInferenceError(f"{len(binary)} bytes follow the JSON, but no input has a binary_data_size")
        pixels = _json_pixels(tensor.data, shape_NHWC)
    return np.frombuffer(pixels, np.uint8).reshape(shape_NHWC)


def raw_images(body: bytes, shape_HWC: ImageShape, max_images: int) -> Pixels:
    """Decode a raw body of image bytes; its length determines the number of images.

    Raises:
        InvalidInferenceError: the length is not a multiple of the image size, or there are too many images.
    """
    size = prod(shape_HWC)
    images, rest = divmod(len(body), size)
    if rest or not images:
        raise InvalidInferenceError(
            f"a raw body holds images of {size} bytes each ({_written(shape_HWC)}): {len(body)} bytes are not "
            "a multiple of it"
        )
    return np.frombuffer(body, np.uint8).reshape(_checked_shape((images, *shape_HWC), shape_HWC, max_images))


def _only(inputs: Sequence[RequestInput]) -> RequestInput:
    for tensor in inputs:
        if tensor.name != INPUT:
            raise InvalidInferenceError(f"unknown input {shortened(tensor.name)}: the model takes one, {INPUT!r}")
    if len(inputs) != 1:
        raise InvalidInferenceError(
            f"the input {INPUT!r} is missing" if not inputs else f"the input {INPUT!r} is given {len(inputs)} times"
        )
    return inputs[0]


def _checked_shape(shape: tuple[int, ...], shape_HWC: ImageShape, max_images: int) -> tuple[int, ...]:
    if len(shape) != 4 or shape[1:] != shape_HWC or shape[0] < 1:
        raise InvalidInferenceError(
            f"the input {INPUT!r} has the shape [{_written((-1, *shape_HWC))}], with 1 or more images, "
            f"not {shortened(list(shape))}"
        )
    if shape[0] > max_images:
        raise InvalidInferenceError(f"a request may contain at most {max_images} images: send several requests")
    return shape


def _binary_pixels(binary: bytes, stated: int, shape_NHWC: tuple[int, ...]) -> bytes:
    needed = prod(shape_NHWC)
    if stated != needed:
        raise InvalidInferenceError(
            f"the input {INPUT!r} has a binary_data_size of {shortened(stated)}, but its shape needs {needed} bytes"
        )
    if len(binary) != stated:
        raise InvalidInferenceError(
            f"binary_data_size is {stated}, but {len(binary)} bytes follow the JSON ({JSON_LENGTH} says where it ends)"
        )
    return binary


def _json_pixels(data: list[Any], shape_NHWC: tuple[int, ...]) -> bytes:
    """Validate flat or nested JSON; numpy would round, convert or pad invalid values."""
    elements = data if data and type(data[0]) is not list else _flattened(data, shape_NHWC)
    if len(elements) != prod(shape_NHWC):
        raise InvalidInferenceError(
            f"the data of {INPUT!r} has {len(elements)} elements, but its shape needs {prod(shape_NHWC)}"
        )
    if set(map(type, elements)) == {int}:
        try:
            return bytes(elements)
        except ValueError:
            pass
    raise InvalidInferenceError(f"the data of {INPUT!r} must be integers from 0 to 255")


def _flattened(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    lists: list[Any] = [data]
    for size in shape:
        if set(map(type, lists)) != {list} or set(map(len, lists)) != {size}:
            raise InvalidInferenceError(f"the nested data of {INPUT!r} does not have the shape [{_written(shape)}]")
        lists = list(chain.from_iterable(lists))
    return lists


def _written(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
