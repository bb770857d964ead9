"""Requests and errors of the Open Inference Protocol for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from tests.support.onnx_models import SIZE

Pixels = npt.NDArray[np.uint8]
Headers = dict[str, str]
Body = tuple[bytes, Headers]

LENGTH = "inference-header-content-length"


def grays(*brightness: int) -> Pixels:
    """Return images of one gray each, [N, H, W, C]."""
    return np.stack([np.full((SIZE, SIZE, 3), gray, np.uint8) for gray in brightness])


def described(images_NHWC: Pixels, **fields: Any) -> dict[str, Any]:
    """Return the input `images` without its data."""
    return {"name": "images", "shape": list(images_NHWC.shape), "datatype": "UINT8", **fields}


def json_body(images_NHWC: Pixels, *, nested: bool = False, **fields: Any) -> Body:
    """Return a request with images in JSON and further `fields`."""
    data = images_NHWC.tolist() if nested else images_NHWC.ravel().tolist()
    return json.dumps({"inputs": [described(images_NHWC, data=data)], **fields}).encode(), {}


def binary_body(images_NHWC: Pixels, **fields: Any) -> Body:
    """Return a request whose images follow the JSON."""
    tensor = described(images_NHWC, parameters={"binary_data_size": images_NHWC.nbytes})
    return framed({"inputs": [tensor], **fields}, images_NHWC.tobytes())


def raw_body(images_NHWC: Pixels) -> Body:
    """Return a request that consists of its images."""
    return images_NHWC.tobytes(), {LENGTH: "0", "content-type": "application/octet-stream"}


def framed(request: Mapping[str, Any], binary: bytes) -> Body:
    """Return a body of JSON, followed by bytes."""
    head = json.dumps(request).encode()
    return head + binary, {LENGTH: str(len(head)), "content-type": "application/octet-stream"}


def assert_error(answer: httpx.Response, status: int) -> str:
    """Check the form of an error of the protocol, and that it has no traceback; return its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    error = answer.json()
    assert set(error) == {"error"}
    assert len(error["error"]) > 10
    assert "Traceback" not in answer.text
    message: str = error["error"]
    return message
