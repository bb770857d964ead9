"""Jobs without CIFAR-10, and its download as a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.images.cifar_files import FOLDER_NAME, download_folder
from core.jobs.records import JobFailure
from core.schemas.datasets import BuiltinDataset
from core.schemas.jobs import JobAccepted
from tests.support.broker import Broker
from tests.support.job_api import (
    TRAIN,
    WITH_KEY,
    claimed,
    desk_of,
    empty_cifar,
    job,
    job_app,
    messages,
    submitted,
    worker_report,
)
from tests.support.labelled_folders import write_labelled_folder
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for

DOWNLOAD = "/datasets/cifar10/download"


@pytest.fixture
async def bare_app(home: Path, broker: Broker) -> AsyncIterator[RunningApp]:
    """The app without CIFAR-10."""
    async with job_app(home, broker, data_dir=home / "nothing") as app:
        yield app


async def available(app: RunningApp) -> bool:
    answer = await app.client.get("/datasets/cifar10")
    assert answer.status_code == 200, answer.text
    return BuiltinDataset.model_validate_json(answer.content).available


@pytest.mark.parametrize(
    ("path", "body"), [("/train", TRAIN), ("/evaluate", {}), ("/evaluate", {"versions": ["cnn@1"]})]
)
async def test_job_without_dataset_is_refused_with_advice(
    bare_app: RunningApp, broker: Broker, path: str, body: dict[str, Any]
) -> None:
    problem = assert_problem(await bare_app.client.post(path, json=body, headers=WITH_KEY), 409, "dataset-missing")
    assert "POST /datasets/cifar10/download" in problem["detail"]
    assert "DUET_DATA_DIR" in problem["detail"]
    assert (problem["data"], problem["download"]) == ("cifar10", DOWNLOAD)
    assert (await bare_app.client.get("/jobs")).json()["jobs"] == []
    assert messages(broker, "train") == messages(broker, "evaluate") == 0
    assert not await available(bare_app)
    empty_cifar(download_folder(bare_app.state["settings"].home) / FOLDER_NAME)
    assert await available(bare_app)
    await submitted(bare_app, body, path)


async def test_paths_use_the_root_path(home: Path, broker: Broker) -> None:
    async with job_app(home, broker, data_dir=home / "nothing", root_path="/duet") as app:
        found = (await app.client.get("/duet/datasets/cifar10")).json()
        answer = await app.client.post("/duet/train", json=TRAIN, headers=WITH_KEY)
        assert found["download"] == assert_problem(answer, 409, "dataset-missing")["download"] == f"/duet{DOWNLOAD}"
        started = await app.client.post(found["download"], headers=WITH_KEY)
        assert started.headers["location"] == f"/duet/jobs/{started.json()['id']}"


async def test_wrong_parameters_are_reported_before_missing_data(bare_app: RunningApp) -> None:
    answer = await bare_app.client.post("/train", json=TRAIN | {"recipe": "vit"}, headers=WITH_KEY)
    assert_problem(answer, 422, "invalid-parameters")


async def test_own_images_need_no_cifar10(bare_app: RunningApp, home: Path) -> None:
    write_labelled_folder(home, "colors", {"sand": 8, "snow": 8})
    await submitted(bare_app, TRAIN | {"data": "folder:colors", "family": "colors"})


async def test_dataset_of_a_remote_worker_counts(bare_app: RunningApp) -> None:
    heartbeats = desk_of(bare_app).heartbeats
    heartbeats.beat(worker_report("without", ready=True, cifar10=False))
    assert not await available(bare_app)
    heartbeats.beat(worker_report("with", ready=True, cifar10=True))
    assert await available(bare_app)
    await submitted(bare_app)


async def test_retry_without_dataset_is_refused(bare_app: RunningApp) -> None:
    heartbeats = desk_of(bare_app).heartbeats
    heartbeats.beat(worker_report("with", ready=True))
    job_id = await submitted(bare_app)
    token = claimed(bare_app, job_id)
    desk_of(bare_app).store.finish(job_id, token, "failed", error=JobFailure(type="DataError", message="gone"))
    heartbeats.gone("with")
    answer = await bare_app.client.post(f"/jobs/{job_id}/retry", headers=WITH_KEY)
    assert_problem(answer, 409, "dataset-missing")
    assert (await job(bare_app, job_id))["state"] == "failed"


async def test_repeated_download_is_one_job(bare_app: RunningApp, broker: Broker) -> None:
    first = await bare_app.client.post(DOWNLOAD, headers=WITH_KEY)
    assert first.status_code == 202, first.text
    accepted = JobAccepted.model_validate_json(first.content)
    assert first.headers["location"] == accepted.links.job
    assert (accepted.kind, accepted.parameters) == ("download", {"data": "cifar10"})
    assert messages(broker, "download") == 1
    assert (await bare_app.client.post(DOWNLOAD, headers=WITH_KEY)).json() == first.json()
    token = claimed(bare_app, accepted.id)
    assert (await bare_app.client.post(DOWNLOAD, headers=WITH_KEY)).json() == first.json()
    assert messages(broker, "download") == 1
    listed = (await bare_app.client.get("/jobs", params={"kind": "download"})).json()["jobs"]
    assert [each["id"] for each in listed] == [accepted.id]
    desk_of(bare_app).store.finish(accepted.id, token, "failed", error=JobFailure(type="DataError", message="offline"))
    retried = await bare_app.client.post(f"/jobs/{accepted.id}/retry", headers=WITH_KEY)
    assert retried.status_code == 202, retried.text
    desk_of(bare_app).store.request_cancel(accepted.id)
    assert (await bare_app.client.post(DOWNLOAD, headers=WITH_KEY)).json()["id"] != accepted.id


async def test_download_needs_a_key_and_a_ready_worker(bare_app: RunningApp) -> None:
    assert_problem(await bare_app.client.post(DOWNLOAD), 401, "key-required")
    desk_of(bare_app).heartbeats.beat(worker_report("busy", ready=False))
    assert_problem(await bare_app.client.post(DOWNLOAD, headers=WITH_KEY), 503, "training-not-ready")


async def test_dataset_is_described_without_jobs(home: Path) -> None:
    async with running_app(settings_for(home, data_dir=home / "nothing")) as app:
        assert not await available(app)
    async with running_app(settings_for(home, data_dir=empty_cifar(home / "cifar"))) as app:
        assert await available(app)


async def test_built_in_dataset_refuses_other_methods(bare_app: RunningApp) -> None:
    answer = await bare_app.client.post("/datasets/cifar10", content=b"", headers=WITH_KEY)
    assert_problem(answer, 422, "invalid-parameters")
    answer = await bare_app.client.delete("/datasets/cifar10", headers=WITH_KEY)
    assert_problem(answer, 422, "invalid-parameters")
