"""Training runs from the command line, read from their folders."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from core.files.home import LOG_NAME, named_run
from core.jobs.run_folder import CHECKPOINT_NAME, DESCRIPTION_NAME, HISTORY_NAME, LOCK_NAME, PUBLISHED_NAME
from core.schemas.runs import RunDetail, RunList
from tests.support.problems import assert_problem
from tests.support.run_folders import write_history, write_run
from tests.support.service import RunningApp

JOB = "019a1b2c3d4e5f60718293a4b5c6d7e8"


async def listed(app: RunningApp) -> RunList:
    answer = await app.client.get("/runs")
    assert answer.status_code == 200, answer.text
    return RunList.model_validate_json(answer.content)


async def read(app: RunningApp, name: str) -> RunDetail:
    answer = await app.client.get(f"/runs/{name}")
    assert answer.status_code == 200, answer.text
    return RunDetail.model_validate_json(answer.content)


async def test_list_without_runs_is_empty(running: RunningApp) -> None:
    assert (await listed(running)).runs == ()


async def test_runs_are_listed_newest_first_without_jobs(running: RunningApp, home: Path) -> None:
    write_run(home, "older", [0.5], started_ago=timedelta(hours=2))
    write_run(home, "newer", [0.5, 0.6], started_ago=timedelta(hours=1))
    write_run(home, JOB, [0.5])
    named_run(home, "only-a-log").mkdir()
    (named_run(home, "only-a-log") / LOG_NAME).write_text("nothing")
    (named_run(home, "repeat.json")).write_text("{}")
    runs = (await listed(running)).runs
    assert [run.name for run in runs] == ["newer", "older"]
    assert (runs[0].recipe, runs[0].family, runs[0].data, runs[0].seed) == ("cnn_fast", "cnn", "cifar10", 3)
    assert (runs[0].epoch, runs[0].epochs, runs[0].accuracy) == (2, 4, 0.6)
    assert (await read(running, JOB)).history[0].validation_accuracy == 0.5


async def test_state_follows_lock_and_version(running: RunningApp, home: Path) -> None:
    folder = write_run(home, "mine", [0.5])
    assert ((await read(running, "mine")).state, (await read(running, "mine")).seconds_left) == ("interrupted", None)
    with FileLock(folder / LOCK_NAME):
        run = await read(running, "mine")
        assert (run.state, run.seconds_left) == ("running", 30.0)
    assert (await read(running, "mine")).state == "interrupted"
    (folder / PUBLISHED_NAME).write_text("cnn@1\n")
    run = await read(running, "mine")
    assert (run.state, run.published, run.seconds_left) == ("published", "cnn@1", None)


async def test_reading_a_run_leaves_its_lock_free(running: RunningApp, home: Path) -> None:
    folder = write_run(home, "mine", [])
    for _ in range(20):
        await read(running, "mine")
        with FileLock(folder / LOCK_NAME).acquire(timeout=0):
            pass


async def test_run_before_its_first_epoch_has_no_metrics(running: RunningApp, home: Path) -> None:
    folder = write_run(home, "mine", [])
    with FileLock(folder / LOCK_NAME):
        run = await read(running, "mine")
    assert (run.state, run.epoch, run.accuracy, run.seconds_left, run.history) == ("running", 0, None, None, ())


async def test_run_without_validation_shows_training_accuracy(running: RunningApp, home: Path) -> None:
    write_run(home, "mine", [0.5], validation=False)
    assert (await read(running, "mine")).accuracy == pytest.approx(0.52)


async def test_older_run_has_the_metrics_of_its_version(running: RunningApp, home: Path) -> None:
    write_history(home / "models" / "cnn" / "1", [0.5, 0.7])
    folder = named_run(home, "old")
    folder.mkdir(parents=True)
    (folder / PUBLISHED_NAME).write_text("cnn@1\n")
    run = await read(running, "old")
    assert (run.state, run.recipe, run.epoch, run.epochs, run.accuracy) == ("published", None, 2, 2, 0.7)
    (folder / PUBLISHED_NAME).write_text("cnn@9\n")  # deleted since
    assert (await read(running, "old")).history == ()
    (folder / PUBLISHED_NAME).unlink()
    (folder / CHECKPOINT_NAME).write_bytes(b"")
    run = await read(running, "old")
    assert (run.state, run.epochs, run.epoch) == ("interrupted", None, 0)


@pytest.mark.parametrize("content", ["", "{", '{"epoch": 1}\n', "not json\n"])
async def test_unreadable_files_are_not_trusted(running: RunningApp, home: Path, content: str) -> None:
    folder = write_run(home, "mine", [0.5])
    (folder / HISTORY_NAME).write_text(content)
    (folder / DESCRIPTION_NAME).write_text(content)
    run = await read(running, "mine")
    assert (run.recipe, run.history) == (None, ())
    assert [each.name for each in (await listed(running)).runs] == ["mine"]


@pytest.mark.parametrize("name", ["gone", ".hidden", "a%2fb", "x" * 101, "a%00b"])
async def test_unknown_and_invalid_names_are_not_found(running: RunningApp, home: Path, name: str) -> None:
    write_run(home, "mine", [0.5])
    answer = await running.client.get(f"/runs/{name}")
    assert answer.status_code in (404, 422), answer.text
    if name == "gone":
        assert "GET /runs" in assert_problem(answer, 404, "unknown-run")["detail"]
