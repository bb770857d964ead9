"""Processes of batch predictions, with the test in the role of the worker; killed, cancelled and refused."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from core.batch.journal import Journal
from core.jobs.child import ExitStatus
from core.jobs.events import Cancel, Failed, Note, Permit, Progress, Result, Stage
from service.jobs.batch.results import read_summary, results_folder, table_path
from tests.support.job_workers import PATIENCE_S, WorkerEnd, job_process
from tests.support.onnx_models import CLASSES, brightness_of, gray_png, write_onnx_version
from tests.support.service import set_champions

pytestmark = pytest.mark.slow
JOB = "0" * 32


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two versions, the second with inverted labels, and a data set with files that are not images."""
    home = tmp_path / "home"
    write_onnx_version(home / "models" / "cnn" / "1", int8=True)
    write_onnx_version(home / "models" / "cnn" / "2", version=2, inverted=True)
    set_champions(home / "models", cnn=1)
    folder = home / "datasets" / "grays"
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        (folder / label / "a, ü\n.png").write_bytes(gray_png(brightness_of(label)))
    (folder / CLASSES[0] / "notes.txt").write_text("no image")
    (folder / CLASSES[0] / "cut.png").write_bytes(gray_png(0)[:45])
    (folder / CLASSES[0] / "link.png").symlink_to("/etc/hostname")
    Path(os.fsdecode(os.fsencode(folder / CLASSES[1]) + b"/\xff.png")).write_bytes(gray_png(0)[:45])
    os.mkfifo(folder / CLASSES[1] / "pipe.png")
    return home


def batch(home: Path, environment: dict[str, str] | None = None, **fields: Any) -> AbstractContextManager[WorkerEnd]:
    parameters = json.dumps({"data": "folder:grays", "models": ["cnn@1"], **fields})
    return job_process(Path(sys.executable), JOB, "batch", parameters, home, environment or {})


