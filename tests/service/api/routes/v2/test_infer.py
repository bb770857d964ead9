"""Open Inference Protocol: all forms of a request give the same result as /predict."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from core.statistics.calibration import softmax
from tests.support.gates import gated
from tests.support.onnx_models import CLASSES, expected_logits, gray_png, write_onnx_version
from tests.support.openinference import (
    LENGTH,
    Body,
    Headers,
    assert_error,
    binary_body,
    grays,
    json_body,
    raw_body,
)
from tests.support.service import RunningApp, running_app, set_champions, settings_for, until

GRAYS = (0, 96, 255)
INFER = "/v2/models/cnn/infer"


def compressed(body: Body, encoding: str) -> Body:
    content, headers = body
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    return pack(content), {**headers, "content-encoding": encoding}


def tensors(answer: httpx.Response) -> dict[str, Any]:
    """Every output by name: float32 arrays, or lists of strings in the order of the response."""
    assert answer.status_code == 200, answer.text
    fields, binary = head_of(answer), b""
    if LENGTH in answer.headers:
        assert answer.headers["content-type"] == "application/octet-stream"
        binary = answer.content[int(answer.headers[LENGTH]) :]
    else:
        assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = {}
    for output in fields["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        data: Any = output.get("data")
        if size is not None:
            data, binary = binary[:size], binary[size:]
        if output["datatype"] == "FP32":
            data = np.frombuffer(data, "<f4") if size is not None else np.array(data, np.float32)
            data = data.reshape(output["shape"])
        elif size is not None:
            data = unpacked(data)
        found[output["name"]] = data
    assert binary == b""
    return found


def unpacked(data: bytes) -> list[str]:
    strings = []
    while data:
        size = int.from_bytes(data[:4], "little")
        strings.append(data[4 : 4 + size].decode())
        data = data[4 + size :]
    return strings


def head_of(answer: httpx.Response) -> dict[str, Any]:
    fields: dict[str, Any] = httpx.Response(
        200, content=answer.content[: int(answer.headers.get(LENGTH, 10**9))]
    ).json()
    return fields


async def infer(running: RunningApp, body: Body, path: str = INFER) -> httpx.Response:
    content, headers = body
    return await running.client.post(path, content=content, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json_body(grays(*GRAYS)), id="flat JSON"),
        pytest.param(json_body(grays(*GRAYS), nested=True), id="nested JSON"),
        pytest.param(json_body(grays(*GRAYS), parameters={"binary_data_output": True}), id="JSON, answered as binary"),
        pytest.param(binary_body(grays(*GRAYS)), id="binary"),
        pytest.param(binary_body(grays(*GRAYS), parameters={"binary_data_output": True}), id="binary both ways"),
        pytest.param(raw_body(grays(*GRAYS)), id="raw"),
        pytest.param(compressed(json_body(grays(*GRAYS)), "gzip"), id="gzipped JSON"),
        pytest.param(compressed(binary_body(grays(*GRAYS)), "deflate"), id="deflated binary"),
        pytest.param(compressed(raw_body(grays(*GRAYS)), "gzip"), id="gzipped raw"),
    ],
)
async def test_every_request_encoding_equals_predict(running: RunningApp, body: Body) -> None:
    found = tensors(await infer(running, body))
    logits_NK = np.stack([expected_logits(gray) for gray in GRAYS])
    np.testing.assert_allclose(found["logits"], logits_NK, atol=1e-3)
    np.testing.assert_allclose(found["probabilities"], softmax(found["logits"], 1.25), rtol=1e-6)

    files = [("file", gray_png(gray)) for gray in GRAYS]
    predictions = (await running.client.post(f"/predict?top_k={len(CLASSES)}", files=files)).json()["predictions"]
    assert found["label"] == [one["label"] for one in predictions]
    for prediction, probabilities_K in zip(predictions, found["probabilities"], strict=True):
        by_label = {one["label"]: one["probability"] for one in prediction["top"]}
        assert by_label == pytest.approx(dict(zip(CLASSES, probabilities_K.tolist(), strict=True)), abs=1e-6)


async def test_response_names_model_version_and_parameters(running: RunningApp) -> None:
    fields = head_of(await infer(running, json_body(grays(7), id="a question")))
    assert (fields["model_name"], fields["model_version"], fields["id"]) == ("cnn", "1", "a question")
    assert fields["parameters"] == {"precision": "fp32", "temperature": 1.25, "labels": "\n".join(CLASSES)}
    assert "id" not in head_of(await infer(running, json_body(grays(7))))


async def test_requested_outputs_use_their_encoding(running: RunningApp) -> None:
    outputs = [
        {"name": "label", "parameters": {"binary_data": True}},
        {"name": "probabilities", "parameters": {"classification": 2}},
    ]
    answer = await infer(running, binary_body(grays(0, 255), outputs=outputs))
    assert [output["name"] for output in head_of(answer)["outputs"]] == ["label", "probabilities"]
    found = tensors(answer)
    assert found["label"] == ["black", "white"]
    ranked = [one.split(":") for one in found["probabilities"]]
    assert [label for _, _, label in ranked] == ["black", "dark", "white", "light"]
    assert [index for _, index, _ in ranked] == ["0", "1", "4", "3"]
    expected = np.sort(softmax(expected_logits(0), 1.25))[::-1][:2]
    assert [float(value) for value, _, _ in ranked[:2]] == pytest.approx(expected, abs=2e-6)


async def test_infer_shares_the_batcher_with_predict(home: Path) -> None:
    async with running_app(settings_for(home, threads=2)) as running:
        cnn = running.queue("cnn")
        with gated(cnn) as gate:
            busy = [asyncio.create_task(infer(running, raw_body(grays(0)))) for _ in range(2)]
            await gate.held(2)
            mine = asyncio.create_task(infer(running, binary_body(grays(*GRAYS))))
            await until(lambda: asyncio.sleep(0, cnn.pending == 3))
            predict = asyncio.create_task(running.client.post("/predict", files={"file": gray_png(191)}))
            await until(lambda: asyncio.sleep(0, cnn.pending == 4))
            gate.open()
            await asyncio.gather(*busy)
            assert tensors(await mine)["label"] == ["black", "grey", "white"]
            assert (await predict).json()["predictions"][0]["label"] == "light"
            assert sum(gate.batches) == 6
            assert max(gate.batches) > 1


async def test_versions_are_numbers_or_the_champion(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)

    async def label(version: str) -> tuple[str, str]:
        answer = await infer(running, json_body(grays(0)), f"/v2/models/cnn/versions/{version}/infer")
        return head_of(answer)["model_version"], tensors(answer)["label"][0]

    assert await label("1") == ("1", "black")
    assert await label("2") == ("2", "white")
    assert await label("champion") == ("1", "black")
    set_champions(models, cnn=2, mlp=1)

    async def is_promoted() -> bool:
        return await label("champion") == ("2", "white")

    await until(is_promoted)
    assert await label("1") == ("1", "black")
    assert head_of(await infer(running, json_body(grays(0))))["model_version"] == "2"


@pytest.fixture
async def quantized(home: Path) -> AsyncIterator[RunningApp]:
    """An app whose cnn has an int8 variant."""
    write_onnx_version(home / "models" / "cnn" / "2", "cnn", 2, int8=True)
    set_champions(home / "models", cnn=2, mlp=1)
    async with running_app(settings_for(home)) as app:
        yield app


@pytest.mark.parametrize("path", [INFER, "/v2/models/cnn/versions/2/infer"])
async def test_precision_parameter_selects_the_graph(quantized: RunningApp, path: str) -> None:
    for precision, temperature in (("fp32", 1.25), ("int8", 2.5)):
        answer = await infer(quantized, json_body(grays(96), parameters={"precision": precision}), path)
        fields, found = head_of(answer), tensors(answer)
        assert fields["parameters"]["precision"] == precision
        assert fields["parameters"]["temperature"] == temperature
        np.testing.assert_allclose(found["logits"][0], expected_logits(96, precision), atol=1e-3)  # type: ignore[arg-type]
        np.testing.assert_allclose(found["probabilities"], softmax(found["logits"], temperature), rtol=1e-5)


async def test_unpublished_precision_is_404(quantized: RunningApp) -> None:
    answer = await infer(quantized, json_body(grays(96), parameters={"precision": "int8"}), "/v2/models/mlp/infer")
    assert assert_error(answer, 404) == "mlp@1 was published without int8: use fp32"


async def test_full_queue_is_429_with_retry_after(home: Path) -> None:
    async with running_app(settings_for(home, queue_size=4)) as running:
        cnn = running.queue("cnn")
        with gated(cnn) as gate:
            asked = [asyncio.create_task(infer(running, raw_body(grays(0)))) for _ in range(2)]
            await gate.held(2)
            asked.append(asyncio.create_task(infer(running, raw_body(grays(0, 0, 0)))))
            await until(lambda: asyncio.sleep(0, cnn.pending == 3))
            too_many = await infer(running, raw_body(grays(0, 0)))
            assert "images are waiting for cnn@1: try again in" in assert_error(too_many, 429)
            assert int(too_many.headers["retry-after"]) >= 1
            asked.append(asyncio.create_task(infer(running, raw_body(grays(0)))))
            await until(lambda: asyncio.sleep(0, cnn.pending == 4))
            before_its_body: tuple[bytes, Headers] = (b"no request", {})
            assert_error(await infer(running, before_its_body), 429)
            gate.open()
            assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 4
        assert cnn.pending == 0
        assert tensors(await infer(running, raw_body(grays(0))))["label"] == ["black"]


async def test_client_timeout_is_capped_by_the_service(home: Path) -> None:
    async with running_app(settings_for(home, deadline_seconds=5)) as running:
        with gated(running.queue("cnn")):
            late = await infer(running, json_body(grays(0), parameters={"timeout": 100_000}))
            assert "deadline" in assert_error(late, 504)
            assert running.queue("cnn").pending == 0
        patient = json_body(grays(0), parameters={"timeout": 10**15})
        assert tensors(await infer(running, patient))["label"] == ["black"]
    async with running_app(settings_for(home, deadline_seconds=0)) as hurried:
        assert_error(await infer(hurried, json_body(grays(0), parameters={"timeout": 10**15})), 504)


async def test_query_is_ignored(running: RunningApp) -> None:
    assert tensors(await infer(running, raw_body(grays(0)), f"{INFER}?trace=1&top_k=-3"))["label"] == ["black"]


async def test_metrics_count_images_and_routes(running: RunningApp) -> None:
    await infer(running, raw_body(grays(*GRAYS)))
    await infer(running, raw_body(grays(0)), "/v2/models/cnn/versions/1/infer")
    await infer(running, (b"", {}))
    scraped = (await running.client.get("/metrics")).text
    for line in (
        'duet_images_total{model="cnn",precision="fp32",version="1"} 4.0',
        'duet_decode_seconds_count{model="cnn",precision="fp32",version="1"} 2.0',
        'duet_http_requests_total{method="POST",route="/v2/models/{model}/infer",status="200"} 1.0',
        'duet_http_requests_total{method="POST",route="/v2/models/{model}/versions/{version}/infer",status="200"} 1.0',
        'duet_requests_rejected_total{model="cnn",reason="malformed-body",version="1"} 1.0',
    ):
        assert f"\n{line}\n" in scraped
