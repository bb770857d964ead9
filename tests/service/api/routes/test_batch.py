"""POST /batch, and download and deletion of its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.jobs.batch_result import TableSummary
from service.jobs.batch.results import table_path, write_summary
from tests.support.broker import Broker
from tests.support.job_api import WITH_KEY, claimed, desk_of, job, job_app, messages, submitted, worker_report
from tests.support.labelled_folders import write_labelled_folder
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, set_champions

BATCH = {"data": "folder:pets"}
CSV = b"file,label\ngrass/0000,cat\n"


@pytest.fixture(autouse=True)
def pets(home: Path) -> Path:
    return write_labelled_folder(home, "pets", {"grass": 2, "snow": 1})


async def finished(app: RunningApp, home: Path, *models: str, **fields: Any) -> str:
    """Run a job as a worker does, with a table for each model."""
    job_id = await submitted(app, BATCH | {"models": models, **fields}, "/batch")
    token = claimed(app, job_id)
    table_format = fields.get("format", "csv")
    for model in models:
        table = table_path(home, job_id, model, table_format)
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_bytes(CSV + model.encode())
        write_summary(table, TableSummary(model=model, precision="fp32", predicted=1, unreadable=0, bytes=26))
    desk_of(app).store.finish(job_id, token, "succeeded", result={"tables": []})
    return job_id


async def test_batch_records_the_versions_and_sends_to_its_queue(jobs_app: RunningApp, broker: Broker) -> None:
    body = BATCH | {"models": ["cnn", "mlp@1", "cnn@1"], "precision": "fp32", "format": "jsonl"}
    record = await job(jobs_app, await submitted(jobs_app, body, "/batch"))
    assert (record["kind"], record["state"]) == ("batch", "queued")
    assert record["parameters"] == body | {"models": ["cnn@1", "mlp@1"]}
    assert (messages(broker, "batch"), messages(broker, "train")) == (1, 0)
    assert record["links"]["result"] is None
    listed = (await jobs_app.client.get("/jobs?kind=batch")).json()["jobs"]
    assert [each["id"] for each in listed] == [record["id"]]


async def test_repeated_key_returns_the_job_after_a_promotion(jobs_app: RunningApp, broker: Broker, home: Path) -> None:
    headers = {"idempotency-key": "once"}
    first = await submitted(jobs_app, BATCH, "/batch", **headers)
    set_champions(home / "models", mlp=1)
    assert await submitted(jobs_app, BATCH, "/batch", **headers) == first
    answer = await jobs_app.client.post("/batch", json=BATCH | {"format": "jsonl"}, headers=WITH_KEY | headers)
    assert_problem(answer, 422, "idempotency-key-reused")
    assert messages(broker, "batch") == 1


@pytest.mark.parametrize(
    ("body", "status", "slug", "parameter"),
    [
        ({"data": "cifar10"}, 422, "invalid-parameters", "data"),
        ({"data": "folder:../pets"}, 422, "invalid-parameters", "data"),
        ({"data": "folder:pets\n"}, 422, "invalid-parameters", "data"),
        ({"data": "folder:none"}, 422, "invalid-parameters", "data"),
        ({"data": "folder:empty"}, 422, "invalid-parameters", "data"),
        ({}, 422, "invalid-parameters", "data"),
        (BATCH | {"models": []}, 422, "invalid-parameters", "models"),
        (BATCH | {"models": "cnn"}, 422, "invalid-parameters", "models"),
        (BATCH | {"models": ["cnn", "cnn"]}, 422, "invalid-parameters", "models"),
        (BATCH | {"models": ["../cnn@1"]}, 422, "invalid-parameters", "models.0"),
        (BATCH | {"models": [f"cnn@{number}" for number in range(1, 10)]}, 422, "invalid-parameters", "models"),
        (BATCH | {"models": ["cnn@7"]}, 404, "unknown-version", None),
        (BATCH | {"models": ["vit"]}, 404, "unknown-model", None),
        (BATCH | {"precision": "int4"}, 422, "invalid-parameters", "precision"),
        (BATCH | {"precision": "int8"}, 404, "precision-not-published", None),
        (BATCH | {"format": "xlsx"}, 422, "invalid-parameters", "format"),
        (BATCH | {"threads": 3}, 422, "invalid-parameters", "threads"),
    ],
)
async def test_invalid_batch_is_refused(
    jobs_app: RunningApp,
    broker: Broker,
    home: Path,
    body: dict[str, Any],
    status: int,
    slug: str,
    parameter: str | None,
) -> None:
    (home / "datasets" / "empty" / "grass").mkdir(parents=True)
    problem = assert_problem(await jobs_app.client.post("/batch", json=body, headers=WITH_KEY), status, slug)
    assert parameter is None or problem["errors"][0]["parameter"] == parameter
    assert messages(broker, "batch") == 0


async def test_parquet_needs_pyarrow(jobs_app: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.batch.output.find_spec", lambda _: None)
    answer = await jobs_app.client.post("/batch", json=BATCH | {"format": "parquet"}, headers=WITH_KEY)
    assert "pip install pyarrow" in assert_problem(answer, 422, "invalid-parameters")["detail"]
    monkeypatch.setattr("core.batch.output.find_spec", lambda _: object())
    await submitted(jobs_app, BATCH | {"format": "parquet"}, "/batch")


async def test_changes_need_a_key(jobs_app: RunningApp, home: Path) -> None:
    assert_problem(await jobs_app.client.post("/batch", json=BATCH), 401, "key-required")
    job_id = await finished(jobs_app, home, "cnn@1")
    assert_problem(await jobs_app.client.delete(f"/jobs/{job_id}/result"), 401, "key-required")
    assert (await jobs_app.client.get(f"/jobs/{job_id}/result")).status_code == 200


async def test_workers_without_batch_jobs_accept_none(jobs_app: RunningApp) -> None:
    beats = desk_of(jobs_app).heartbeats
    beats.beat(worker_report("trainer", ready=False, queues=["batch"]))
    answer = await jobs_app.client.post("/batch", json=BATCH, headers=WITH_KEY)
    assert_problem(answer, 503, "training-not-ready")


@pytest.mark.parametrize(
    ("table_format", "media_type"),
    [
        ("csv", "text/csv; charset=utf-8"),
        ("jsonl", "application/jsonl; charset=utf-8"),
    ],
)
async def test_table_is_downloaded(jobs_app: RunningApp, home: Path, table_format: str, media_type: str) -> None:
    job_id = await finished(jobs_app, home, "cnn@1", format=table_format)
    path = (await job(jobs_app, job_id))["links"]["result"]
    assert path == f"/jobs/{job_id}/result"
    answer = await jobs_app.client.get(path)
    assert (answer.status_code, answer.content) == (200, CSV + b"cnn@1")
    assert answer.headers["content-type"] == media_type
    assert f"cnn%401.{table_format}" in answer.headers["content-disposition"]
    part = await jobs_app.client.get(path, headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"file")


async def test_one_of_several_tables_must_be_named(jobs_app: RunningApp, home: Path) -> None:
    path = f"/jobs/{await finished(jobs_app, home, 'cnn@1', 'mlp@1')}/result"
    assert (await jobs_app.client.get(path, params={"model": "mlp@1"})).content == CSV + b"mlp@1"
    for query in ({}, {"model": "cnn"}, {"model": "cnn@2"}, {"model": "../../cnn@1"}, {"table": "cnn@1"}):
        answer = await jobs_app.client.get(path, params=query)
        assert_problem(answer, 422, "invalid-parameters")


async def test_jobs_without_tables_say_why(jobs_app: RunningApp, home: Path) -> None:
    running = await submitted(jobs_app, BATCH, "/batch")
    claimed(jobs_app, running)
    train = await submitted(jobs_app)
    for job_id, reason in ((running, "is running"), (train, "is of kind train")):
        for method in ("GET", "DELETE"):
            answer = await jobs_app.client.request(method, f"/jobs/{job_id}/result", headers=WITH_KEY)
            assert reason in assert_problem(answer, 409, "no-job-result")["detail"]
    for unknown in ("0" * 32, ".."):
        answer = await jobs_app.client.request("GET", f"/jobs/{unknown}/result")
        assert answer.status_code == 404


async def test_deleted_tables_free_their_space(broker: Broker, home: Path) -> None:
    async with job_app(home, broker, max_results_bytes=1024) as app:
        job_id = await finished(app, home, "cnn@1")
        await submitted(app, BATCH, "/batch")
        table_path(home, job_id, "cnn@1", "csv").write_bytes(b"x" * 1024)
        answer = await app.client.post("/batch", json=BATCH, headers=WITH_KEY)
        problem = assert_problem(answer, 507, "results-full")
        assert problem["stored"] > problem["limit"] == 1024
        deleted = await app.client.delete(f"/jobs/{job_id}/result", headers=WITH_KEY)
        assert (deleted.status_code, deleted.json()["id"]) == (200, job_id)
        assert not table_path(home, job_id, "cnn@1", "csv").parent.exists()
        for method in ("GET", "DELETE"):
            answer = await app.client.request(method, f"/jobs/{job_id}/result", headers=WITH_KEY)
            assert "deleted" in assert_problem(answer, 409, "no-job-result")["detail"]
        await submitted(app, BATCH, "/batch")


async def test_version_of_a_batch_is_not_deleted(jobs_app: RunningApp, home: Path) -> None:
    job_id = await submitted(jobs_app, BATCH | {"models": ["cnn"]}, "/batch")
    set_champions(home / "models", mlp=1)
    answer = await jobs_app.client.delete("/models/cnn/versions/1", headers={"x-api-key": "a" * 16})
    assert job_id in assert_problem(answer, 409, "version-in-use")["detail"]
