"""Batch prediction with real workers and the real job process, killed by SIGKILL."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.batch.journal import Journal
from core.jobs.parameters import BatchParameters
from service.jobs.batch.results import table_path
from tests.support.broker import Broker
from tests.support.children import processes_of
from tests.support.job_children import STEPS, double
from tests.support.job_workers import Jobs, Worker, workers
from tests.support.onnx_models import gray_png, write_onnx_version

pytestmark = pytest.mark.slow
Start = Callable[..., Worker]
FILES = 3000


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Start]:
    home = tmp_path / "home"
    write_onnx_version(home / "models" / "cnn" / "1")
    folder = home / "datasets" / "grays" / "any"
    folder.mkdir(parents=True)
    for number in range(FILES):
        (folder / f"{number:05}.png").write_bytes(gray_png(number % 256))
    with workers(broker, tmp_path, double(tmp_path / "python", STEPS)) as start:
        yield start


@pytest.mark.full
def test_killed_worker_resumes_the_job_without_a_row_twice(broker: Broker, start: Start, tmp_path: Path) -> None:
    jobs, home = Jobs(broker), tmp_path / "home"
    job = jobs.submit(BatchParameters(data="folder:grays", models=("cnn@1",)))
    table = table_path(home, job, "cnn@1", "csv")
    journal = Journal(table).path

    def rows() -> int:
        return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0

    first = start()
    jobs.until(lambda: rows() > 0)
    first.kill()
    jobs.until(lambda: processes_of(job) == [])
    after_worker = rows()
    assert 0 < after_worker < FILES
    assert not table.exists()

    start()
    jobs.until(lambda: rows() > after_worker)
    for child in processes_of(job):
        os.kill(child, signal.SIGKILL)
    record = jobs.wait(job)
    assert (record.state, record.attempt) == ("succeeded", 3), record
    assert record.progress is not None
    assert (record.progress.step, record.progress.steps) == (FILES, FILES)
    assert record.result is not None
    assert record.result["tables"] == [
        {"model": "cnn@1", "precision": "fp32", "predicted": FILES, "unreadable": 0, "bytes": table.stat().st_size}
    ]
    with table.open(encoding="utf-8", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    assert names == [f"any/{number:05}.png" for number in range(FILES)]
    assert not journal.exists()
    jobs.store.client.close()
