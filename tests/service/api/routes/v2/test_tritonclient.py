"""Open Inference Protocol with tritonclient and a real server process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

from core.release import release
from core.statistics.calibration import softmax
from tests.support.onnx_models import CLASSES, expected_logits, write_onnx_version
from tests.support.openinference import Pixels, grays
from tests.support.service import ServiceProcess, service_process, write_home

pytestmark = pytest.mark.slow

GRAYS = (0, 30, 96, 128, 200, 255)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A server with cnn@1, its int8 variant, and the opposite cnn@2."""
    home = tmp_path_factory.mktemp("home")
    models = write_home(home)
    write_onnx_version(models / "mlp" / "2", "mlp", 2, int8=True)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)
    with service_process(home, DUET_QUEUE_SIZE="64") as process:
        yield process


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Any]:
    """A connected client."""
    with triton.InferenceServerClient(address(service), concurrency=4) as connected:
        yield connected


def address(service: ServiceProcess) -> str:
    host, port = service.address
    return f"{host}:{port}"


def images(images_NHWC: Pixels, *, binary: bool = True) -> Any:
    tensor = triton.InferInput("images", list(images_NHWC.shape), "UINT8")
    return tensor.set_data_from_numpy(images_NHWC, binary_data=binary)


def assert_right(result: Any, shown: tuple[int, ...] = GRAYS) -> None:
    """All three outputs of cnn@1 for images of these grays."""
    expected_NK = np.stack([expected_logits(gray) for gray in shown])
    logits_NK = result.as_numpy("logits")
    assert logits_NK.dtype == np.float32
    np.testing.assert_allclose(logits_NK, expected_NK, atol=1e-3)
    np.testing.assert_allclose(result.as_numpy("probabilities"), softmax(logits_NK, 1.25), rtol=1e-6)
    assert [label.decode() for label in labels_of(result)] == [CLASSES[k] for k in expected_NK.argmax(axis=1)]


def labels_of(result: Any) -> list[bytes]:
    """BYTES come as bytes from binary data and as text from JSON."""
    found = result.as_numpy("label").tolist()
    return [label if isinstance(label, bytes) else label.encode() for label in found]


def test_server_and_models_are_live_ready_and_described(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cnn")
    assert client.is_model_ready("cnn", "2")
    assert client.is_model_ready("cnn", "champion")
    assert not client.is_model_ready("cnn", "3")
    assert not client.is_model_ready("vit")
    assert client.get_server_metadata()["version"] == release()
    metadata = client.get_model_metadata("cnn")
    assert metadata["versions"] == ["1", "2"]
    assert metadata["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}]
    assert metadata["parameters"]["labels"].split("\n") == list(CLASSES)
    assert client.get_model_metadata("cnn", "2")["parameters"]["version"] == "2"


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_infer(client: Any, binary: bool, compression: str | None) -> None:
    result = client.infer(
        "cnn",
        [images(grays(*GRAYS), binary=binary)],
        request_id="42",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    assert_right(result)
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("42", "cnn", "1")


def test_requested_outputs(client: Any) -> None:
    outputs = [
        triton.InferRequestedOutput("probabilities", class_count=2),
        triton.InferRequestedOutput("logits", binary_data=False),
    ]
    result = client.infer("cnn", [images(grays(0, 255))], outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["probabilities", "logits"]
    assert result.as_numpy("label") is None
    assert result.as_numpy("logits").shape == (2, 5)
    ranked = result.as_numpy("probabilities")
    assert ranked.shape == (2, 2)
    assert [entry.decode().split(":")[2] for entry in ranked[:, 0]] == ["black", "white"]


def test_versions_and_precisions(client: Any) -> None:
    image = [images(grays(0))]
    assert labels_of(client.infer("cnn", image, model_version="2")) == [b"white"]
    assert labels_of(client.infer("cnn", image, model_version="champion")) == [b"black"]
    result = client.infer("mlp", [images(grays(96))], model_version="2", parameters={"precision": "int8"})
    assert result.get_response()["parameters"]["precision"] == "int8"
    np.testing.assert_allclose(result.as_numpy("logits")[0], expected_logits(96, "int8"), atol=1e-3)


def test_async_infer(client: Any) -> None:
    asked = [client.async_infer("cnn", [images(grays(gray))], request_id=str(gray)) for gray in range(0, 256, 8)]
    for gray, request in zip(range(0, 256, 8), asked, strict=True):
        result = request.get_result()
        assert_right(result, (gray,))
        assert result.get_response()["id"] == str(gray)


async def test_infer_with_asyncio(service: ServiceProcess) -> None:
    async with aio.InferenceServerClient(address(service)) as client:
        assert await client.is_server_ready()
        assert_right(await client.infer("cnn", [images(grays(*GRAYS))]))
        assert_right(await client.infer("cnn", [images(grays(*GRAYS), binary=False)]))
        with pytest.raises(InferenceServerException, match="unknown model 'vit'"):
            await client.infer("vit", [images(grays(0))])


def test_prepared_body_and_parsed_response_match(service: ServiceProcess) -> None:
    body, length = triton.InferenceServerClient.generate_request_body([images(grays(*GRAYS))])
    headers = {"Inference-Header-Content-Length": str(length)}
    answer = httpx.post(f"{service.url}/v2/models/cnn/infer", content=body, headers=headers)
    parsed = triton.InferenceServerClient.parse_response_body(
        answer.content, header_length=int(answer.headers["inference-header-content-length"])
    )
    assert_right(parsed)


@pytest.mark.parametrize(
    ("name", "sent", "datatype", "message"),
    [
        ("image", grays(0), "UINT8", "unknown input 'image'"),
        ("images", grays(0).astype(np.float32), "FP32", "is UINT8, not 'FP32'"),
        ("images", np.zeros((65, 8, 8, 3), np.uint8), "UINT8", "at most 64 images"),
    ],
)
def test_wrong_input_raises_with_a_message(client: Any, name: str, sent: Any, datatype: str, message: str) -> None:
    tensor = triton.InferInput(name, list(sent.shape), datatype).set_data_from_numpy(sent)
    with pytest.raises(InferenceServerException, match=message) as refused:
        client.infer("cnn", [tensor])
    assert refused.value.status() == "400"
    assert_right(client.infer("cnn", [images(grays(*GRAYS))]))


def test_shared_memory_is_refused(client: Any) -> None:
    output = triton.InferRequestedOutput("logits")
    output.set_shared_memory("mine", 20)
    with pytest.raises(InferenceServerException, match="shared_memory_region"):
        client.infer("cnn", [images(grays(0))], outputs=[output])
    with pytest.raises(InferenceServerException, match="no route has the path /v2/systemsharedmemory"):
        client.get_system_shared_memory_status()
