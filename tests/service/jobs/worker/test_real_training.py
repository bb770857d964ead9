"""End-to-end job with the real child process: worker, broker, training on small images, promotion, evaluation."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from core.jobs.events import FitStarted
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.repository.champions import history
from core.repository.evaluation import list_records
from core.repository.repository import ModelRepository
from tests.support.broker import Broker, running_broker
from tests.support.children import processes_of
from tests.support.job_children import real_child
from tests.support.job_workers import Jobs, Worker, workers

pytestmark = pytest.mark.full
SMALL: dict[str, JsonValue] = {"network.hidden": [16], "batch_size": 50, "precision": "float32", "epochs": 4}
SLOWER = """
import time
from training.jobs.reporter import EventReporter
step = EventReporter.step
def slower(self, **figures):
    time.sleep(0.05)
    step(self, **figures)
EventReporter.step = slower
"""
"""Slows each step down, so that a test can act within a given epoch."""


class House:
    """Broker, home and workers that train on small images."""

    def __init__(self, broker: Broker, folder: Path, start: Callable[..., Worker]) -> None:
        self.jobs = Jobs(broker)
        self.home = folder / "home"
        self._start = start
        self._data = folder / "data"

    def worker(self, **settings: object) -> Worker:
        return self._start(data_dir=self._data, **settings)

    @property
    def repository(self) -> ModelRepository:
        return ModelRepository(self.home / "models", self.home / "none")

    def train(self, **fields: object) -> str:
        return self.jobs.submit(TrainParameters.model_validate({"recipe": "mlp_baseline", "overrides": SMALL} | fields))

    def weights(self, job: str) -> str:
        result = self.jobs.store.get(job).result
        assert result is not None
        repository = self.repository
        manifest = repository.verify(*repository.resolve(str(result["reference"])))
        return manifest.files["weights.safetensors"].sha256

    def resumed_from(self, job: str) -> list[int]:
        """The first step of the fit of each attempt."""
        return [event.done for event in self.jobs.events(job) if isinstance(event, FitStarted)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "data").mkdir()
    python = real_child(folder / "data", more=SLOWER)
    with running_broker() as broker, workers(broker, folder, python) as start:
        house = House(broker, folder, start)
        yield house
        house.jobs.store.client.close()


def test_real_training_survives_killed_child_and_worker(house: House) -> None:
    """After a kill of the child and of the worker, the run resumes and ends with the weights of an undisturbed run."""
    jobs, worker = house.jobs, house.worker()
    whole = house.train()
    record = jobs.wait(whole)
    assert record.state == "succeeded", record
    assert record.result is not None
    assert record.result["reference"] == "mlp@1"
    assert record.result["promoted"] is True
    log = (house.home / "runs" / whole / "log.txt").read_text()
    assert [line.split()[1:5] for line in log.splitlines() if " epoch " in line] == [
        ["epoch", str(number), "of", "4:"] for number in (1, 2, 3, 4)
    ]
    assert record.progress is not None
    assert (record.progress.epoch, record.progress.step, record.progress.seconds_left) == (4, 16, 0.0)
    kinds = jobs.kinds(whole)
    assert kinds.count("epoch") == 4
    assert kinds[-4:] == ["published", "result", "promoted", "finished"]
    assert house.repository.champion("mlp") == 1
    (promotion,) = history(house.repository, "mlp")
    assert promotion.actor == f"job {whole}"

    killed = house.train()
    jobs.until_told(killed, "epoch", 2)
    (child,) = processes_of(killed)
    os.kill(child, signal.SIGKILL)
    record = jobs.wait(killed)
    assert (record.state, record.attempt) == ("succeeded", 2), record
    assert house.weights(killed) == house.weights(whole)
    assert house.resumed_from(killed)[1] in (8, 12)
    # The same weights are no gain.
    assert jobs.kinds(killed)[-2:] == ["not_promoted", "finished"]
    assert house.repository.champion("mlp") == 1

    orphaned = house.train(promote="always")
    jobs.until_told(orphaned, "epoch", 1)
    worker.kill()
    jobs.until(lambda: processes_of(orphaned) == [])
    house.worker()
    record = jobs.wait(orphaned)
    assert (record.state, record.attempt) == ("succeeded", 2), record
    assert house.weights(orphaned) == house.weights(whole)
    assert house.resumed_from(orphaned)[1] in (4, 8, 12)
    assert house.repository.champion("mlp") == 3
    tokens = [stored.token for stored in jobs.stored(orphaned) if stored.token is not None]
    assert tokens == sorted(tokens)

    evaluation = jobs.wait(jobs.submit(EvaluateParameters()))
    assert evaluation.state == "succeeded", evaluation
    (written,) = list_records(house.home, "mlp", 3)
    assert (written.job, written.differences) == (evaluation.id, ())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a disk of its own can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


FILLED = """
from pathlib import Path
from training.pipeline import train as pipeline
publish_version = pipeline.publish_version
def fill_then_publish(classifier, origin, images, repository, family, **more):
    filler = repository.home_models.parent / "filler"
    if not (filler.parent / "no-filler").exists():
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(65536))
            except OSError:
                pass
    return publish_version(classifier, origin, images, repository, family, **more)
pipeline.publish_version = fill_then_publish
"""


def test_full_disk_before_publishing_loses_no_epoch(broker: Broker, tmp_path: Path, small_disk: Path) -> None:
    """The job fails with a message, leaves no partial file, and a retry only publishes."""
    (tmp_path / "data").mkdir()
    python = real_child(tmp_path / "data", more=FILLED)
    with workers(broker, tmp_path, python, home=small_disk / "home") as start:
        house = House(broker, tmp_path, start)
        house.home = small_disk / "home"
        house.worker()
        job = house.train()
        record = house.jobs.wait(job)
        assert record.state == "failed"
        assert record.error is not None
        assert (record.error.type, "free some space" in record.error.message) == ("PublishError", True), record.error
        assert house.repository.families() == []
        assert not list(small_disk.glob("home/models/mlp/.staging/[0-9]*/*"))

        (house.home / "filler").unlink()
        (house.home / "no-filler").touch()
        house.jobs.store.retry(job)
        house.jobs.send(job)
        record = house.jobs.wait(job)
        assert (record.state, record.attempt) == ("succeeded", 2), record
        assert house.resumed_from(job) == [0, 16]
        assert house.repository.versions("mlp") == [1]
        house.jobs.store.client.close()
