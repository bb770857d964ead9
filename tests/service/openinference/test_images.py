from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInferenceError
from service.openinference.images import images_of, raw_images
from service.openinference.messages import RequestInput

SHAPE_HWC = (2, 3, 3)
IMAGES_NHWC = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3) * 7
FLAT: list[Any] = IMAGES_NHWC.ravel().tolist()


def tensor(**changes: Any) -> RequestInput:
    fields = {"name": "images", "shape": [2, 2, 3, 3], "datatype": "UINT8", "data": FLAT}
    return RequestInput.model_validate_json(json.dumps(fields | changes))


def binary_tensor(size: int = IMAGES_NHWC.nbytes, **changes: Any) -> RequestInput:
    return tensor(data=None, parameters={"binary_data_size": size}, **changes)


@pytest.mark.parametrize(
    ("given_tensor", "binary"),
    [
        (tensor(), b""),
        (tensor(data=IMAGES_NHWC.tolist()), b""),
        (binary_tensor(), IMAGES_NHWC.tobytes()),
    ],
    ids=["flat", "nested", "binary"],
)
def test_every_encoding_gives_the_same_images(given_tensor: RequestInput, binary: bytes) -> None:
    found = images_of([given_tensor], binary, SHAPE_HWC, 2)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, IMAGES_NHWC)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.data())
def test_flat_and_nested_data_agree(images: int, height: int, width: int, data: st.DataObject) -> None:
    count = images * height * width * 3
    pixels = np.frombuffer(data.draw(st.binary(min_size=count, max_size=count)), np.uint8)
    expected = pixels.reshape(images, height, width, 3)
    for sent in (expected.tolist(), pixels.tolist()):
        found = images_of([tensor(shape=list(expected.shape), data=sent)], b"", (height, width, 3), 4)
        np.testing.assert_array_equal(found, expected)


def test_raw_image_count_follows_from_the_bytes() -> None:
    np.testing.assert_array_equal(raw_images(IMAGES_NHWC.tobytes(), SHAPE_HWC, 2), IMAGES_NHWC)
    np.testing.assert_array_equal(raw_images(IMAGES_NHWC[:1].tobytes(), SHAPE_HWC, 2), IMAGES_NHWC[:1])
    for body in (b"", bytes(17), bytes(19), bytes(35)):
        with pytest.raises(InvalidInferenceError, match=f"18 bytes each .2, 3, 3.: {len(body)} bytes"):
            raw_images(body, SHAPE_HWC, 2)
    with pytest.raises(InvalidInferenceError, match="at most 2 images"):
        raw_images(bytes(54), SHAPE_HWC, 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "'images' is missing"),
        ([tensor(), tensor()], "'images' is given 2 times"),
        ([tensor(name="image")], "unknown input 'image': the model takes one, 'images'"),
        ([tensor(), tensor(name="x", shape=[1])], "unknown input 'x'"),
        ([tensor(name="n" * 5000)], "unknown input 'nnn"),
    ],
)
def test_input_other_than_images_is_refused(inputs: list[RequestInput], message: str) -> None:
    with pytest.raises(InvalidInferenceError, match=message) as refused:
        images_of(inputs, b"", SHAPE_HWC, 2)
    assert len(refused.value.detail) < 200


@pytest.mark.parametrize("datatype", ["FP32", "uint8", "INT8", "BYTES", "", "U" * 5000])
def test_other_datatypes_are_refused(datatype: str) -> None:
    with pytest.raises(InvalidInferenceError, match="'images' is UINT8, not"):
        images_of([tensor(datatype=datatype)], b"", SHAPE_HWC, 2)


