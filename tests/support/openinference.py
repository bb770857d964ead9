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
    """Pictures of one gray each, [N, H, W, C]."""
    return np.stack([np.full((SIZE, SIZE, 3), gray, np.uint8) for gray in brightness])


def described(images_NHWC: Pixels, **fields: Any) -> dict[str, Any]:
    """The input `images`, without its data."""
    return {"name": "images", "shape": list(images_NHWC.shape), "datatype": "UINT8", **fields}


def json_body(images_NHWC: Pixels, *, nested: bool = False, **fields: Any) -> Body:
    """A request whose images are JSON; `fields` are further ones of the request."""
    data = images_NHWC.tolist() if nested else images_NHWC.ravel().tolist()
    return json.dumps({"inputs": [described(images_NHWC, data=data)], **fields}).encode(), {}


def binary_body(images_NHWC: Pixels, **fields: Any) -> Body:
    """A request whose images follow the JSON."""
    tensor = described(images_NHWC, parameters={"binary_data_size": images_NHWC.nbytes})
    return framed({"inputs": [tensor], **fields}, images_NHWC.tobytes())


def raw_body(images_NHWC: Pixels) -> Body:
    """A request that is nothing but its images."""
    return images_NHWC.tobytes(), {LENGTH: "0", "content-type": "application/octet-stream"}


def framed(request: Mapping[str, Any], binary: bytes) -> Body:
    """JSON, followed by bytes."""
    head = json.dumps(request).encode()
    return head + binary, {LENGTH: str(len(head)), "content-type": "application/octet-stream"}


def assert_error(answer: httpx.Response, status: int) -> str:
    """The message of an error of the protocol, after checking its form and that it gives nothing of the code away."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    error = answer.json()
    assert set(error) == {"error"}
    assert len(error["error"]) > 10
    assert "Traceback" not in answer.text
    message: str = error["error"]
    return message
