"""Job processes (`python -m training job`), with the test in the role of the worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from core.errors import DataError
from core.jobs.child import ExitStatus
from core.jobs.events import Cancel, Epoch, Failed, FitStarted, Note, Permit, Progress, Published, Result, Stage
from core.jobs.parameters import EvaluateParameters
from core.jobs.worker_channel import WorkerChannel
from core.repository.evaluation import list_records
from core.repository.repository import ModelRepository
from tests.support.children import group_of
from tests.support.job_children import ROOT, child_doing, real_child
from tests.support.job_workers import PATIENCE_S, WorkerEnd, job_process
from training.jobs.evaluate import evaluate
from training.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow
SMALL = {"network.hidden": [16], "batch_size": 50, "precision": "float32", "epochs": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    real_child(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def parameters(**fields: Any) -> str:
    overrides = SMALL | fields.pop("overrides", {})
    return json.dumps({"recipe": "mlp_baseline", "overrides": overrides, **fields})


def training(data: Path, home: Path, job: str = "a", **fields: Any) -> Any:
    return job_process(data / "python", job, "train", parameters(**fields), home, {"DUET_DATA_DIR": str(data)})


def weights(home: Path, reference: str) -> str:
    repository = ModelRepository(home / "models", home / "none")
    return repository.verify(*repository.resolve(reference)).files["weights.safetensors"].sha256


def of(worker: WorkerEnd, kind: type[Any]) -> list[Any]:
    return [message for message in worker.received if isinstance(message, kind)]


@pytest.fixture(scope="module")
def published(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WorkerEnd]:
    """A home with the version of an uninterrupted training job, and its events."""
    home = tmp_path_factory.mktemp("published") / "home"
    with training(data, home) as worker:
        assert worker.until_end() == ExitStatus.DONE
    return home, worker


def test_training_job_sends_events_and_publishes(published: tuple[Path, WorkerEnd]) -> None:
    home, worker = published
    kinds = [type(message) for message in worker.received]
    assert kinds[0] is Stage
    assert of(worker, FitStarted)[0].steps == 12
    assert [epoch.epoch for epoch in of(worker, Epoch)] == [1, 2, 3]
    assert [(permit.number, permit.action) for permit in of(worker, Permit)] == [
        (1, "checkpoint"), (2, "checkpoint"), (3, "checkpoint"), (4, "publish"),
    ]  # fmt: skip
    assert of(worker, Progress)[-1].seconds_left == 0.0
    assert kinds[-2:] == [Published, Result]
    manifest = ModelRepository(home / "models", home / "none").verify("mlp", 1)
    assert of(worker, Result)[0].result == {
        "reference": "mlp@1", "family": "mlp", "version": 1, "test_accuracy": manifest.metrics.test_accuracy,
        "test_images": manifest.data.counts["test"],
    }  # fmt: skip


@pytest.mark.full
def test_attempt_after_publishing_only_reports_the_result(data: Path, published: tuple[Path, WorkerEnd]) -> None:
    home, _ = published
    with training(data, home) as worker:
        assert worker.until_end() == ExitStatus.DONE
    assert [type(message) for message in worker.received] == [Published, Result]
    assert of(worker, Published)[0].reference == "mlp@1"
    assert ModelRepository(home / "models", home / "none").versions("mlp") == [1]


@pytest.mark.full
def test_killed_training_resumes_to_the_same_weights(data: Path, home: Path, published: tuple[Path, WorkerEnd]) -> None:
    with training(data, home) as worker:
        for message in worker.messages():
            if isinstance(message, Epoch) and message.epoch == 2:
                os.kill(worker.child.pid, signal.SIGKILL)
        assert worker.end() == -signal.SIGKILL
    with training(data, home) as worker:
        assert worker.until_end() == ExitStatus.DONE
    assert of(worker, FitStarted)[0].done >= 8
    assert weights(home, "mlp@1") == weights(published[0], "mlp@1")


@pytest.mark.full
def test_cancelled_job_keeps_its_checkpoint(data: Path, home: Path) -> None:
    with training(data, home, overrides={"epochs": 2000}) as worker:
        for message in worker.messages():
            if isinstance(message, Epoch) and message.epoch == 2:
                worker.child.send(Cancel())
        assert worker.end() == ExitStatus.CANCELLED
    assert len(load_checkpoint(home / "runs" / "a").history) == of(worker, Epoch)[-1].epoch
    assert not (home / "models" / "mlp" / "1").exists()


def test_sigterm_cancels_the_job(tmp_path: Path, home: Path) -> None:
    before = """
        import time
        from core.jobs.events import Note
        def run(job, line):
            line.send(Note(text="busy"))
            try:
                time.sleep(600)
            except Exception:
                pass
    """
    with job_process(child_doing(tmp_path / "python", before), "a", "train", parameters(), home, {}) as worker:
        for _ in worker.messages():
            worker.child.signal(signal.SIGTERM)
        assert worker.end() == ExitStatus.CANCELLED


def test_user_error_is_sent_as_a_message(data: Path, home: Path) -> None:
    with job_process(data / "python", "a", "train", parameters(recipe="nothing"), home, {}) as worker:
        assert worker.until_end() == ExitStatus.FAILED
    (failed,) = of(worker, Failed)
    assert failed.error == "ConfigurationError"
    assert failed.message.startswith("unknown recipe 'nothing'")
    assert "Traceback" in (home / "log.txt").read_text()


def test_unexpected_error_points_to_the_log(tmp_path: Path, home: Path) -> None:
    python = child_doing(tmp_path / "python", "def run(job, line): 1 / 0")
    with job_process(python, "a", "train", parameters(), home, {}) as worker:
        assert worker.until_end() == ExitStatus.FAILED
    (failed,) = of(worker, Failed)
    assert failed.error == "ZeroDivisionError"
    assert "see the traceback in the job's log" in failed.message


@pytest.mark.full
def test_evaluation_job_writes_records(data: Path, published: tuple[Path, WorkerEnd]) -> None:
    home, _ = published
    folder = home / "models" / "mlp" / "1"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    environment = {"DUET_DATA_DIR": str(data)}
    with job_process(data / "python", "e", "evaluate", '{"versions": ["mlp@1"]}', home, environment) as worker:
        assert worker.until_end() == ExitStatus.DONE
    (record,) = list_records(home, "mlp", 1)
    assert (record.job, record.data, record.differences) == ("e", "cifar10", ())
    result = of(worker, Result)[0].result
    assert result["evaluations"][0]["reference"] == "mlp@1"
    assert result["evaluations"][0]["reproduced"] is True
    assert result["evaluations"][0]["images"] == record.evaluation.data.images
    assert result["evaluations"][0]["accuracy"]["fp32"] == record.evaluation.scores["fp32"].accuracy.value
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    with job_process(data / "python", "f", "evaluate", '{"versions": ["mlp@1"]}', home, environment) as worker:
        assert worker.until_end(grant=False) == ExitStatus.NOT_PERMITTED
    assert [each.job for each in list_records(home, "mlp", 1)] == ["e"]


def test_evaluation_without_champions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "none"))
    with pytest.raises(DataError, match="has a champion to evaluate"):
        evaluate("a", EvaluateParameters(), tmp_path, WorkerChannel(events=-1, answers=-1), threads=1)


@pytest.mark.full
def test_attempt_waits_for_the_lock_of_an_older_one(data: Path, home: Path) -> None:
    with training(data, home, overrides={"epochs": 2000}) as old:
        for message in old.messages():
            if isinstance(message, Epoch):
                break
        with training(data, home, overrides={"epochs": 2000}) as new:
            for message in new.messages():
                if isinstance(message, Note) and message.text.startswith("waiting for an earlier attempt"):
                    assert old.child.close() == -signal.SIGKILL
                if isinstance(message, Epoch):
                    break
    assert of(new, FitStarted), (new.received, (home / "log.txt").read_text())
    assert of(new, FitStarted)[0].done >= 4


_WORKER = """
import os, sys, time
from pathlib import Path
from tests.support.job_workers import job_process
with job_process(Path(sys.argv[1]), "a", "train", sys.argv[2], Path(sys.argv[3]), {}) as worker:
    print(worker.child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("deaf", [False, True], ids=["by the kernel", "by the end of the pipe"])
def test_child_dies_with_its_worker(deaf: bool, tmp_path: Path, home: Path) -> None:
    """The child kills its own children too, because it leads a process group."""
    before = f"""
        import subprocess, time
        from core.jobs import worker_channel
        if {deaf}:
            worker_channel.ctypes.CDLL = None
            worker_channel.sys = type("Sys", (), {{"platform": "elsewhere"}})
        def run(job, line):
            subprocess.Popen(["sleep", "600"])
            print("up", flush=True)
            time.sleep(600)
    """
    python = child_doing(tmp_path / "python", before)
    worker = subprocess.Popen(
        [sys.executable, "-c", dedent(_WORKER), str(python), parameters(), str(home)],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    wait(lambda: "up" in (home / "log.txt").read_text())
    assert len(group_of(child)) == 2
    worker.kill()
    worker.wait()
    worker.stdout.close()
    if deaf:
        wait(lambda: group_of(child) == [])
    else:
        wait(lambda: child not in group_of(child))
        for pid in group_of(child):
            os.kill(pid, signal.SIGKILL)


def wait(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
