"""Deletion routes: archive a model, delete versions and models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.repository.champions import history
from core.repository.repository import ModelRepository
from core.schemas.models import Deletion, Move
from service.jobs.store.store import JobStore
from tests.support.broker import Broker
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for

JOBS, ADMIN = "j" * 16, "a" * 16
AS_ADMIN = {"x-api-key": ADMIN}
KEYS = f"jobs:{JOBS},admin:{ADMIN}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """cnn@2 and pets@1 are champions; cnn@1 and cnn@3 are not; shipped@1 ships with the project."""
    models = tmp_path / "models"
    for version in (1, 2, 3):
        write_onnx_version(models / "cnn" / str(version), "cnn", version)
    write_onnx_version(models / "pets" / "1", "pets", 1)
    write_onnx_version(tmp_path / "none" / "shipped" / "1", "shipped", 1)
    set_champions(models, cnn=2, pets=1)
    set_champions(tmp_path / "none", shipped=1)
    return tmp_path


@pytest.fixture
async def running(home: Path) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(home, api_keys=KEYS, poll_seconds=3600)) as app:
        yield app


def repository_of(running: RunningApp) -> ModelRepository:
    return running.state["repository"]


async def predicted(running: RunningApp, query: str) -> Any:
    return await running.client.post(f"/predict{query}", content=gray_png(0), headers={"content-type": "image/png"})


def loaded(running: RunningApp) -> set[str]:
    return {variant.manifest.reference for variant in running.state["engine"].models.loaded()}


async def test_deleted_version_is_unloaded_and_recorded(running: RunningApp) -> None:
    assert (await predicted(running, "?version=3")).status_code == 200
    assert "cnn@3" in loaded(running)
    answer = await running.client.delete("/models/cnn/versions/3?reason=wrong+labels", headers=AS_ADMIN)
    assert answer.status_code == 200, answer.text
    deletion = Deletion.model_validate_json(answer.content)
    assert deletion.deleted == ("cnn@3",)
    assert list(deletion.entries) == history(repository_of(running))
    assert (deletion.entries[0].reason, deletion.entries[0].actor.endswith("(admin)")) == ("wrong labels", True)
    assert_problem(await predicted(running, "?version=3"), 404, "unknown-version")
    assert "cnn@3" not in loaded(running)
    [listed] = (await running.client.get("/models/cnn/promotions")).json()["promotions"]
    assert (listed["action"], listed["from_version"], listed["to_version"]) == ("delete", 3, None)
    gone = await running.client.delete("/models/cnn/versions/3", headers=AS_ADMIN)
    assert assert_problem(gone, 404, "unknown-version")["available"] == [1, 2]


async def test_champions_and_shipped_versions_are_not_deleted(running: RunningApp) -> None:
    for path, slug in (
        ("/models/cnn/versions/2", "champion-not-deletable"),
        ("/models/pets", "champion-not-deletable"),
        ("/models/shipped/versions/1", "champion-not-deletable"),
        ("/models/shipped", "champion-not-deletable"),
    ):
        assert_problem(await running.client.delete(path, headers=AS_ADMIN), 409, slug)
    assert_problem(await running.client.post("/models/shipped/archive", headers=AS_ADMIN), 409, "version-ships")
    assert_problem(await running.client.delete("/models/birds", headers=AS_ADMIN), 404, "unknown-model")
    assert repository_of(running).families() == ["cnn", "pets", "shipped"]
    assert history(repository_of(running)) == []


async def test_model_is_archived_and_then_deleted(running: RunningApp) -> None:
    answer = await running.client.post("/models/pets/archive", json={"reason": "replaced"}, headers=AS_ADMIN)
    move = Move.model_validate_json(answer.content)
    assert (move.promotion.action, move.served, move.serving.served) == ("archive", False, None)
    assert "pets@1" not in loaded(running)
    assert_problem(await predicted(running, "?model=pets"), 404, "unknown-version")
    assert "pets" not in [model["model"] for model in (await running.client.get("/readyz")).json()["models"]]
    assert_problem(await running.client.post("/models/pets/archive", headers=AS_ADMIN), 409, "no-champion")
    deleted = await running.client.delete("/models/pets", headers=AS_ADMIN)
    assert deleted.json()["deleted"] == ["pets@1"]
    assert repository_of(running).families() == ["cnn", "shipped"]
    assert_problem(await running.client.get("/models/pets"), 404, "unknown-model")


async def test_archived_model_is_served_again_after_a_rollback(running: RunningApp) -> None:
    await running.client.post("/models/pets/archive", headers=AS_ADMIN)
    answer = await running.client.post("/models/pets/rollback", headers=AS_ADMIN)
    move = Move.model_validate_json(answer.content)
    assert (move.promotion.to_version, move.served, move.serving.served) == (1, True, 1)
    assert (await predicted(running, "?model=pets")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/models/cnn/versions/3"), ("DELETE", "/models/pets"), ("POST", "/models/pets/archive")],
)
async def test_scope_admin_and_a_valid_reason_are_needed(running: RunningApp, method: str, path: str) -> None:
    assert_problem(await running.client.request(method, path), 401, "key-required")
    refused = await running.client.request(method, path, headers={"x-api-key": JOBS})
    assert_problem(refused, 403, "scope-required")
    blank: dict[str, Any] = {"json": {"reason": " "}} if method == "POST" else {"params": {"reason": " "}}
    assert_problem(await running.client.request(method, path, headers=AS_ADMIN, **blank), 422, "invalid-parameters")
    assert history(repository_of(running)) == []


async def test_version_that_a_job_reads_is_not_deleted(home: Path, broker: Broker) -> None:
    settings = settings_for(home, api_keys=KEYS, redis_url=broker.url, deadline_seconds=60)
    async with running_app(settings) as app:
        body = {"versions": ["cnn@3"]}
        job = (await app.client.post("/evaluate", json=body, headers=AS_ADMIN)).json()["id"]
        problem = assert_problem(
            await app.client.delete("/models/cnn/versions/3", headers=AS_ADMIN), 409, "version-in-use"
        )
        assert problem["job"] == job
        await app.client.post(f"/jobs/{job}/cancel", headers=AS_ADMIN)
        assert JobStore.open(broker.url).get(job).finished
        assert (await app.client.delete("/models/cnn/versions/3", headers=AS_ADMIN)).status_code == 200
