"""Loading of versions: damaged ones and those that contradict their manifest are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.repository.repository import ModelRepository
from service.engine.loaded_model import LoadedModel, load_model
from tests.service.engine.served import RAW, change_a_byte, predicted, readiness, until_reason, until_served
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.versions import write_version


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors", "README.md"])
async def test_champion_with_a_changed_byte_is_refused(home: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    change_a_byte(home / "models" / "cnn" / "1" / name)
    async with running_app(settings_for(home)) as running:
        assert (await predicted(running, "?model=mlp"))["label"] == "white"
        answer = await running.client.post("/predict", content=gray_png(0), headers=RAW)
        assert f"cnn@1: {name}: sha256 is" in assert_problem(answer, 503, "not-ready")["detail"]
        assert (await running.client.get("/readyz")).json()["state"] == "degraded"
        cnn = (await readiness(running))["cnn"]
        assert (cnn["champion"], cnn["served"]) == (1, None)
        assert f"cnn@1: {name}" in cnn["reason"]
        listed = (await running.client.get("/models/cnn")).json()["versions"][0]
        assert name in listed["refused"]
    assert len([record for record in caplog.records if f"cnn@1: {name}" in record.getMessage()]) == 1


async def test_refused_version_is_served_after_its_repair(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.app.RETRY_REFUSED_SECONDS", 0.01)
    path = home / "models" / "cnn" / "1" / "model.onnx"
    whole = path.read_bytes()
    change_a_byte(path)
    async with running_app(settings_for(home)) as running:
        await until_reason(running, "cnn", "model.onnx")
        path.write_bytes(whole)
        await until_served(running, "cnn", 1)
        assert (await running.client.get("/readyz")).json()["state"] == "ready"


async def test_requested_damaged_version_is_refused_with_its_reason(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    (models / "cnn" / "2" / "model.onnx").unlink()
    answer = await running.client.post("/predict?version=2", content=gray_png(0), headers=RAW)
    problem = assert_problem(answer, 409, "version-refused")
    assert "model.onnx: missing" in problem["detail"]
    assert (problem["model"], problem["version"]) == ("cnn", 2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"class_names": ("a", "b")}, "instead of float32 (1, 2)"),
        ({"extra_files": {"model.onnx": b"no graph"}}, "cannot be opened"),
    ],
)
async def test_model_that_contradicts_its_manifest_is_refused(
    running: RunningApp, fields: dict[str, Any], reason: str
) -> None:
    models = running.state["repository"].home_models
    folder = models / "cnn" / "2"
    manifest = write_onnx_version(folder, "cnn", 2)
    kept = {name: (folder / name).read_bytes() for name in manifest.files}
    extra = {**kept, **fields.get("extra_files", {})}
    write_version(
        folder,
        "cnn",
        2,
        extra_files=extra,
        class_names=fields.get("class_names", manifest.class_names),
        input=manifest.input,
    )
    answer = await running.client.post("/predict?version=2", content=gray_png(0), headers=RAW)
    assert reason in assert_problem(answer, 409, "version-refused")["detail"]


async def test_version_without_calibration_is_refused(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, calibration={})
    answer = await running.client.post("/predict?version=2", content=gray_png(0), headers=RAW)
    assert "no calibration for fp32" in assert_problem(answer, 409, "version-refused")["detail"]


async def test_loader_error_does_not_affect_other_families(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_on_cnn(repository: ModelRepository, family: str, version: int, **options: Any) -> LoadedModel:
        if family == "cnn":
            raise MemoryError("no room")
        return load_model(repository, family, version, **options)

    monkeypatch.setattr("service.engine.version_loader.load_model", breaks_on_cnn)
    async with running_app(settings_for(home)) as running:
        assert (await predicted(running, "?model=mlp"))["label"] == "white"
        assert "MemoryError" in (await readiness(running))["cnn"]["reason"]


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
async def test_files_that_the_manifest_does_not_list_are_not_used(running: RunningApp, name: str) -> None:
    folder = running.state["repository"].home_models / "cnn" / "2"
    manifest = write_onnx_version(folder, "cnn", 2)
    files = {listed: record for listed, record in manifest.files.items() if listed != name}
    (folder / "manifest.json").write_text(manifest.model_copy(update={"files": files}).to_json())
    answer = await running.client.post("/predict?model=cnn&version=2", content=gray_png(0), headers=RAW)
    assert f"does not list {name}" in assert_problem(answer, 409, "version-refused")["detail"]
