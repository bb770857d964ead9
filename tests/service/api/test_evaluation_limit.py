"""Limit of the model evaluations of one request without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.api.common.image_queries import ExplanationQuery
from service.api.deps import MAX_EVALUATIONS
from service.saliency.methods import METHODS, MethodName, count_evaluations
from tests.service.api.routes.test_predict_tta import RECORD
from tests.support.gradient_graphs import write_explainable
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for, write_home

KEY = "k" * 16
RAW = {"content-type": "image/png"}
LONG = "method=integrated_gradients,smoothgrad&steps=4&samples=2"
LIMIT = 10


@pytest.mark.parametrize(
    ("methods", "changes", "expected"),
    [
        (("saliency",), {}, 1 + 3),
        (("input_x_gradient", "grad_cam"), {}, 1 + 3 + 3),
        (("smoothgrad",), {"samples": 5}, 1 + 15),
        (("integrated_gradients",), {"steps": 7}, 1 + 21 + 1),
        (("occlusion",), {"window": 8, "stride": 8}, 1 + 16),
        (("occlusion", "saliency"), {"window": 8, "stride": 7}, 1 + 25 + 3),
    ],
)
def test_evaluations_of_methods_are_counted(
    methods: tuple[MethodName, ...], changes: dict[str, Any], expected: int
) -> None:
    parameters = ExplanationQuery(**changes).parameters(32, 32)
    assert count_evaluations(methods, parameters, 32, 32) == expected


@pytest.mark.parametrize("side", [32, 48, 64, 96, 224])
def test_each_method_fits_the_limit_for_two_models_by_default(side: int) -> None:
    parameters = ExplanationQuery().parameters(side, side)
    for method in METHODS:
        assert 2 * count_evaluations([method], parameters, side, side) <= MAX_EVALUATIONS


@pytest.fixture
async def explaining(tmp_path: Path) -> AsyncIterator[RunningApp]:
    write_explainable(tmp_path)
    async with running_app(settings_for(tmp_path, api_keys=f"jobs:{KEY}")) as app:
        yield app


@pytest.mark.parametrize(
    ("path", "evaluations"),
    [
        (f"/saliency?{LONG}", 1 + 3 * 4 + 1 + 3 * 2),
        (f"/compare?{LONG.replace('method', 'saliency')}", 2 * (1 + 3 * 4 + 1 + 3 * 2)),
    ],
)
async def test_long_explanation_needs_a_key(
    explaining: RunningApp, monkeypatch: pytest.MonkeyPatch, path: str, evaluations: int
) -> None:
    monkeypatch.setattr("service.api.deps.MAX_EVALUATIONS", LIMIT)
    client = explaining.client
    problem = assert_problem(await client.post(path, content=gray_png(9), headers=RAW), 422, "too-many-evaluations")
    assert (problem["evaluations"], problem["limit"]) == (evaluations, LIMIT)
    wrong = await client.post(path, content=gray_png(9), headers=RAW | {"x-api-key": "wrong"})
    assert_problem(wrong, 401, "key-refused")
    for header in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
        answer = await client.post(path, content=gray_png(9), headers=RAW | header)
        assert answer.status_code == 200, answer.text


async def test_averaged_views_of_many_images_need_a_key(tmp_path: Path) -> None:
    models = write_home(tmp_path)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, averaged_views={"fp32": RECORD})
    set_champions(models, cnn=2)
    async with running_app(settings_for(tmp_path, api_keys=f"jobs:{KEY}")) as app:

        async def status(images: int, headers: dict[str, str]) -> int:
            files = [("file", (f"{number}.png", gray_png(9))) for number in range(images)]
            return (await app.client.post("/predict?tta=true", files=files, headers=headers)).status_code

        most = MAX_EVALUATIONS // RECORD.views
        assert await status(most, {}) == 200
        assert await status(most + 1, {}) == 422
        assert await status(most + 1, {"x-api-key": KEY}) == 200