def rows(home: Path, model: str = "cnn@1") -> list[dict[str, str]]:
    with table_path(home, JOB, model, "csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def of(worker: WorkerEnd, kind: type[Any]) -> list[Any]:
    return [message for message in worker.received if isinstance(message, kind)]


def many(home: Path, count: int) -> None:
    """Make a data set that takes some seconds."""
    folder = home / "datasets" / "grays" / CLASSES[0]
    for number in range(count):
        (folder / f"{number:05}.png").write_bytes(gray_png(number % 256))


def finished_rows(home: Path) -> int:
    path = Journal(table_path(home, JOB, "cnn@1", "csv")).path
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_each_model_gets_a_table_with_a_row_for_each_file(home: Path) -> None:
    with batch(home, models=["cnn@1", "cnn@2"]) as worker:
        assert worker.until_end() == ExitStatus.DONE, of(worker, Failed)
    first, second = rows(home, "cnn@1"), rows(home, "cnn@2")
    names = [row["file"] for row in first]
    assert names == sorted(names) == [row["file"] for row in second]
    images = {f"{label}/a, ü\n.png": label for label in CLASSES}
    unreadable = {f"{CLASSES[0]}/cut.png", f"{CLASSES[0]}/notes.txt", rf"{CLASSES[1]}/\xff.png"}
    assert set(names) == images.keys() | unreadable  # a link and a pipe are no files of the data set
    assert {row["file"]: row["label"] for row in first if not row["error"]} == images
    inverted = dict(zip(CLASSES, reversed(CLASSES), strict=True))
    assert all(row["label"] == inverted[images[row["file"]]] for row in second if not row["error"])
    assert {row["file"] for row in first if row["error"]} == unreadable
    [result] = of(worker, Result)
    sizes = [table_path(home, JOB, model, "csv").stat().st_size for model in ("cnn@1", "cnn@2")]
    assert result.result == {
        "data": "folder:grays",
        "images": 8,
        "format": "csv",
        "tables": [
            {"model": model, "precision": "fp32", "predicted": 5, "unreadable": 3, "bytes": size}
            for model, size in zip(("cnn@1", "cnn@2"), sizes, strict=True)
        ],
    }
    assert [stage.name for stage in of(worker, Stage)] == ["predict with cnn@1", "predict with cnn@2"]
    steps = [(event.step, event.steps) for event in of(worker, Progress)]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == ((0, 16), (16, 16))
    assert not list(results_folder(home, JOB).glob("*.partial*"))


@pytest.mark.parametrize("table_format", ["jsonl", "parquet"])
def test_precision_and_format_are_used(home: Path, table_format: str) -> None:
    if table_format == "parquet":
        pytest.importorskip("pyarrow")
    with batch(home, precision="int8", format=table_format) as worker:
        assert worker.until_end() == ExitStatus.DONE, of(worker, Failed)
    [result] = of(worker, Result)
    assert result.result["tables"][0]["precision"] == "int8"
    content = (results_folder(home, JOB) / f"cnn@1.{table_format}").read_bytes()
    if table_format == "jsonl":
        assert len([json.loads(line) for line in content.splitlines()]) == 8
    else:
        assert content.startswith(b"PAR1")


def test_killed_job_resumes_with_one_row_for_each_file(home: Path) -> None:
    many(home, 900)
    done = 0
    for _ in range(2):
        with batch(home, {"OMP_NUM_THREADS": "1"}) as worker:
            until(lambda before=done: finished_rows(home) > before)
            os.kill(worker.child.pid, signal.SIGKILL)
            assert worker.end() == -signal.SIGKILL
        done = finished_rows(home)
        assert 0 < done < 908
        assert read_summary(table_path(home, JOB, "cnn@1", "csv")) is None
    with batch(home) as worker:
        assert worker.until_end() == ExitStatus.DONE, of(worker, Failed)
    assert of(worker, Progress)[0].step == done
    names = [row["file"] for row in rows(home)]
    assert len(names) == len(set(names)) == 908
    predicted = [row for row in rows(home) if row["file"][-9:-4].isdecimal()]
    assert all(row["label"] == CLASSES[round(int(row["file"][-9:-4]) % 256 / 63.75)] for row in predicted)


def test_refused_attempt_writes_no_table_and_the_next_one_completes(home: Path) -> None:
    with batch(home) as worker:
        assert worker.until_end(grant=False) == ExitStatus.NOT_PERMITTED
    assert not table_path(home, JOB, "cnn@1", "csv").exists()
    with batch(home) as worker:
        assert worker.until_end() == ExitStatus.DONE
    assert of(worker, Progress)[0].step == 8
    assert len(rows(home)) == 8


def test_complete_tables_are_not_written_again(home: Path) -> None:
    with batch(home, models=["cnn@1", "cnn@2"]) as worker:
        for message in worker.messages():
            if isinstance(message, Permit) and message.number == 2:
                os.kill(worker.child.pid, signal.SIGKILL)
                break
        assert worker.end() == -signal.SIGKILL
    first = table_path(home, JOB, "cnn@1", "csv")
    written = first.stat().st_mtime_ns
    with batch(home, models=["cnn@1", "cnn@2"]) as worker:
        assert worker.until_end() == ExitStatus.DONE
    assert first.stat().st_mtime_ns == written
    assert [stage.name for stage in of(worker, Stage)] == ["predict with cnn@2"]
    assert [table["unreadable"] for table in of(worker, Result)[0].result["tables"]] == [3, 3]


def test_attempt_waits_for_the_journal_of_an_older_one(home: Path) -> None:
    table = table_path(home, JOB, "cnn@1", "csv")
    table.parent.mkdir(parents=True)
    journal = Journal(table)
    held = journal.__enter__()
    with batch(home) as worker:
        for message in worker.messages():
            if isinstance(message, Note):
                assert "waiting for an earlier attempt" in message.text
                held.__exit__(None, None, None)
        assert worker.end() == ExitStatus.DONE
    assert len(of(worker, Note)) == 1


def test_cancelled_job_keeps_its_rows(home: Path) -> None:
    many(home, 900)
    with batch(home) as worker:
        until(lambda: finished_rows(home) > 0)
        worker.child.send(Cancel())
        assert worker.until_end() == ExitStatus.CANCELLED
    assert 0 < finished_rows(home) < 908


@pytest.mark.parametrize(
    ("environment", "fields", "message"),
    [
        ({"DUET_MAX_RESULTS_BYTES": "1024"}, {}, "more than DUET_MAX_RESULTS_BYTES"),
        ({}, {"data": "folder:none"}, "none"),
        ({}, {"models": ["cnn@7"]}, "unknown version 7 of cnn"),
        ({}, {"models": ["cnn@2"], "precision": "int8"}, "cnn@2 cannot be run in int8"),
    ],
)
def test_job_that_cannot_run_fails_with_a_reason(
    home: Path, environment: dict[str, str], fields: dict[str, Any], message: str
) -> None:
    with batch(home, environment, **fields) as worker:
        assert worker.until_end() == ExitStatus.FAILED
    [failed] = of(worker, Failed)
    assert message in failed.message
    assert "unexpected error" not in failed.message
