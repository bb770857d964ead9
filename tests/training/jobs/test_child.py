"""`python -m training job` as a process, played against as its worker would."""

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

from core.jobs.events import Cancel, Epoch, Failed, FitStarted, Note, Permit, Progress, Published, Result, Stage
from core.repository.evaluation_records import list_records
from core.repository.repository import ModelRepository
from tests.support.job_children import ROOT, child_doing, real_child
from tests.support.job_talk import PATIENCE_S, Talk, talking
from tests.support.process_groups import group_of
from training.jobs.main import ExitStatus
from training.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow
SMALL = {
    "network.hidden": [16],
    "batch_size": 50,
    "precision": "float32",
    "epochs": 3,
}


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
    return talking(data / "python", job, "train", parameters(**fields), home, {"DUET_DATA_DIR": str(data)})


def weights(home: Path, reference: str) -> str:
    repository = ModelRepository(home / "models", home / "none")
    return repository.verify(*repository.resolve(reference)).files["weights.safetensors"].sha256


def of(talk: Talk, kind: type[Any]) -> list[Any]:
    return [message for message in talk.heard if isinstance(message, kind)]


@pytest.fixture(scope="module")
def published(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Talk]:
    """A home with the version that an undisturbed training published there, and all it told."""
    home = tmp_path_factory.mktemp("published") / "home"
    with training(data, home) as talk:
        assert talk.until_end() == ExitStatus.DONE
    return home, talk


def test_a_training_tells_everything_and_publishes(published: tuple[Path, Talk]) -> None:
    home, talk = published
    kinds = [type(message) for message in talk.heard]
    assert kinds[0] is Stage
    assert of(talk, FitStarted)[0].steps == 12
    assert [epoch.epoch for epoch in of(talk, Epoch)] == [1, 2, 3]
    assert [(permit.number, permit.action) for permit in of(talk, Permit)] == [
        (1, "checkpoint"), (2, "checkpoint"), (3, "checkpoint"), (4, "publish"),
    ]  # fmt: skip
    assert of(talk, Progress)[-1].seconds_left == 0.0
    assert kinds[-2:] == [Published, Result]
    manifest = ModelRepository(home / "models", home / "none").verify("mlp", 1)
    assert of(talk, Result)[0].result == {
        "reference": "mlp@1", "family": "mlp", "version": 1, "test_accuracy": manifest.metrics.test_accuracy,
    }  # fmt: skip


def test_an_attempt_after_one_that_published_only_tells_so(data: Path, published: tuple[Path, Talk]) -> None:
    home, _ = published
    with training(data, home) as talk:
        assert talk.until_end() == ExitStatus.DONE
    assert [type(message) for message in talk.heard] == [Published, Result]
    assert of(talk, Published)[0].reference == "mlp@1"
    assert ModelRepository(home / "models", home / "none").versions("mlp") == [1]


def test_a_training_killed_in_every_epoch_ends_with_the_same_weights(
    data: Path, home: Path, published: tuple[Path, Talk]
) -> None:
    for epoch in (1, 2):
        with training(data, home) as talk:
            for message in talk.messages():
                if isinstance(message, Epoch) and message.epoch == epoch:
                    os.kill(talk.child.pid, signal.SIGKILL)
            assert talk.end() == -signal.SIGKILL
    with training(data, home) as talk:
        assert talk.until_end() == ExitStatus.DONE
    assert of(talk, FitStarted)[0].done >= 8
    assert weights(home, "mlp@1") == weights(published[0], "mlp@1")


@pytest.mark.full
def test_cancelled_in_mid_fit_it_keeps_its_checkpoint(data: Path, home: Path) -> None:
    with training(data, home, overrides={"epochs": 2000}) as talk:
        for message in talk.messages():
            if isinstance(message, Epoch) and message.epoch == 2:
                talk.child.tell(Cancel())
        assert talk.end() == ExitStatus.CANCELLED
    assert len(load_checkpoint(home / "runs" / "a").history) == of(talk, Epoch)[-1].epoch
    assert not (home / "models" / "mlp" / "1").exists()


def test_sigterm_cancels_too_whatever_it_is_at(tmp_path: Path, home: Path) -> None:
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
    with talking(child_doing(tmp_path / "python", before), "a", "train", parameters(), home, {}) as talk:
        for _ in talk.messages():
            talk.child.signal(signal.SIGTERM)
        assert talk.end() == ExitStatus.CANCELLED


def test_a_user_error_is_told_in_a_sentence(data: Path, home: Path) -> None:
    with talking(data / "python", "a", "train", parameters(recipe="nothing"), home, {}) as talk:
        assert talk.until_end() == ExitStatus.FAILED
    (failed,) = of(talk, Failed)
    assert failed.error == "ConfigurationError"
    assert failed.message.startswith("no recipe 'nothing'")
    assert "Traceback" in (home / "log.txt").read_text()


def test_an_error_of_ours_points_to_the_log(tmp_path: Path, home: Path) -> None:
    python = child_doing(tmp_path / "python", "def run(job, line): 1 / 0")
    with talking(python, "a", "train", parameters(), home, {}) as talk:
        assert talk.until_end() == ExitStatus.FAILED
    (failed,) = of(talk, Failed)
    assert failed.error == "ZeroDivisionError"
    assert "the job's log has the traceback" in failed.message


def test_an_evaluation_writes_records_and_leaves_the_version_alone(data: Path, published: tuple[Path, Talk]) -> None:
    home, _ = published
    folder = home / "models" / "mlp" / "1"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    environment = {"DUET_DATA_DIR": str(data)}
    with talking(data / "python", "e", "evaluate", '{"versions": ["mlp@1"]}', home, environment) as talk:
        assert talk.until_end() == ExitStatus.DONE
    (record,) = list_records(home, "mlp", 1)
    assert (record.job, record.data, record.differences) == ("e", "cifar10", ())
    result = of(talk, Result)[0].result
    assert result["evaluations"][0]["reference"] == "mlp@1"
    assert result["evaluations"][0]["reproduced"] is True
    assert result["evaluations"][0]["accuracy"]["fp32"] == record.evaluation.scores["fp32"].accuracy.value
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    with talking(data / "python", "f", "evaluate", '{"versions": ["mlp@1"]}', home, environment) as talk:
        assert talk.until_end(grant=False) == ExitStatus.NOT_PERMITTED
    assert [each.job for each in list_records(home, "mlp", 1)] == ["e"]

    with talking(data / "python", "g", "evaluate", "{}", home, environment) as talk:
        assert talk.until_end() == ExitStatus.FAILED
    assert "no champion" in of(talk, Failed)[0].message


@pytest.mark.full
def test_a_new_attempt_waits_while_an_old_one_still_holds_the_folder(data: Path, home: Path) -> None:
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
    assert of(new, FitStarted), (new.heard, (home / "log.txt").read_text())
    assert of(new, FitStarted)[0].done >= 4


_WORKER = """
import os, sys, time
from pathlib import Path
from tests.support.job_talk import talking
with talking(Path(sys.argv[1]), "a", "train", sys.argv[2], Path(sys.argv[3]), {}) as talk:
    print(talk.child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("deaf", [False, True], ids=["by the kernel", "by the end of the pipe"])
def test_a_child_dies_with_its_worker(deaf: bool, tmp_path: Path, home: Path) -> None:
    """Its own children too: it leads a group, which it takes along when it notices itself."""
    before = f"""
        import subprocess, time
        from training.jobs import lifeline
        if {deaf}:
            lifeline.ctypes.CDLL = None
            lifeline.sys = type("Sys", (), {{"platform": "elsewhere"}})
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
