from __future__ import annotations

from pathlib import Path

import pytest

from core.release import release
from service.openinference.messages import ModelMetadata
from tests.support.onnx_models import CLASSES, write_onnx_version
from tests.support.openinference import assert_error
from tests.support.service import RunningApp, running_app, set_champions, settings_for


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
async def test_server_metadata_lists_extensions(running: RunningApp, path: str) -> None:
    answer = await running.client.get(path)
    assert answer.json() == {
        "name": "duet",
        "version": release(),
        "extensions": ["binary_tensor_data", "classification", "parameters"],
    }


async def test_health_equals_the_service_health(home: Path) -> None:
    async with running_app(settings_for(home)) as running:
        for path, body in (("/v2/health/live", {"live": True}), ("/v2/health/ready", {"ready": True})):
            answer = await running.client.get(path)
            assert (answer.status_code, answer.json()) == (200, body)
        running.state["lifecycle"].draining = True
        answer = await running.client.get("/v2/health/ready")
        assert assert_error(answer, 503) == "the service is shutting down"
        assert answer.headers["retry-after"] == "1"
        assert (await running.client.get("/v2/health/live")).status_code == 200


async def test_service_without_models_is_live_not_ready(tmp_path: Path) -> None:
    async with running_app(settings_for(tmp_path), ready=False) as running:
        assert (await running.client.get("/v2/health/live")).status_code == 200
        assert_error(await running.client.get("/v2/health/ready"), 503)
        assert assert_error(await running.client.get("/v2/models/cnn"), 404).startswith("unknown model 'cnn'")
        assert_error(await running.client.get("/v2/models/cnn/ready"), 404)


async def test_model_metadata_describes_tensors(running: RunningApp) -> None:
    answer = await running.client.get("/v2/models/cnn")
    ModelMetadata.model_validate_json(answer.content)
    assert answer.json() == {
        "name": "cnn",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 5]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 5]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
        "parameters": {
            "version": "1",
            "geometry": "stretch",
            "precision": "fp32",
            "temperature": 1.25,
            "labels": "black\ndark\ngrey\nlight\nwhite",
        },
    }


async def test_versions_are_described_by_number_or_as_champion(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(
        models / "cnn" / "2", "cnn", 2, classes=("no", "yes"), size=4, test_answers=(0, 1), test_labels=(1, 1)
    )
    second = (await running.client.get("/v2/models/cnn/versions/2")).json()
    assert second["versions"] == ["1", "2"]
    assert second["inputs"][0]["shape"] == [-1, 4, 4, 3]
    assert second["outputs"][0]["shape"] == [-1, 2]
    assert (second["parameters"]["version"], second["parameters"]["labels"]) == ("2", "no\nyes")
    champion = (await running.client.get("/v2/models/cnn/versions/champion")).json()
    assert champion == (await running.client.get("/v2/models/cnn")).json()
    assert champion["parameters"]["labels"] == "\n".join(CLASSES)


@pytest.mark.parametrize(
    ("preferred", "int8", "precision", "temperature"),
    [("fp32", True, "fp32", 1.25), ("int8", True, "int8", 2.5), ("int8", False, "fp32", 1.25)],
)
async def test_model_metadata_names_the_served_precision(
    home: Path, preferred: str, int8: bool, precision: str, temperature: float
) -> None:
    write_onnx_version(home / "models" / "cnn" / "2", "cnn", 2, int8=int8)
    set_champions(home / "models", cnn=2, mlp=1)
    async with running_app(settings_for(home, precision=preferred)) as running:
        described = (await running.client.get("/v2/models/cnn")).json()["parameters"]
        assert (described["precision"], described["temperature"]) == (precision, temperature)
        image = bytes(8 * 8 * 3)
        headers = {"inference-header-content-length": "0"}
        answer = await running.client.post("/v2/models/cnn/infer", content=image, headers=headers)
        assert f'"precision":"{precision}"'.encode() in answer.content


async def test_model_is_ready_once_loaded(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    for path in ("/ready", "/versions/1/ready", "/versions/2/ready", "/versions/champion/ready"):
        answer = await running.client.get(f"/v2/models/cnn{path}")
        assert (answer.status_code, answer.json()) == (200, {"name": "cnn", "ready": True})
    loaded = [(one.family, one.version) for one in running.state["engine"].models.loaded()]
    assert ("cnn", 2) in loaded


async def test_damaged_version_is_not_ready_with_reason(running: RunningApp) -> None:
    folder = running.state["repository"].home_models / "cnn" / "2"
    write_onnx_version(folder, "cnn", 2)
    (folder / "model.onnx").write_bytes(b"damaged")
    message = assert_error(await running.client.get("/v2/models/cnn/versions/2/ready"), 409)
    assert "model.onnx" in message
    answer = await running.client.post("/v2/models/cnn/versions/2/infer", content=b"")
    assert "model.onnx" in assert_error(answer, 409)
    (folder / "manifest.json").write_text("{}")
    assert "manifest.json" in assert_error(await running.client.get("/v2/models/cnn/versions/2"), 409)
    assert (await running.client.get("/v2/models/cnn/ready")).status_code == 200


async def test_model_without_champion_is_not_ready(running: RunningApp) -> None:
    write_onnx_version(running.state["repository"].home_models / "pets" / "1", "pets", 1)
    assert (
        assert_error(await running.client.get("/v2/models/pets"), 404)
        == "pets has no champion: available versions are 1"
    )
    assert_error(await running.client.get("/v2/models/pets/ready"), 404)
    assert (await running.client.get("/v2/models/pets/versions/1/ready")).status_code == 200
