from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import JobNotFoundError
from core.files.home import LOG_NAME, named_run
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.jobs.records import FinalState
from core.repository.repository import ModelRepository
from service.jobs.batch.results import results_folder, table_path
from service.jobs.maintenance.retention import Retention
from service.jobs.store.keys import FINISHED
from service.jobs.store.store import JobStore
from service.settings import Settings
from tests.support.jobs import running, submit
from tests.support.versions import go_to, make_repository, write_version

DAY_S = 86_400


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1 is shipped, cnn@2 to cnn@7 are in the home layer; cnn@3 is champion."""
    repository = make_repository(tmp_path)
    for version in (5, 6, 7):
        write_version(repository.home_models / "cnn" / str(version), "cnn", version)
    go_to(repository, 3)
    return repository


def clean_up(store: JobStore, repository: ModelRepository, **fields: Any) -> None:
    settings = Settings(home=repository.home_models.parent, **fields)
    retention = Retention(store, repository, settings, every_seconds=0.001)
    time.sleep(0.01)
    retention.run_once()


def run_folder(repository: ModelRepository, name: str) -> Path:
    folder = named_run(repository.home_models.parent, name)
    folder.mkdir(parents=True)
    for file in (LOG_NAME, "checkpoint.pt", "history.jsonl", "published", "run.json"):
        (folder / file).write_text(file)
    return folder


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ended(store: JobStore, repository: ModelRepository, state: FinalState, *, days_ago: float) -> tuple[str, Path]:
    claim = running(store)
    store.finish(claim.record.id, claim.token, state)
    before = (time.time() - days_ago * DAY_S) * 1000
    assert store.client.zadd(FINISHED, {claim.record.id: before}, xx=True, ch=True) == 1
    return claim.record.id, run_folder(repository, claim.record.id)


def test_retention_removes_old_jobs_and_their_folders(store: JobStore, repository: ModelRepository) -> None:
    old = [ended(store, repository, state, days_ago=31) for state in ("succeeded", "failed", "cancelled")]
    young = ended(store, repository, "failed", days_ago=29)
    live = running(store).record.id
    waits = submit(store).id
    clean_up(store, repository)
    for job_id, folder in old:
        with pytest.raises(JobNotFoundError):
            store.get(job_id)
        assert not folder.exists()
    assert left_in(young[1]) == ["checkpoint.pt", "history.jsonl", LOG_NAME, "published", "run.json"]
    assert {record.id for record in store.list().records} == {young[0], live, waits}


def test_retention_keeps_the_log_of_a_succeeded_job(
    store: JobStore, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    week_old = {state: ended(store, repository, state, days_ago=8)[1] for state in ("succeeded", "failed", "cancelled")}
    fresh = ended(store, repository, "succeeded", days_ago=6)[1]
    clean_up(store, repository)
    everything = ["checkpoint.pt", "history.jsonl", LOG_NAME, "published", "run.json"]
    assert {state: left_in(folder) for state, folder in week_old.items()} == {
        "succeeded": ["history.jsonl", LOG_NAME, "run.json"],
        "failed": everything,  # it can still be tried again
        "cancelled": everything,
    }
    assert left_in(fresh) == everything
    monkeypatch.setattr("service.jobs.maintenance.retention.CHECKPOINT_RETENTION_SECONDS", 5 * 86_400)
    clean_up(store, repository)
    assert left_in(fresh) == ["history.jsonl", LOG_NAME, "run.json"]


def test_retention_keeps_predictions_until_the_job_is_removed(store: JobStore, repository: ModelRepository) -> None:
    home = repository.home_models.parent
    kept, old = (ended(store, repository, "succeeded", days_ago=days)[0] for days in (8, 31))
    for job_id in (kept, old):
        results_folder(home, job_id).mkdir()
        table_path(home, job_id, "cnn@1", "csv").write_text("file")
    clean_up(store, repository)
    assert table_path(home, kept, "cnn@1", "csv").read_text() == "file"
    assert not (named_run(home, kept) / "checkpoint.pt").exists()
    assert not results_folder(home, old).exists()


def test_retention_removes_old_orphans_only(store: JobStore, repository: ModelRepository) -> None:
    by_hand = run_folder(repository, "cnn_baseline-seed0")
    orphan = run_folder(repository, "0" * 32)
    young_orphan = run_folder(repository, "1" * 32)
    live = run_folder(repository, submit(store).id)
    for folder in (by_hand, orphan, live):
        for path in (*folder.iterdir(), folder):
            os.utime(path, (1, 1))
    clean_up(store, repository)
    assert [folder.exists() for folder in (by_hand, orphan, young_orphan, live)] == [True, False, True, True]


def test_retention_prunes_versions_only_if_configured(store: JobStore, repository: ModelRepository) -> None:
    clean_up(store, repository)
    assert repository.versions("cnn") == [1, 2, 3, 4, 5, 6, 7]
    clean_up(store, repository, keep_unpromoted_versions=1)
    assert repository.versions("cnn") == [1, 3, 7]


def test_retention_keeps_versions_that_live_jobs_read(store: JobStore, repository: ModelRepository) -> None:
    for kind, parameters in (
        ("train", TrainParameters(recipe="cnn_baseline", init_from="cnn@2")),
        ("train", TrainParameters(recipe="cnn_baseline", overrides={"init_from": "cnn@4"})),
        ("train", TrainParameters(recipe="mlp_best", overrides={"distillation.teacher": "cnn@7+cnn@6"})),
        ("train", TrainParameters(recipe="mlp_best")),
        ("evaluate", EvaluateParameters(versions=("cnn@5", "mlp@1"))),
    ):
        store.create(kind, parameters, request_id="r", traceparent=None)  # type: ignore[arg-type]
    clean_up(store, repository, keep_unpromoted_versions=1)
    assert repository.versions("cnn") == [1, 2, 3, 4, 5, 6, 7]


def test_retention_runs_once_an_hour(store: JobStore, repository: ModelRepository) -> None:
    settings = Settings(home=repository.home_models.parent)
    Retention(store, repository, settings).run_once()
    _, folder = ended(store, repository, "succeeded", days_ago=31)
    Retention(store, repository, settings).run_once()
    assert folder.exists()
    clean_up_key = store.client.keys("duet:leader:retention")
    assert 0 < store.client.pttl(clean_up_key[0]) <= 3_600_000
    store.client.delete(*clean_up_key)
    Retention(store, repository, settings).run_once()
    assert not folder.exists()
