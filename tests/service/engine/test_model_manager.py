"""Model manager: it follows the champions, and unloads and reloads them."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.repository.champions import archive
from core.repository.deletion import delete_version
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from service.engine.model_manager import ModelManager
from tests.service.engine.served import RAW, change_a_byte, predicted, readiness, until_reason, until_served
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for, until


async def test_promotion_is_served_and_old_version_stays_available(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)
    assert (await predicted(running))["version"] == 1
    set_champions(models, cnn=2, mlp=1)
    await until_served(running, "cnn", 2)
    now, before = await predicted(running), await predicted(running, "?version=1")
    assert (now["version"], now["label"]) == (2, "white")
    assert (before["version"], before["label"]) == (1, "black")


async def test_champion_change_fails_no_request_and_mixes_no_versions(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)
    labels = {1: "black", 2: "white"}
    seen: list[int] = []
    promoted = asyncio.Event()

    async def ask() -> None:
        while not promoted.is_set():
            prediction = await predicted(running)
            assert prediction["label"] == labels[prediction["version"]]
            seen.append(prediction["version"])

    async def answered(enough: int) -> bool:
        return len(seen) >= enough

    async def promote() -> None:
        for version in (2, 1, 2):
            set_champions(models, cnn=version, mlp=1)
            await until_served(running, "cnn", version)
            await until(functools.partial(answered, len(seen) + 10))
        promoted.set()

    await asyncio.gather(promote(), *(ask() for _ in range(5)))
    assert set(seen) == {1, 2}


async def test_damaged_new_champion_leaves_the_old_one_served(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)
    change_a_byte(models / "cnn" / "2" / "weights.safetensors")
    set_champions(models, cnn=2, mlp=1)
    await until_reason(running, "cnn", "weights.safetensors")
    assert (await predicted(running))["version"] == 1
    assert (await running.client.get("/readyz")).status_code == 200
    cnn = (await readiness(running))["cnn"]
    assert (cnn["champion"], cnn["served"]) == (2, 1)


async def test_removed_champion_is_reported(running: RunningApp) -> None:
    set_champions(running.state["repository"].home_models, cnn=7, mlp=1)
    await until_reason(running, "cnn", "unknown version 7")
    assert (await predicted(running))["version"] == 1


async def test_damaged_alias_file_keeps_the_served_versions(running: RunningApp) -> None:
    (running.state["repository"].home_models / "aliases.json").write_text("{")
    await until_reason(running, "cnn", "aliases.json")
    assert (await predicted(running))["version"] == 1


def loaded(running: RunningApp) -> set[str]:
    return set(running.state["engine"].models.champions)


async def until_loaded(running: RunningApp, *families: str) -> None:
    async def settled() -> bool:
        return loaded(running) == set(families)

    await until(settled)


async def test_families_beyond_the_kept_ones_are_loaded_by_a_request(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.app.KEPT_CHAMPIONS", 2)
    models = home / "models"
    write_onnx_version(models / "ants" / "1", "ants", 1, inverted=True)
    set_champions(models, ants=1, cnn=1, mlp=1)
    async with running_app(settings_for(home)) as running:
        await until_loaded(running, "cnn", "mlp")
        assert (await running.client.get("/readyz")).json()["state"] == "ready"
        ants = (await readiness(running))["ants"]
        assert (ants["champion"], ants["served"], ants["reason"]) == (1, 1, None)
        write_onnx_version(models / "ants" / "2", "ants", 2)
        set_champions(models, ants=2, cnn=1, mlp=1)
        await until_served(running, "ants", 2)
        assert loaded(running) == {"cnn", "mlp"}
        together = await asyncio.gather(*(predicted(running, "?model=ants") for _ in range(3)))
        assert [(one["version"], one["label"]) for one in together] == [(2, "black")] * 3
        assert loaded(running) == {"ants", "cnn", "mlp"}


async def test_idle_champions_are_unloaded_except_the_last_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.app.KEPT_CHAMPIONS", 1)
    monkeypatch.setattr("service.app.IDLE_SECONDS", 0.0)
    async with running_app(settings_for(home)) as running:
        await until_loaded(running, "cnn")
        for family, label in (("mlp", "white"), ("cnn", "black"), ("mlp", "white")):
            assert (await predicted(running, f"?model={family}"))["label"] == label
            await until_loaded(running, family)
        assert (await predicted(running, "?model=cnn&version=1"))["label"] == "black"
        await until_loaded(running, "cnn")
        assert (await running.client.get("/readyz")).json()["state"] == "ready"


async def test_damaged_champion_is_refused_by_its_first_request(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.app.KEPT_CHAMPIONS", 1)
    change_a_byte(home / "models" / "mlp" / "1" / "weights.safetensors")
    async with running_app(settings_for(home)) as running:
        await until_loaded(running, "cnn")
        answer = await running.client.post("/predict?model=mlp", content=gray_png(0), headers=RAW)
        assert "mlp@1: weights.safetensors" in assert_problem(answer, 503, "not-ready")["detail"]
        mlp = (await readiness(running))["mlp"]
        assert (mlp["champion"], mlp["served"]) == (1, None)
        assert "weights.safetensors" in mlp["reason"]
        assert (await predicted(running))["label"] == "black"


async def test_family_without_champion_needs_a_version(running: RunningApp) -> None:
    write_onnx_version(running.state["repository"].home_models / "pets" / "4", "pets", 4, inverted=True)
    answer = await running.client.post("/predict?model=pets", content=gray_png(0), headers=RAW)
    problem = assert_problem(answer, 404, "unknown-version")
    assert problem["available"] == [4]
    assert "no champion" in problem["detail"]
    assert (await predicted(running, "?model=pets&version=4"))["label"] == "white"


async def test_empty_repository_is_not_ready(tmp_path: Path) -> None:
    async with running_app(settings_for(tmp_path), ready=False) as running:

        async def looked() -> bool:
            return "no model has a champion" in (await running.client.get("/readyz")).json()["detail"]

        await until(looked)
        assert_problem(await running.client.get("/readyz"), 503, "not-ready")
        assert (await running.client.get("/livez")).json() == {"status": "alive"}
        assert (await running.client.get("/models")).json() == {"models": []}
        unknown = await running.client.post("/predict", content=gray_png(0), headers=RAW)
        assert assert_problem(unknown, 404, "unknown-model")["available"] == []


async def test_not_ready_before_the_first_refresh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: ModelManager) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(ModelManager, "refresh", never)
    async with running_app(settings_for(home), ready=False) as running:
        answer = await running.client.get("/readyz")
        assert "being loaded" in assert_problem(answer, 503, "not-ready")["detail"]
        assert answer.headers["retry-after"] == "1"
        early = await running.client.post("/predict", content=gray_png(0), headers=RAW)
        assert_problem(early, 503, "not-ready")


async def test_hanging_version_does_not_block_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, verify, release = home / "models", ModelRepository.verify, threading.Event()
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    write_onnx_version(models / "mlp" / "2", "mlp", 2)

    def hang(self: ModelRepository, family: str, version: int) -> Manifest:
        if (family, version) == ("cnn", 2):
            release.wait()
        return verify(self, family, version)

    monkeypatch.setattr(ModelRepository, "verify", hang)
    monkeypatch.setattr("service.engine.version_loader.LOAD_SECONDS", 0.3)
    async with running_app(settings_for(home)) as running:
        set_champions(models, cnn=2, mlp=2)
        await until_served(running, "mlp", 2)
        await until_reason(running, "cnn", "its files do not respond")
        assert (await predicted(running, "?model=cnn"))["version"] == 1
    release.set()


async def test_hanging_champions_file_does_not_block_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, champions, release, reads = home / "models", ModelRepository.champions, threading.Event(), list[int]()
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    async with running_app(settings_for(home)) as running:

        def hang(self: ModelRepository) -> Mapping[str, int]:
            reads.append(1)
            release.wait()
            return champions(self)

        monkeypatch.setattr("service.engine.champion_reader.READ_SECONDS", 0.05)
        monkeypatch.setattr(ModelRepository, "champions", hang)
        set_champions(models, cnn=2, mlp=1)
        await until_reason(running, "cnn", "check the file system")
        assert (await predicted(running, "?model=cnn"))["version"] == 1
        assert (await predicted(running, "?model=cnn&version=2"))["version"] == 2
        await running.state["engine"].models.poll()
        assert len(reads) == 1  # no second thread waits
        release.set()
        await until_served(running, "cnn", 2)


async def test_reasons_name_no_path_of_the_server(running: RunningApp, caplog: pytest.LogCaptureFixture) -> None:
    repository = running.state["repository"]
    (repository.home_models / "aliases.json").write_text("{")
    await until_reason(running, "cnn", "DUET_HOME/models/aliases.json is not an alias file")
    for path in ("/readyz", "/models", "/models/cnn", "/v2/models/cnn", "/models/cnn/promotions"):
        assert str(repository.home_models.parent) not in (await running.client.get(path)).text
    assert str(repository.home_models) in caplog.text


async def test_archived_family_and_deleted_version_are_dropped(running: RunningApp) -> None:
    """Another process archives and deletes; this one notices at its next poll."""
    repository = running.state["repository"]
    write_onnx_version(repository.home_models / "cnn" / "2", "cnn", 2)
    await predicted(running, "?version=2")
    manager: ModelManager = running.state["engine"].models

    def loaded() -> set[str]:
        return {variant.manifest.reference for variant in manager.loaded()}

    assert {"cnn@1", "cnn@2", "mlp@1"} <= loaded()
    delete_version(repository, "cnn", 2, actor="ada", reason="old")
    archive(repository, "mlp", actor="ada", reason="old")

    async def dropped() -> bool:
        return not {"cnn@2", "mlp@1"} & loaded()

    await until(dropped)
    assert "cnn@1" in loaded()
    assert set(await readiness(running)) == {"cnn"}


async def test_damaged_alias_file_drops_nothing(running: RunningApp) -> None:
    (running.state["repository"].home_models / "aliases.json").write_text("{")
    await until_reason(running, "mlp", "is not an alias file")
    assert (await predicted(running, "?model=mlp"))["version"] == 1
