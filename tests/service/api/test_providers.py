"""Execution providers in requests, responses, /readyz, /models, /v2 and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from service.app import create_app
from tests.support.onnx_models import CLASSES, gray_png
from tests.support.problems import assert_problem
from tests.support.providers import StandIn, install_stand_in, needs_bf16
from tests.support.service import RunningApp, running_app, settings_for, write_int8_home

RAW = {"content-type": "image/png"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_int8_home(tmp_path)
    return tmp_path


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return install_stand_in(monkeypatch)


@pytest.fixture
async def automatic(home: Path, stand_in: StandIn) -> AsyncIterator[RunningApp]:
    """The app with `auto`; OpenVINO's fp32 is wrong for every version."""
    stand_in.errors = {"fp32": 0.5, "bf16": 0.01}
    async with running_app(settings_for(home, providers="auto")) as app:
        yield app


async def precision_of(running: RunningApp, query: str = "") -> str:
    answer = await running.client.post(f"/predict{query}", content=gray_png(0), headers=RAW)
    assert answer.status_code == 200, answer.text
    [prediction] = answer.json()["predictions"]
    assert prediction["label"] == (CLASSES[0] if prediction["model"] == "cnn" else CLASSES[-1])
    return str(prediction["precision"])


async def test_fastest_precision_is_the_default(automatic: RunningApp) -> None:
    assert await precision_of(automatic) == "bf16"
    assert await precision_of(automatic, "?precision=bf16&version=2") == "bf16"
    assert await precision_of(automatic, "?precision=fp32") == "fp32"
    assert await precision_of(automatic, "?precision=int8") == "int8"
    assert await precision_of(automatic, "?model=mlp") == "bf16"
    compared = await automatic.client.post("/compare", content=gray_png(96), headers=RAW)
    assert [one["precision"] for one in compared.json()["predictions"]] == ["bf16", "bf16"]
    metadata = (await automatic.client.get("/v2/models/cnn")).json()
    assert metadata["parameters"]["precision"] == "bf16"
    unloaded = (await automatic.client.get("/v2/models/cnn/versions/1")).json()
    assert "precision" not in unloaded["parameters"]


async def test_averaged_views_use_the_calibration_of_fp32(automatic: RunningApp) -> None:
    answer = await automatic.client.post("/predict?tta=true", content=gray_png(96), headers=RAW)
    assert_problem(answer, 409, "views-not-measured")


async def test_readyz_names_the_providers_on_request(automatic: RunningApp) -> None:
    short = (await automatic.client.get("/readyz")).json()
    assert [(each["precision"], each["providers"]) for each in short["models"]] == [(None, []), (None, [])]
    for query in ("?verbose", "?verbose=true"):
        verbose = (await automatic.client.get(f"/readyz{query}")).json()
        cnn = verbose["models"][0]
        assert cnn["precision"] == "bf16"
        assert {(each["provider"], each["precision"]): each["state"] for each in cnn["providers"]} == {
            ("cpu", "fp32"): "standby",
            ("openvino", "bf16"): "loaded",
        }
    assert_problem(await automatic.client.get("/readyz?verbose=perhaps"), 422, "invalid-parameters")


async def test_models_and_metrics_name_refused_providers(automatic: RunningApp) -> None:
    prefix = 'duet_provider_info{model="cnn",precision='
    scraped = (await automatic.client.get("/metrics")).text
    assert f'{prefix}"fp32",provider="cpu",state="standby",version="2"}} 1.0' in scraped
    assert await precision_of(automatic, "?precision=fp32") == "fp32"
    versions = (await automatic.client.get("/models/cnn")).json()["versions"]
    measured = {each["version"]: each["providers"] for each in versions}
    assert measured[1] == []  # not loaded
    [refused] = [each for each in measured[2] if each["state"] == "refused"]
    assert (refused["provider"], refused["precision"]) == ("openvino", "fp32")
    assert "a probability differs by" in refused["reason"]
    scraped = (await automatic.client.get("/metrics")).text
    assert f'{prefix}"bf16",provider="openvino",state="loaded",version="2"}} 1.0' in scraped
    assert f'{prefix}"fp32",provider="openvino",state="refused",version="2"}} 1.0' in scraped
    assert f'{prefix}"fp32",provider="cpu",state="loaded",version="2"}} 1.0' in scraped
    assert f'{prefix}"fp32",provider="cpu",state="standby",version="2"}} 0.0' in scraped


async def test_unavailable_bf16_is_404_with_its_requirements(running: RunningApp) -> None:
    assert await precision_of(running) == "fp32"
    answer = await running.client.post("/predict?precision=bf16", content=gray_png(96), headers=RAW)
    problem = assert_problem(answer, 404, "precision-not-published")
    assert problem["available"] == ["fp32", "int8"]
    assert "extra `openvino`" in problem["detail"]
    scraped = (await running.client.get("/metrics")).text
    assert 'duet_provider_info{model="cnn",precision="fp32",provider="cpu",state="loaded",version="2"} 1.0' in scraped


async def test_missing_named_provider_prevents_the_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    app = create_app(settings_for(home, providers="cuda"))
    with pytest.raises(ConfigurationError, match=r"cuda is not available .*onnxruntime-gpu"):
        async with app.router.lifespan_context(app):
            pass


@needs_bf16
@pytest.mark.slow
async def test_openvino_serves_in_bf16(home: Path) -> None:
    async with running_app(settings_for(home, providers="openvino,cpu", precision="bf16")) as app:
        assert await precision_of(app) == "bf16"
        assert await precision_of(app, "?precision=fp32") == "fp32"
