"""Compressed bodies: read under /v2, rejected by name elsewhere."""

from __future__ import annotations

import gzip

import pytest

from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp

IMAGE = gzip.compress(gray_png(0))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/predict", "/compare", "/saliency", "/view"])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "gzip, gzip"])
async def test_compressed_image_is_rejected_by_name(shared: RunningApp, path: str, encoding: str) -> None:
    headers = {"content-type": "image/png", "content-encoding": encoding}
    answer = await shared.client.post(path, content=IMAGE, headers=headers)
    problem = assert_problem(answer, 415, "unsupported-encoding")
    assert (problem["found"], problem["accepted"]) == (encoding.lower(), [])
    assert "send the body uncompressed" in problem["detail"]
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.asyncio(loop_scope="module")
async def test_identity_is_no_compression(shared: RunningApp) -> None:
    headers = {"content-type": "image/png", "content-encoding": "identity"}
    assert (await shared.client.post("/predict", content=gray_png(0), headers=headers)).status_code == 200
