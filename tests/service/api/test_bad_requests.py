"""Invalid bodies, fields, models and parameters."""

from __future__ import annotations

import pytest

from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp

pytestmark = pytest.mark.asyncio(loop_scope="module")
FILE = {"file": ("a.png", gray_png(64))}


async def test_wrong_field_error_names_the_right_field(shared: RunningApp) -> None:
    problem = assert_problem(await shared.client.post("/predict", files={"image": b"x"}), 422, "wrong-field")
    assert (problem["found"], problem["expected"]) == ("image", "file")
    assert "'image'" in problem["detail"]
    assert "'file'" in problem["detail"]


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "multipart/mixed; boundary=x"])
async def test_unsupported_content_type_error_lists_supported_ones(
    shared: RunningApp, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = await shared.client.post("/predict", content=b"{}", headers=headers)
    problem = assert_problem(answer, 415, "unsupported-media-type")
    assert problem["accepted"] == ["multipart/form-data", "image/*", "application/octet-stream"]


async def test_too_many_files_are_refused_with_the_limit(shared: RunningApp) -> None:
    files = [("file", gray_png(64))] * 65
    assert (await shared.client.post("/predict", files=files[1:])).status_code == 200
    assert assert_problem(await shared.client.post("/predict", files=files), 422, "too-many-files")["limit"] == 64


async def test_compare_two_files_are_refused(shared: RunningApp) -> None:
    answer = await shared.client.post("/compare", files=[("file", gray_png(64))] * 2)
    assert assert_problem(answer, 422, "too-many-files")["limit"] == 1


@pytest.mark.parametrize("path", ["/predict", "/compare"])
async def test_body_over_the_limit_error_names_the_limit(shared: RunningApp, path: str) -> None:
    answer = await shared.client.post(path, content=bytes(200_001), headers={"content-type": "image/png"})
    problem = assert_problem(answer, 413, "body-too-large")
    assert problem["limit_bytes"] == 200_000
    assert answer.headers["connection"] == "close"


async def test_invalid_content_length_is_refused(shared: RunningApp) -> None:
    headers = {"content-type": "image/png", "content-length": "-3"}
    assert_problem(await shared.client.post("/predict", content=b"x", headers=headers), 400, "malformed-body")
    headers["content-length"] = "9" * 5000
    assert_problem(await shared.client.post("/predict", content=b"x", headers=headers), 413, "body-too-large")


@pytest.mark.parametrize(
    ("path", "available"),
    [
        ("/predict?model=vit", ["cnn", "mlp"]),
        ("/predict?model=..%2Fcnn", ["cnn", "mlp"]),
        ("/predict?model=cnn%401", ["cnn", "mlp"]),
        ("/compare?models=cnn,vit", ["cnn", "mlp"]),
        ("/predict?version=9", [1]),
        ("/compare?models=cnn,mlp@2", [1]),
    ],
)
async def test_unknown_model_or_version_lists_available_ones(
    shared: RunningApp, path: str, available: list[object]
) -> None:
    slug = "unknown-model" if "cnn" in available else "unknown-version"
    problem = assert_problem(await shared.client.post(path, files=FILE), 404, slug)
    assert problem["available"] == available


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/predict?top_k=0", ["top_k"]),
        ("/predict?top_k=many", ["top_k"]),
        ("/predict?version=-1&top_k=0", ["version", "top_k"]),
        ("/predict?version=1.5", ["version"]),
        (f"/predict?version={'9' * 5000}", ["version"]),
        ("/predict?version=", ["version"]),
        ("/predict?model=", ["model"]),
        (f"/predict?model={'m' * 65}", ["model"]),
        ("/predict?modle=cnn", ["modle"]),
        ("/compare?models=cnn", ["models"]),
        ("/compare?models=cnn,mlp@x", ["models"]),
        ("/compare?models=,,", ["models"]),
        (f"/compare?models={','.join(['cnn'] * 9)}", ["models"]),
    ],
)
async def test_bad_parameters_are_named(shared: RunningApp, path: str, parameters: list[str]) -> None:
    problem = assert_problem(await shared.client.post(path, files=FILE), 422, "invalid-parameters")
    assert [error["parameter"] for error in problem["errors"]] == parameters
    assert all(name in problem["detail"] for name in parameters)
    assert "Value error" not in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/datasets/My Pets", "the name of a data set has up to 64 lower-case letters, digits, - and _"),
        ("GET", "/models/cnn/versions/1/figures/History.PNG", "use the file name of a figure as in the card"),
        ("POST", "/saliency?crop=1,2,3", "a crop is left,top,width,height in whole pixels, such as 10,20,200,200"),
    ],
)
async def test_text_of_another_form_is_explained_in_words(
    shared: RunningApp, method: str, path: str, words: str
) -> None:
    problem = assert_problem(await shared.client.request(method, path, files=FILE), 422, "invalid-parameters")
    assert words in problem["detail"]
    assert "pattern" not in problem["detail"]


async def test_unknown_addresses_and_methods_are_problems_too(shared: RunningApp) -> None:
    problem = assert_problem(await shared.client.get("/predictions"), 404, "not-found")
    assert "/predictions" in problem["detail"]
    answer = await shared.client.get("/predict")
    assert assert_problem(answer, 405, "method-not-allowed")["allowed"] == ["POST"]
    assert answer.headers["allow"] == "POST"
    answer = await shared.client.put("/session")
    assert assert_problem(answer, 405, "method-not-allowed")["allowed"] == ["DELETE", "GET", "HEAD", "POST"]
    assert answer.headers["allow"] == "DELETE, GET, HEAD, POST"
    answer = await shared.client.post("/openapi.json")
    assert assert_problem(answer, 405, "method-not-allowed")["allowed"] == ["GET", "HEAD"]


async def test_internal_error_is_500_without_traceback(
    shared: RunningApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret of the code")

    monkeypatch.setattr(shared.state["engine"], "predict", broken)
    answer = await shared.client.post("/predict", files=FILE)
    assert_problem(answer, 500, "internal-error")
    assert "secret" not in answer.text
    [record] = [record for record in caplog.records if record.exc_info]
    assert "a secret of the code" in str(record.exc_info)
