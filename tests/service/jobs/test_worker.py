"""Workers as processes, with a real broker and scripts in place of children that train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.job_children import double
from tests.support.job_workers import Jobs, Worker, workers

Start = Callable[..., Worker]

CHILD = """
    tell("stage", name="fit")
    step = 0
    while True:
        step += 1
        progress(step)
        if not ask(step):
            sys.exit(4)
        time.sleep(0.05)
        if step == parameters["seed"]:
            break
    tell("result", result={"steps": step})
"""


@pytest.fixture
def jobs(broker: Broker) -> Iterator[Jobs]:
    jobs = Jobs(broker)
    yield jobs
    jobs.store.client.close()


def test_a_job_runs_and_ends(broker: Broker, jobs: Jobs, tmp_path: Path) -> None:
    python = double(tmp_path / "python", 'tell("stage", name="fit"); print("hello"); tell("result", result={"a": 1})')
    with workers(broker, tmp_path, python) as start:
        start()
        job = jobs.submit()
        record = jobs.wait(job)
    assert (record.state, record.result, record.attempt) == ("succeeded", {"a": 1}, 1)
    assert jobs.kinds(job) == ["submitted", "claimed", "stage", "result", "finished"]
    log = (tmp_path / "home" / "runs" / job / "log.txt").read_text()
    assert log.splitlines()[1] == "hello"
    assert "request of-the-test" in log.splitlines()[0]
