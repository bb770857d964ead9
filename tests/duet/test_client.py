from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import duet
from duet import (
    Client,
    ClientError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    TooManyRequestsError,
    UnexpectedResponseError,
    UnreachableError,
)
from duet.client import errors as client_errors
from tests.support.clock import Clock
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.service import ServiceProcess, service_process, write_home


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("home")
    models = write_home(home)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True, int8=True, data_digest="e" * 64)
    with service_process(home) as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with Client(service.url) as connected:
        yield connected


def test_predict_accepts_every_kind_of_image(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "dark.png"
    path.write_bytes(gray_png(64))
    pixels_HWC = np.full((8, 8, 3), 255, np.uint8)
    answer = client.predict(
        path, str(path), gray_png(0), Image.new("RGB", (8, 8), (128,) * 3), pixels_HWC, pixels_HWC[..., 0]
    )
    assert [one.label for one in answer.predictions] == ["dark", "dark", "black", "grey", "white", "white"]
    assert answer.predictions[0].filename == "dark.png"
    assert answer.timing_ms.total > 0


def test_predict_one_returns_one_prediction(client: Client) -> None:
    assert client.predict_one(gray_png(0), version=2, top_k=1).label == "white"


def test_predict_sends_model_version_and_top_k(client: Client) -> None:
    [first] = client.predict(gray_png(0), model="cnn", version=2, top_k=1).predictions
    assert (first.model, first.version, first.label, len(first.top)) == ("cnn", 2, "white", 1)
    [other] = client.predict(gray_png(0), model="mlp").predictions
    assert (other.model, other.label) == ("mlp", "white")


def test_predict_and_compare_send_the_precision(client: Client) -> None:
    fp32, int8 = (client.predict(gray_png(96), version=2, precision=each).predictions[0] for each in ("fp32", "int8"))
    assert (fp32.precision, int8.precision) == ("fp32", "int8")
    assert fp32.probability != int8.probability
    both = client.compare(gray_png(96), models=("cnn@2", "cnn@2"), precision="int8")
    assert [one.precision for one in both.predictions] == ["int8", "int8"]
    with pytest.raises(NotFoundError) as unpublished:
        client.predict(gray_png(96), precision="int8")
    assert unpublished.value.fields["available"] == ["fp32"]


def test_predict_with_tta_of_an_older_version_fails(client: Client) -> None:
    with pytest.raises(ConflictError, match="duet export cnn@1") as unmeasured:
        client.predict(gray_png(96), version=1, tta=True)
    assert unmeasured.value.type == "urn:duet:problem:views-not-measured"


def test_comparisons(client: Client) -> None:
    assert client.compare(gray_png(0)).agree is False
    same = client.compare(gray_png(0), models=("mlp", "cnn@2"), top_k=2)
    assert (same.agree, same.divergence) == (True, 0)
    metrics = client.metrics_compare("cnn", "mlp")
    assert (metrics.first.model, metrics.paired.only_first_right) == ("cnn", 2)


def test_models(client: Client) -> None:
    assert [(one.model, one.versions) for one in client.models().models] == [("cnn", (1, 2)), ("mlp", (1,))]
    assert client.model("cnn").champion == 1
    assert client.version("cnn", 2).manifest.reference == "cnn@2"
    assert client.ready()
    assert client.live()
    assert [one.served for one in client.readiness().models] == [1, 1]


def test_error_responses_raise_with_their_fields(client: Client) -> None:
    with pytest.raises(NotFoundError) as unknown:
        client.predict(gray_png(0), model="vit")
    assert unknown.value.fields["available"] == ["cnn", "mlp"]
    assert (unknown.value.status, unknown.value.type) == (404, "urn:duet:problem:unknown-model")
    assert unknown.value.request_id
    assert "unknown model 'vit'" in str(unknown.value)
    with pytest.raises(InvalidRequestError) as unreadable:
        client.predict(gray_png(0), b"no image")
    assert unreadable.value.fields == {"filename": "image-1", "index": 1}
    with pytest.raises(InvalidRequestError):
        client.predict(gray_png(0), top_k=0)
    with pytest.raises(ConflictError) as different:
        client.metrics_compare("mlp", "cnn@2")
    assert different.value.fields["digests"]["cnn@2"] == "e" * 64
    with pytest.raises(NotFoundError):
        client.model("../livez")


def test_invalid_image_is_rejected_before_sending(tmp_path: Path) -> None:
    with Client(transport=httpx.MockTransport(lambda request: pytest.fail("sent"))) as client:
        with pytest.raises(ClientError, match="at least one image"):
            client.predict()
        with pytest.raises(ClientError, match=r"absent\.png"):
            client.predict(tmp_path / "absent.png")
        with pytest.raises(ClientError, match=r"float64 \[8, 8\]"):
            client.predict(np.zeros((8, 8)))  # type: ignore[arg-type]
        with pytest.raises(ClientError, match=r"uint8 \[0, 8\]"):
            client.predict(np.zeros((0, 8), np.uint8))
        with pytest.raises(ClientError, match=r"mode CMYK .*convert\('RGB'\)"):
            client.predict(Image.new("CMYK", (8, 8)))


def test_response_of_another_program_raises() -> None:
    page = httpx.Response(200, html="<p>It works!</p>")
    with Client(transport=httpx.MockTransport(lambda request: page)) as client:
        with pytest.raises(
            UnexpectedResponseError, match=r"/models answered 200 with text/html.* not a response of Duet"
        ):
            client.models()
        assert not client.live()
        assert not client.ready()


def test_refused_connection_raises() -> None:
    with Client("http://127.0.0.1:9") as client:
        with pytest.raises(UnreachableError, match="duet serve"):
            client.models()
        assert not client.live()
        assert not client.ready()


Answers = list[tuple[int, dict[str, str], dict[str, Any]]]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = Clock()
    monkeypatch.setattr("duet.client.connection.time", clock)
    return clock.pauses


def scripted(answers: Answers) -> tuple[Callable[[httpx.Request], httpx.Response], list[bytes]]:
    """A service that gives these answers in turn, and the bodies that it was sent."""
    bodies: list[bytes] = []

    def respond(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        status, headers, body = answers[len(bodies) - 1]
        return httpx.Response(status, headers=headers, content=json.dumps(body))

    return respond, bodies


def problem(status: int, **fields: Any) -> dict[str, Any]:
    return {"type": "urn:x", "title": "t", "status": status, "detail": "d", "request_id": "i", **fields}


def test_busy_responses_are_retried_after_their_delay(pauses: list[float]) -> None:
    respond, bodies = scripted(
        [
            (429, {"retry-after": "1"}, problem(429, retry_after_ms=250)),
            (503, {"retry-after": "2"}, problem(503)),
            (503, {}, {}),
            (200, {}, {"models": []}),
        ]
    )
    with Client(transport=httpx.MockTransport(respond)) as client:
        assert client.models().models == ()
    assert pauses == [0.25, 2.0, 0.4]
    assert len(bodies) == 4


def test_retried_upload_is_sent_completely(pauses: list[float], service: ServiceProcess) -> None:
    with Client(service.url) as real:
        good = real.predict(gray_png(0)).model_dump(mode="json")
    respond, bodies = scripted([(429, {}, problem(429, retry_after_ms=1)), (200, {}, good)])
    with Client(transport=httpx.MockTransport(respond)) as client:
        client.predict(io.BytesIO(gray_png(0)).getvalue())
    assert len(bodies) == 2
    assert all(gray_png(0) in body for body in bodies)


def test_retries_are_bounded_in_number(pauses: list[float]) -> None:
    respond, bodies = scripted([(429, {}, problem(429, retry_after_ms=10))] * 4)
    with (
        Client(transport=httpx.MockTransport(respond), retries=3) as client,
        pytest.raises(TooManyRequestsError) as busy,
    ):
        client.models()
    assert (len(bodies), pauses) == (4, [0.01] * 3)
    assert busy.value.fields == {"retry_after_ms": 10}
    assert busy.value.retry_after_seconds == 0.01


def test_retries_are_bounded_in_time(pauses: list[float]) -> None:
    respond, bodies = scripted([(503, {"retry-after": "20"}, problem(503))] * 2)
    with (
        Client(transport=httpx.MockTransport(respond), retry_timeout=30) as client,
        pytest.raises(NotReadyError),
    ):
        client.models()
    assert (len(bodies), pauses) == (2, [20.0])


def test_unrepeatable_requests_are_sent_once(pauses: list[float]) -> None:
    respond, bodies = scripted([(503, {"retry-after": "1"}, problem(503))] * 3)
    with Client(transport=httpx.MockTransport(respond)) as client:
        for ask in (lambda: client.rollback("cnn"), lambda: client.retry("j"), lambda: client.delete_dataset("pets")):
            with pytest.raises(NotReadyError):
                ask()
    assert (len(bodies), pauses) == (3, [])


def test_unknown_response_fields_are_ignored(service: ServiceProcess) -> None:
    told = httpx.get(f"{service.url}/models/cnn/versions/2").json()
    newer = {**told, "colour": "red", "manifest": {**told["manifest"], "shape": "round"}}
    newer["manifest"]["environment"]["weather"] = "fair"
    respond, _ = scripted([(200, {}, newer)])
    with Client(service.url) as client, Client(transport=httpx.MockTransport(respond)) as of_newer:
        assert of_newer.version("cnn", 2) == client.version("cnn", 2)


def test_other_errors_are_not_retried(pauses: list[float]) -> None:
    respond, bodies = scripted([(500, {}, {"oops": 1})])
    with Client(transport=httpx.MockTransport(respond)) as client, pytest.raises(duet.ResponseError) as error:
        client.models()
    assert (len(bodies), pauses) == (1, [])
    assert (error.value.status, error.value.type, error.value.request_id) == (500, "about:blank", None)
    assert error.value.retry_after_seconds is None
    assert "oops" in str(error.value)


def test_readiness_is_not_retried(pauses: list[float]) -> None:
    respond, _ = scripted([(503, {"retry-after": "1"}, problem(503))] * 2)
    with Client(transport=httpx.MockTransport(respond)) as client:
        assert not client.ready()
        with pytest.raises(NotReadyError):
            client.readiness()
    assert pauses == []


def test_package_exports_its_names() -> None:
    assert all(getattr(duet, name).__name__ == name for name in duet.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        duet.nothing  # noqa: B018


def test_error_tree_in_the_docs_is_complete() -> None:
    kinds = [getattr(duet, name) for name in duet.__all__]
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, ClientError)]
    assert errors
    for kind in errors:
        assert kind.__name__ in (client_errors.__doc__ or "")
    for raised in (UnreachableError, UnexpectedResponseError, client_errors.ResponseError):
        assert raised.__name__ in (Client.__doc__ or "")
