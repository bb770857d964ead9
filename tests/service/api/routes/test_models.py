from __future__ import annotations

import shutil

from core.repository.manifest import read_manifest
from core.schemas.models import ModelDetail, ModelList, VersionDetail
from core.statistics.intervals import proportion
from tests.support.onnx_models import write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, set_champions


async def test_models_are_listed_with_versions_and_champions(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2)
    write_onnx_version(models / "pets" / "1", "pets", 1)
    listed = ModelList.model_validate_json((await running.client.get("/models")).content)
    assert [(one.model, one.champion, one.versions) for one in listed.models] == [
        ("cnn", 1, (1, 2)),
        ("mlp", 1, (1,)),
        ("pets", None, (1,)),
    ]


async def test_model_lists_headline_metrics_of_versions(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, recipe="another")
    set_champions(models, cnn=2, mlp=1)
    detail = ModelDetail.model_validate_json((await running.client.get("/models/cnn")).content)
    assert detail.champion == 2
    assert [(one.version, one.champion, one.recipe, one.layer) for one in detail.versions] == [
        (1, False, "cnn_of_the_tests", "home"),
        (2, True, "another", "home"),
    ]
    assert detail.versions[0].metrics == read_manifest(models / "cnn" / "1").metrics
    assert detail.versions[0].test_accuracy == proportion(9, 10)
    assert detail.versions[0].test_images == 10


async def test_broken_manifest_is_listed_with_reason(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    broken = models / "cnn" / "2"
    broken.mkdir()
    (broken / "manifest.json").write_text("{}")
    detail = ModelDetail.model_validate_json((await running.client.get("/models/cnn")).content)
    assert [one.version for one in detail.versions] == [1, 2]
    assert detail.versions[0].refused is None
    assert "cnn@2: manifest.json" in (detail.versions[1].refused or "")
    problem = assert_problem(await running.client.get("/models/cnn/versions/2"), 409, "version-refused")
    assert "manifest.json" in problem["detail"]


async def test_reason_of_a_refused_version_has_no_paths_of_the_server(running: RunningApp) -> None:
    repository = running.state["repository"]
    shutil.copytree(repository.home_models / "cnn" / "1", repository.shipped / "cnn" / "1")
    (repository.shipped / "cnn" / "1" / "manifest.json").chmod(0o644)
    (repository.shipped / "cnn" / "1" / "manifest.json").write_text("{}")
    try:
        listed = ModelDetail.model_validate_json((await running.client.get("/models/cnn")).content)
    finally:
        shutil.rmtree(repository.shipped / "cnn")
    assert "DUET_HOME/models/cnn/1: remove one" in (listed.versions[0].refused or "")
    assert str(repository.home_models.parent) not in (listed.versions[0].refused or "")


async def test_version_returns_its_manifest(running: RunningApp) -> None:
    detail = VersionDetail.model_validate_json((await running.client.get("/models/mlp/versions/1")).content)
    assert detail.manifest == read_manifest(running.state["repository"].home_models / "mlp" / "1")
    assert (detail.champion, detail.layer) == (True, "home")


async def test_unknown_models_and_versions(running: RunningApp) -> None:
    get = running.client.get
    assert assert_problem(await get("/models/vit"), 404, "unknown-model")["available"] == ["cnn", "mlp"]
    assert assert_problem(await get("/models/vit/versions/1"), 404, "unknown-model")["available"] == ["cnn", "mlp"]
    assert assert_problem(await get("/models/cnn/versions/5"), 404, "unknown-version")["available"] == [1]
    problem = assert_problem(await get("/models/cnn/versions/one"), 422, "invalid-parameters")
    assert problem["errors"][0]["parameter"] == "version"


async def test_damaged_alias_file_is_503_with_its_name(running: RunningApp) -> None:
    (running.state["repository"].home_models / "aliases.json").write_text("{")
    assert "aliases.json" in assert_problem(await running.client.get("/models"), 503, "not-ready")["detail"]
