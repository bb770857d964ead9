"""Worker processes with a real broker and scripts as children, killed at different moments."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.jobs.events import Interrupted, Note
from core.jobs.parameters import EvaluateParameters, TrainParameters
from service.jobs.store.heartbeats import Heartbeats
from service.supervisor.training_env import SetupState, clear_setup, write_setup
from tests.support.broker import Broker
from tests.support.children import is_alive
from tests.support.job_children import STEPS, double
from tests.support.job_workers import Jobs, Worker, workers

pytestmark = pytest.mark.slow
Start = Callable[..., Worker]


@pytest.fixture
def jobs(broker: Broker) -> Iterator[Jobs]:
    jobs = Jobs(broker)
    yield jobs
    jobs.store.client.close()


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Start]:
    with workers(broker, tmp_path, double(tmp_path / "python", STEPS)) as start:
        yield start


def steps(count: int) -> TrainParameters:
    return TrainParameters(recipe="mlp_baseline", promote="never", seed=count)


def trace(home: Path, job: str) -> list[tuple[int, int]]:
    """Every step written to disk, in order, with the id of the process that ran it."""
    lines = (home / "runs" / job / "trace").read_text().splitlines()
    return [(int(step), int(pid)) for step, pid in (line.split() for line in lines)]


def assert_one_at_a_time(jobs: Jobs, job: str) -> None:
    """Assert that in the order of the stream no token follows a newer one."""
    tokens = [stored.token for stored in jobs.stored(job) if stored.token is not None]
    assert tokens == sorted(tokens)


def test_worker_reports_runs_a_job_and_signs_off(jobs: Jobs, start: Start, tmp_path: Path) -> None:
    beats = Heartbeats(jobs.store.client)
    worker = start(worker_jobs=2, log_format="json")
    job = jobs.submit(steps(100))
    jobs.wait(job, "running")
    jobs.until(lambda: any(report.running == (job,) for report in beats.all()))
    (report,) = beats.all()
    assert (report.pid, report.jobs, report.queues) == (
        worker.process.pid,
        2,
        ("train", "evaluate", "batch", "download"),
    )
    assert report.training.ready
    record = jobs.wait(job)
    assert (record.state, record.result, record.worker) == ("succeeded", {"steps": 100}, report.name)
    assert worker.stop() == 0
    assert beats.all() == []
    for line in worker.log.read_text().splitlines():
        assert json.loads(line)["level"] == "info"


def test_killed_worker_ends_its_child_and_job_resumes(jobs: Jobs, start: Start, tmp_path: Path) -> None:
    first = start()
    job = jobs.submit(steps(60))
    jobs.until_told(job, "note", 5)
    start()
    (child,) = {pid for _, pid in trace(tmp_path / "home", job)}
    first.kill()
    jobs.until(lambda: not is_alive(child))
    record = jobs.wait(job)
    assert (record.state, record.attempt, record.result) == ("succeeded", 2, {"steps": 60})
    written = trace(tmp_path / "home", job)
    assert [step for step, _ in written] == list(range(1, 61))
    assert len({pid for _, pid in written}) == 2
    assert jobs.kinds(job).count("interrupted") == 1
    assert_one_at_a_time(jobs, job)


@pytest.mark.full
def test_worker_frozen_past_its_lease_writes_nothing(jobs: Jobs, start: Start, tmp_path: Path) -> None:
    """The child of the frozen worker runs until it needs a permit; only then does the next attempt take over."""
    first = start()
    job = jobs.submit(steps(60))
    jobs.until_told(job, "note", 5)
    first.process.send_signal(signal.SIGSTOP)
    (old,) = {pid for _, pid in trace(tmp_path / "home", job)}
    start()
    record = jobs.wait(job)
    assert (record.state, record.attempt) == ("succeeded", 2)
    assert is_alive(old)
    first.process.send_signal(signal.SIGCONT)
    jobs.until(lambda: not is_alive(old))
    written = trace(tmp_path / "home", job)
    assert [step for step, _ in written] == list(range(1, 61))
    assert [pid for _, pid in written].index(old) == 0
    assert {pid for _, pid in written[-30:]} != {old}
    assert_one_at_a_time(jobs, job)
    assert jobs.store.get(job) == record
    again = jobs.submit(steps(1))
    assert jobs.wait(again).state == "succeeded"


def test_killed_broker_loses_and_repeats_no_job(mortal_broker: Broker, tmp_path: Path) -> None:
    jobs = Jobs(mortal_broker)
    with workers(mortal_broker, tmp_path, double(tmp_path / "python", STEPS)) as start:
        worker = start()
        running, waiting = jobs.submit(steps(40)), jobs.submit(steps(2))
        for round_ in (1, 2):
            jobs.until_told(running, "note", 10 * round_)
            mortal_broker.kill()
            assert worker.process.poll() is None
            mortal_broker.restart()
        first, second = jobs.wait(running), jobs.wait(waiting)
        assert (first.state, first.attempt, first.result) == ("succeeded", 1, {"steps": 40})
        assert (second.state, second.attempt) == ("succeeded", 1)
        notes = [event.text for event in jobs.events(running) if isinstance(event, Note)]
        assert notes == [f"step {step}" for step in range(1, 41)]
        assert len({pid for _, pid in trace(tmp_path / "home", running)}) == 1
        # It goes on taking jobs.
        for _ in range(3):
            later = jobs.submit(steps(1))
            assert jobs.wait(later).attempt == 1
        assert worker.stop() == 0
    jobs.store.client.close()


@pytest.mark.full
def test_worker_started_without_broker_waits(mortal_broker: Broker, tmp_path: Path) -> None:
    mortal_broker.kill()
    with workers(mortal_broker, tmp_path, double(tmp_path / "python", STEPS)) as start:
        worker = start()
        jobs = Jobs(mortal_broker)
        jobs.until(lambda: worker.log.exists() and "accepts jobs" in worker.log.read_text())
        mortal_broker.restart()
        job = jobs.submit(steps(1))
        assert jobs.wait(job).state == "succeeded"
        jobs.store.client.close()
        mortal_broker.kill()
        assert worker.stop() == 0


def test_stopped_worker_requeues_its_job(jobs: Jobs, start: Start, tmp_path: Path) -> None:
    job = jobs.submit(steps(45))
    for attempt in (1, 2):
        worker = start()
        jobs.until_told(job, "note", 10 * attempt)
        assert worker.stop() == 0
        assert jobs.store.get(job).state == "queued"
    start()
    record = jobs.wait(job)
    assert (record.state, record.attempt) == ("succeeded", 3)
    assert [event.resumes for event in jobs.events(job) if isinstance(event, Interrupted)] == [True, True]
    assert [step for step, _ in trace(tmp_path / "home", job)] == list(range(1, 46))
    assert_one_at_a_time(jobs, job)


@pytest.mark.full
def test_busy_worker_leaves_jobs_to_others(jobs: Jobs, start: Start) -> None:
    start()
    busy = jobs.submit(steps(100))
    jobs.until_told(busy, "note")
    second = jobs.submit(steps(1))
    start()
    assert jobs.wait(second).state == "succeeded"
    assert jobs.store.get(busy).state == "running"
    jobs.store.request_cancel(busy)
    assert jobs.wait(busy).state == "cancelled"


def test_queues_are_separate(jobs: Jobs, start: Start) -> None:
    start(worker_queues="evaluate")
    train = jobs.submit(steps(1))
    evaluation = jobs.submit(EvaluateParameters())
    assert jobs.wait(evaluation).kind == "evaluate"
    assert jobs.store.get(train).state == "queued"


@pytest.mark.full
def test_jobs_wait_for_the_training_environment(broker: Broker, jobs: Jobs, tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    since = datetime(2026, 1, 2, tzinfo=UTC)
    write_setup(python, SetupState(state="installing", reason="being installed", since=since))
    beats = Heartbeats(jobs.store.client)
    with workers(broker, tmp_path, python) as start:
        start()
        job = jobs.submit(steps(1))
        jobs.until(lambda: beats.all() != [])
        (report,) = beats.all()
        assert (report.training.ready, report.training.reason) == (False, "being installed")
        assert report.training.since == since
        clear_setup(python)
        jobs.until(lambda: "there is no interpreter" in str(beats.all()))
        assert jobs.store.get(job).state == "queued"
        python.parent.mkdir()
        double(python, STEPS)
        assert jobs.wait(job).state == "succeeded"
        jobs.until(lambda: all(report.training.ready for report in beats.all()))