@pytest.mark.parametrize(
    "shape",
    [
        [],
        [2],
        [36],
        [2, 3, 3],
        [1, 2, 2, 3, 3],
        [2, 3, 2, 3],
        [2, 3, 3, 2],
        [0, 2, 3, 3],
        [-1, 2, 3, 3],
        [-2, -2, 3, 3],
        [2, 2, 3, 1],
        [2**62, 2**62, 2**62, 2**62],
        [2**64, 2, 3, 3, 0],
        [10**4000, 2, 3],
    ],
)
def test_wrong_shape_error_names_the_right_one(shape: list[int]) -> None:
    for candidate in (tensor(shape=shape), binary_tensor(shape=shape)):
        with pytest.raises(InvalidInferenceError, match=r"shape \[-1, 2, 3, 3\], with 1 or more images") as refused:
            images_of([candidate], IMAGES_NHWC.tobytes(), SHAPE_HWC, 2)
        assert len(refused.value.detail) < 400


@pytest.mark.parametrize("images", [3, 2**32, 2**63, 2**64, 10**1000])
def test_too_many_images_are_refused_before_decoding(images: int) -> None:
    for candidate in (tensor(shape=[images, 2, 3, 3]), binary_tensor(shape=[images, 2, 3, 3])):
        with pytest.raises(InvalidInferenceError, match="at most 2 images"):
            images_of([candidate], b"", SHAPE_HWC, 2)


@pytest.mark.parametrize(
    ("candidate", "binary", "message"),
    [
        (binary_tensor(35), bytes(35), "binary_data_size of 35, but its shape needs 36 bytes"),
        (binary_tensor(37), bytes(37), "binary_data_size of 37, but its shape needs 36 bytes"),
        (binary_tensor(0), b"", "binary_data_size of 0, but"),
        (binary_tensor(10**1000), bytes(36), "but its shape needs 36 bytes"),
        (binary_tensor(), bytes(35), "binary_data_size is 36, but 35 bytes follow"),
        (binary_tensor(), bytes(37), "binary_data_size is 36, but 37 bytes follow"),
        (binary_tensor(), b"", "binary_data_size is 36, but 0 bytes follow"),
        (tensor(), b"x", "1 bytes follow the JSON, but no input"),
        (tensor(data=None), b"", "neither data nor binary_data_size"),
        (tensor(data=None), bytes(36), "neither data nor binary_data_size"),
        (tensor(parameters={"binary_data_size": 36}), bytes(36), "both data and binary_data_size"),
    ],
)
def test_wrong_byte_counts_are_refused(candidate: RequestInput, binary: bytes, message: str) -> None:
    with pytest.raises(InvalidInferenceError, match=message) as refused:
        images_of([candidate], binary, SHAPE_HWC, 2)
    assert len(refused.value.detail) < 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "does not have the shape"),
        (FLAT[:-1], "35 elements, but its shape needs 36"),
        ([*FLAT, 0], "37 elements, but its shape needs 36"),
        (IMAGES_NHWC.tolist()[:1], "does not have the shape"),
        (IMAGES_NHWC.reshape(2, 2, 9).tolist(), "does not have the shape"),
        (IMAGES_NHWC.reshape(2, 3, 2, 3).tolist(), "does not have the shape"),
        ([IMAGES_NHWC[0].tolist(), []], "does not have the shape"),
        ([IMAGES_NHWC[0].tolist(), 0], "does not have the shape"),
        ([IMAGES_NHWC.tolist()] * 2, "does not have the shape"),
        ([IMAGES_NHWC[0].tolist(), "ab"], "does not have the shape"),
        ([*FLAT[:-1], 256], "integers from 0 to 255"),
        ([*FLAT[:-1], -1], "integers from 0 to 255"),
        ([*FLAT[:-1], 10**30], "integers from 0 to 255"),
        ([*FLAT[:-1], 1.0], "integers from 0 to 255"),
        ([*FLAT[:-1], float("nan")], "integers from 0 to 255"),
        ([*FLAT[:-1], True], "integers from 0 to 255"),
        ([*FLAT[:-1], "1"], "integers from 0 to 255"),
        ([*FLAT[:-1], None], "integers from 0 to 255"),
        ([*FLAT[:-1], {}], "integers from 0 to 255"),
        ([*FLAT[:-1], []], "integers from 0 to 255"),
    ],
)
def test_invalid_pixel_data_is_refused(data: list[Any], message: str) -> None:
    with pytest.raises(InvalidInferenceError, match=message):
        images_of([tensor(data=data)], b"", SHAPE_HWC, 2)
