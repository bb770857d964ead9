"""Traces of jobs, from the HTTP request over the broker to the worker, the job's process and its epochs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.collector import Collector, Received, running_collector
from tests.support.job_api import job_app, submitted
from tests.support.job_children import child_doing, real_child
from tests.support.job_workers import Jobs, workers
from tests.support.labelled_folders import write_labelled_folder

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SMALL = {"network.hidden": [16], "batch_size": 50, "precision": "float32", "epochs": 2}
TRAIN = {"recipe": "mlp_baseline", "promote": "never", "overrides": SMALL}
EVENTS = """
    from core.jobs.events import Epoch, FitStarted, Result, Stage
    def run(job, line):
        line.send(Stage(name="fit mlp_baseline"))
        line.send(FitStarted(steps=4, done=0, detail=""))
        for number in (1, 2):
            line.send(Epoch(
                epoch=number, epochs=2, train_loss=1.0, train_accuracy=0.5, validation_loss=None,
                validation_accuracy=None, learning_rate=0.1, seconds=0.1,
            ))
        line.send(Stage(name="evaluate"))
        {end}
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector of all processes that the test starts."""
    with running_collector() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


async def run_job(
    home: Path, broker: Broker, folder: Path, python: Path, body: dict[str, Any], *, path: str = "/train"
) -> str:
    """Submit a sampled job over HTTP, run it with a real worker until it has ended, and return its id."""
    with workers(broker, folder, python, home=home) as start:
        async with job_app(home, broker) as app:
            job = await submitted(app, body, path, traceparent=TRACEPARENT)
        worker = start(data_dir=folder)
        jobs = Jobs(broker)
        await asyncio.to_thread(jobs.wait, job)
        assert await asyncio.to_thread(worker.stop) == 0
        jobs.store.client.close()
    return job


def chain(collector: Collector, *names: str) -> list[Received]:
    """The spans of these names, each of which must be the child of the one before."""
    spans = [collector.only(name) for name in names]
    assert [span.parent for span in spans] == [PARENT, *(span.id for span in spans[:-1])]
    assert {span.trace for span in collector.spans} == {TRACE}
    return spans


@pytest.mark.slow
async def test_job_is_in_the_trace_of_its_request(
    home: Path, broker: Broker, tmp_path: Path, collector: Collector
) -> None:
    python = child_doing(tmp_path / "python", EVENTS.format(end='line.send(Result(result={"done": True}))'))
    job = await run_job(home, broker, tmp_path, python, TRAIN)
    request, sent, attempt, process = chain(collector, "POST /train", "send train", "process train", "job train")
    assert [span.kind for span in (request, sent, attempt, process)] == ["server", "producer", "consumer", "internal"]
    assert [span.resource["duet.process"] for span in (request, sent, attempt, process)] == [
        "api",
        "api",
        "worker",
        "job",
    ]
    assert sent.attributes["messaging.message.id"] == attempt.attributes["messaging.message.id"] == job
    assert (attempt.attributes["duet.job.attempt"], attempt.attributes["process.exit.code"]) == (1, 0)
    assert attempt.attributes["duet.job.queue_seconds"] > 0
    assert collector.children(process) == ["fit mlp_baseline", "evaluate"]
    assert collector.children(collector.only("fit mlp_baseline")) == ["epoch", "epoch"]
    assert [span.attributes["duet.epoch"] for span in collector.named("epoch")] == [1, 2]
    assert not any(span.failed for span in collector.spans)


@pytest.mark.slow
async def test_failure_of_a_job_is_in_its_trace(
    home: Path, broker: Broker, tmp_path: Path, collector: Collector
) -> None:
    python = child_doing(tmp_path / "python", EVENTS.format(end="1 / 0"))
    await run_job(home, broker, tmp_path, python, TRAIN)
    failed = {span.name: span.attributes["error.type"] for span in collector.spans if span.failed}
    assert failed == dict.fromkeys(["process train", "job train", "evaluate"], "ZeroDivisionError")


@pytest.mark.slow
async def test_batch_prediction_is_in_the_trace_of_its_request(
    home: Path, broker: Broker, tmp_path: Path, collector: Collector
) -> None:
    write_labelled_folder(home, "pets", {"grass": 2})
    python = child_doing(tmp_path / "python", EVENTS.format(end="pass"))
    await run_job(home, broker, tmp_path, python, {"data": "folder:pets", "models": ["cnn@1"]}, path="/batch")
    *_, process = chain(collector, "POST /batch", "send batch", "process batch", "job batch")
    assert collector.children(process) == ["predict with cnn@1"]


@pytest.mark.full
async def test_training_has_a_span_for_each_epoch(
    home: Path, broker: Broker, tmp_path: Path, collector: Collector
) -> None:
    await run_job(home, broker, tmp_path, real_child(tmp_path), TRAIN)
    *_, process = chain(collector, "POST /train", "send train", "process train", "job train")
    stages = collector.children(process)
    assert stages[:3] == ["read cifar10", "rehearse the export with random weights", "fit mlp_baseline"]
    assert len(stages) > 3
    assert [span.attributes["duet.epoch"] for span in collector.named("epoch")] == [1, 2]
