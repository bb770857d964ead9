"""Predictions built as dictionaries validate against their pydantic models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from pydantic import BaseModel

from core.schemas.api import CompareResponse, PredictResponse
from service.app import create_app
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.service import RunningApp, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
PNG: dict[str, Any] = {"content": gray_png(64), "headers": {"content-type": "image/png"}}
ONE_FILE: dict[str, Any] = {"files": [("file", ("a.png", gray_png(64)))]}
FILES: dict[str, Any] = {
    "files": [
        ("file", ("r\u00e9x \u72ac.png", gray_png(0))),
        ("file", ('"quoted".png', gray_png(255, 40))),
        ("file", ("c.png", gray_png(128))),
    ]
}


@pytest.fixture(scope="module")
def document(shared: RunningApp) -> dict[str, Any]:
    """The OpenAPI document of the app."""
    return create_app(shared.state["settings"]).openapi()


def assert_whole(content: bytes, model: type[BaseModel], *, left_out: frozenset[str] = frozenset()) -> None:
    """Assert that all fields except those in `left_out` exist with their types, and that parsing changes nothing."""
    parsed = model.model_validate_json(content, strict=True)
    assert parsed.model_dump(mode="json", exclude=set(left_out)) == json.loads(content)


def assert_documented(content: bytes, path: str, document: dict[str, Any]) -> None:
    schema = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    OAS31Validator({**schema, "components": document["components"]}).validate(json.loads(content))


@pytest.mark.parametrize("query", ["", "?model=mlp&top_k=1", "?version=1&top_k=1000&precision=fp32"])
@pytest.mark.parametrize("sent", [PNG, ONE_FILE, FILES], ids=["raw", "one file", "three files"])
async def test_prediction_has_every_field(
    shared: RunningApp, document: dict[str, Any], sent: dict[str, Any], query: str
) -> None:
    answer = await shared.client.post(f"/predict{query}", **sent)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert_whole(answer.content, PredictResponse)
    assert_documented(answer.content, "/predict", document)
    assert len(answer.json()["predictions"]) == len(sent.get("files", [1]))


@pytest.mark.parametrize("query", ["", "?models=cnn@1,mlp,cnn&top_k=1&precision=fp32"])
@pytest.mark.parametrize("sent", [PNG, ONE_FILE], ids=["raw", "one file"])
async def test_comparison_has_every_field(
    shared: RunningApp, document: dict[str, Any], sent: dict[str, Any], query: str
) -> None:
    answer = await shared.client.post(f"/compare{query}", **sent)
    assert answer.status_code == 200, answer.text
    assert_whole(answer.content, CompareResponse, left_out=frozenset({"saliency"}))
    assert_documented(answer.content, "/compare", document)


async def test_extreme_temperature_gives_finite_numbers(shared: RunningApp) -> None:
    """A temperature near zero gives probabilities of exactly 0 and 1; a very high one gives equal probabilities."""
    models = shared.state["repository"].home_models
    for version, temperature in ((2, 1e-6), (3, 1e6)):
        manifest = write_onnx_version(models / "pets" / str(version), "pets", version)
        calibration = manifest.calibration["fp32"].model_copy(update={"temperature": temperature})
        write_onnx_version(models / "pets" / str(version), "pets", version, calibration={"fp32": calibration})
        answer = await shared.client.post(f"/predict?model=pets&version={version}&top_k=5", **PNG)
        assert_whole(answer.content, PredictResponse)
        [prediction] = answer.json()["predictions"]
        probabilities = [one["probability"] for one in prediction["top"]]
        assert probabilities == ([1, 0, 0, 0, 0] if version == 2 else pytest.approx([0.2] * 5, abs=1e-4))
        assert sum(probabilities) == pytest.approx(1, abs=5e-6)


async def test_openapi_does_not_depend_on_settings(shared: RunningApp, document: dict[str, Any]) -> None:
    settings = settings_for(shared.state["settings"].home, precision="int8")
    assert create_app(settings).openapi() == document
