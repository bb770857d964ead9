"""POST /compare?saliency=... on small models with known gradients; mlp@1 is the inverse of cnn@1."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from core.repository.manifest import GRADIENT_GRAPH
from core.schemas.api import CompareResponse
from tests.support.gradient_graphs import expected_slope, gradient_graph, write_explainable
from tests.support.onnx_models import CLASSES, SIZE, gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
RAW = {"content-type": "image/png"}
BOTH = "saliency,input_x_gradient,smoothgrad,integrated_gradients,occlusion"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2], ids=["on the event loop", "on threads"])
async def explaining(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningApp]:
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("service.app.MAX_EXPLANATIONS", 1)
        async with running_app(settings_for(home, threads=request.param)) as app:
            yield app


async def ask(app: RunningApp, content: bytes, *, accept: str | None = None, **query: Any) -> httpx.Response:
    headers = {**RAW, "accept": accept} if accept else RAW
    return await app.client.post("/compare", params=query, content=content, headers=headers)


async def explained(app: RunningApp, content: bytes, **query: Any) -> CompareResponse:
    answer = await ask(app, content, **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return CompareResponse.model_validate_json(answer.content)


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


async def test_families_share_explanation_methods(explaining: RunningApp) -> None:
    answer = await explained(explaining, gray_png(200), saliency=BOTH, target="light", samples=4, steps=8)
    assert answer.saliency
    assert [(one.model, one.version, one.target.label) for one in answer.saliency] == [
        ("mlp", 1, "light"),
        ("cnn", 1, "light"),
    ]
    # The opposite model's logit for a class is the one that the model has for the class at the other end.
    for one, slope in zip(answer.saliency, (expected_slope(1), expected_slope(3)), strict=True):
        assert [each.method for each in one.maps] == BOTH.split(",")
        found = {each.method: np.array(each.values) for each in one.maps}
        np.testing.assert_allclose(found["saliency"], np.full((SIZE, SIZE), slope), rtol=1e-5)
        expected = slope * 3 * 200 / 255
        for method in ("input_x_gradient", "integrated_gradients"):
            np.testing.assert_allclose(found[method], np.full((SIZE, SIZE), expected), rtol=1e-3)
        assert one.maps[0].flat


async def test_default_target_is_each_models_prediction(explaining: RunningApp) -> None:
    answer = await explained(explaining, gray_png(0), saliency="input_x_gradient")
    assert answer.saliency
    assert not answer.agree
    assert [one.label for one in answer.predictions] == ["white", "black"]
    assert [(one.predicted, one.target.label) for one in answer.saliency] == [("white", "white"), ("black", "black")]


async def test_response_extends_the_plain_comparison(explaining: RunningApp) -> None:
    plain = (await ask(explaining, gray_png(96), top_k=2)).json()
    more = (await ask(explaining, gray_png(96), top_k=2, saliency="saliency")).json()
    assert "saliency" not in plain
    assert set(more) == {*plain, "saliency"}
    for name in ("predictions", "agree", "divergence"):
        assert more[name] == plain[name]
    assert more["timing_ms"]["inference"] > 0


async def test_response_equals_saliency_of_each_model(explaining: RunningApp) -> None:
    query: dict[str, Any] = {"steps": 5, "window": 3, "stride": 2, "baseline": "white"}
    methods = "occlusion,integrated_gradients"
    answer = (await ask(explaining, gray_png(96), saliency=methods, target="2", **query)).json()
    for found in answer["saliency"]:
        told = {"model": found["model"], "method": methods, "target": "2", **query}
        alone = await explaining.client.post("/saliency", params=told, content=gray_png(96), headers=RAW)
        assert alone.headers["content-type"] == "image/png"
        assert base64.b64decode(found.pop("picture").removeprefix("data:image/png;base64,")) == alone.content
        told["format"] = "json"
        alone = await explaining.client.post("/saliency", params=told, content=gray_png(96), headers=RAW)
        assert found == {name: alone.json()[name] for name in found}


@pytest.mark.parametrize("how", [{"accept": "image/png"}, {"accept": "image/*, */*;q=0.1"}, {"format": "png"}])
async def test_png_has_a_row_per_method(explaining: RunningApp, how: dict[str, Any]) -> None:
    query = {"saliency": "saliency,input_x_gradient", "target": "light"}
    answer = await ask(explaining, gray_png(96), **query, **how)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["vary"] == "Accept"
    side = 256
    gap = 8
    assert pixels(answer.content).shape == (2 * side + gap, 3 * side + 2 * gap, 3)
    assert (pixels(answer.content)[:side, :side] == 96).all()
    as_json = (await ask(explaining, gray_png(96), **query)).json()
    assert answer.headers["x-duet-agree"] == str(as_json["agree"]).lower()
    assert float(answer.headers["x-duet-divergence"]) == as_json["divergence"]
    for one in as_json["saliency"]:
        del one["picture"]
        for each in one["maps"]:
            del each["values"]
    assert json.loads(answer.headers["x-duet-saliency"]) == as_json["saliency"]
    blended = await ask(explaining, gray_png(96), **query, **how, layout="blend")
    assert pixels(blended.content).shape == (2 * side + gap, 2 * side + gap, 3)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/*", "image/png;q=0.5, */*"])
async def test_any_accept_gives_json(explaining: RunningApp, accept: str | None) -> None:
    answer = await ask(explaining, gray_png(9), accept=accept, saliency="saliency")
    assert answer.headers["content-type"] == "application/json"


async def test_versions_of_different_sizes_are_explained(explaining: RunningApp) -> None:
    models = explaining.state["repository"].home_models
    graph = gradient_graph(classes=2, size=16, features=True)
    write_onnx_version(
        models / "big" / "1",
        "big",
        1,
        classes=("night", "day"),
        size=16,
        test_answers=(0, 1),
        test_labels=(0, 1),
        extra_files={GRADIENT_GRAPH: graph},
    )
    answer = await explained(explaining, gray_png(255), models="big@1,cnn", saliency="grad_cam")
    assert answer.saliency
    assert [np.array(one.maps[0].values).shape for one in answer.saliency] == [(16, 16), (SIZE, SIZE)]
    assert [one.target.label for one in answer.saliency] == ["day", "white"]
    picture = await ask(explaining, gray_png(255), models="big@1,cnn", saliency="grad_cam", format="png")
    assert pixels(picture.content).shape[0] == 256
    refused = await ask(explaining, gray_png(255), models="big@1,cnn", saliency="grad_cam", target="white")
    assert assert_problem(refused, 422, "unknown-target")["classes"] == ["night", "day"]


async def test_method_unsupported_by_one_version_is_refused(
    explaining: RunningApp,
) -> None:
    for models in ("mlp,cnn", "cnn,mlp"):
        answer = await ask(explaining, gray_png(9), models=models, saliency="saliency,grad_cam")
        problem = assert_problem(answer, 422, "method-does-not-fit")
        assert problem["method"] == "grad_cam"
        assert problem["available"] == BOTH.split(",")
        assert "mlp@1" in problem["detail"]
    assert (await explained(explaining, gray_png(9), models="cnn,cnn@1", saliency="grad_cam")).saliency


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("saliency=lime", "saliency"),
        ("saliency=", "saliency"),
        ("saliency=occlusion&window=9", "window"),
        ("saliency=saliency&format=npy", "format"),
        ("saliency=saliency&method=saliency", "method"),
        ("saliency=saliency&saliency=occlusion", "saliency"),
        ("format=png", "format"),
        ("steps=32", "steps"),
        ("target=black", "target"),
        ("layout=blend", "layout"),
    ],
)
async def test_parameters_out_of_range_or_without_saliency_are_named(
    explaining: RunningApp, query: str, parameter: str
) -> None:
    answer = await explaining.client.post(f"/compare?{query}", content=gray_png(9), headers=RAW)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert [error["parameter"] for error in problem["errors"]] == [parameter]


async def test_bad_requests_are_refused(explaining: RunningApp) -> None:
    unknown = assert_problem(
        await ask(explaining, gray_png(9), saliency="saliency", target="tiger"), 422, "unknown-target"
    )
    assert unknown["classes"] == list(CLASSES)
    answer = await ask(explaining, gray_png(9), saliency="saliency", accept="application/x-npy")
    assert assert_problem(answer, 406, "not-acceptable")["available"] == ["application/json", "image/png"]
    assert_problem(await ask(explaining, b"no image", saliency="saliency"), 422, "unreadable-image")
    assert_problem(await ask(explaining, b"", saliency="saliency"), 422, "no-image")
    assert_problem(await ask(explaining, gray_png(9), saliency="saliency", models="mlp,vit"), 404, "unknown-model")
    explaining.state["explainer"].check_capacity()


async def test_int8_predictions_have_fp32_explanations(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for family in ("cnn", "mlp"):
        graph = {GRADIENT_GRAPH: gradient_graph(features=True)}
        write_onnx_version(models / family / "1", family, 1, int8=True, extra_files=graph)
    set_champions(models, cnn=1, mlp=1)
    async with running_app(settings_for(tmp_path)) as app:
        int8, fp32 = [
            await explained(app, gray_png(96), saliency="input_x_gradient", precision=precision, target="grey")
            for precision in ("int8", "fp32")
        ]
    assert [one.precision for one in int8.predictions] == ["int8", "int8"]
    assert int8.predictions[0].probability != fp32.predictions[0].probability
    assert int8.saliency == fp32.saliency


@pytest.mark.parametrize("path", ["/compare?saliency=saliency", "/saliency?format=json"])
async def test_explanation_beyond_the_limit_is_refused(explaining: RunningApp, path: str) -> None:
    explainer = explaining.state["explainer"]
    real, never = explainer.in_background, asyncio.get_running_loop().create_future()
    explainer.in_background = lambda _: asyncio.shield(never)
    post = explaining.client.post
    asking = asyncio.create_task(post(path, content=gray_png(9), headers=RAW))
    while not explainer._running:  # noqa: ASYNC110  there is no event for it
        await asyncio.sleep(0)
    refused = await post(path, content=gray_png(9), headers=RAW)
    assert assert_problem(refused, 429, "too-many-explanations")["retry_after_ms"] >= 1
    assert (await ask(explaining, gray_png(9))).status_code == 200
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    explainer.in_background = real
    assert (await post(path, content=gray_png(9), headers=RAW)).status_code == 200
