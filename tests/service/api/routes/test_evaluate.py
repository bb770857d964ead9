from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.job_api import WITH_KEY, job, messages, submitted
from tests.support.labelled_folders import write_labelled_folder
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, set_champions
from tests.support.versions import write_version


@pytest.mark.parametrize("body", [{}, {"versions": ["cnn@1", "mlp@1"]}])
async def test_evaluate_records_and_sends_to_its_queue(
    jobs_app: RunningApp, broker: Broker, body: dict[str, Any]
) -> None:
    record = await job(jobs_app, await submitted(jobs_app, body, "/evaluate"))
    assert (record["kind"], record["state"]) == ("evaluate", "queued")
    assert record["parameters"] == {"versions": [], "data": "cifar10"} | body
    assert (messages(broker, "evaluate"), messages(broker, "train")) == (1, 0)


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"versions": ["cnn"]}, 422, "invalid-parameters"),
        ({"versions": "cnn@1"}, 422, "invalid-parameters"),
        ({"versions": ["cnn@1"] * 101}, 422, "invalid-parameters"),
        ({"versions": ["cnn@1", "cnn@7"]}, 404, "unknown-version"),
        ({"versions": ["vit@1"]}, 404, "unknown-model"),
        ({"data": "folder:pets"}, 422, "invalid-parameters"),
        ({"recipe": "mlp_baseline"}, 422, "invalid-parameters"),
    ],
)
async def test_invalid_evaluation_is_refused(
    jobs_app: RunningApp, broker: Broker, body: dict[str, Any], status: int, slug: str
) -> None:
    assert_problem(await jobs_app.client.post("/evaluate", json=body, headers=WITH_KEY), status, slug)
    assert messages(broker, "evaluate") == 0


async def test_dataset_of_other_classes_is_refused(jobs_app: RunningApp, broker: Broker, home: Path) -> None:
    write_labelled_folder(home, "pets", {"grass": 4, "snow": 4})
    write_version(home / "models" / "cnn" / "5", "cnn", 5, class_names=("grass", "snow"))
    body = {"data": "folder:pets", "versions": ["cnn@5", "cnn@1"]}
    answer = await jobs_app.client.post("/evaluate", json=body, headers=WITH_KEY)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert problem["errors"][0]["parameter"] == "versions"
    assert "cnn@1 has other classes" in problem["detail"]
    assert messages(broker, "evaluate") == 0
    await submitted(jobs_app, body | {"versions": ["cnn@5"]}, "/evaluate")


async def test_evaluate_without_champions_needs_versions(jobs_app: RunningApp, home: Path) -> None:
    set_champions(home / "models")
    answer = await jobs_app.client.post("/evaluate", json={}, headers=WITH_KEY)
    assert "no champion" in assert_problem(answer, 422, "invalid-parameters")["detail"]


async def test_evaluate_needs_a_key(jobs_app: RunningApp) -> None:
    assert_problem(await jobs_app.client.post("/evaluate", json={}), 401, "key-required")
