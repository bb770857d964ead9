"""SIGKILL of the API process, with a real broker and worker: its jobs continue."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from core.jobs.events import Note
from service.jobs.store.keys import queue_key
from tests.support.broker import Broker
from tests.support.job_api import empty_cifar, sse_events
from tests.support.job_children import STEPS, double
from tests.support.job_workers import Jobs, workers
from tests.support.service import ServiceProcess, service_process, write_home

pytestmark = pytest.mark.slow
KEY = "j" * 16
HEADERS = {"x-api-key": KEY, "idempotency-key": "mine"}
KILLED_BEFORE_SENDING = """
import os, signal
from service.jobs.dispatch import Dispatcher
Dispatcher.send = lambda self, record: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def jobs(broker: Broker) -> Iterator[Jobs]:
    jobs = Jobs(broker)
    yield jobs
    jobs.store.client.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    write_home(home)
    return home


def steps(count: int) -> dict[str, object]:
    return {"recipe": "mlp_baseline", "promote": "never", "seed": count}


def serving(home: Path, broker: Broker, **environment: str) -> AbstractContextManager[ServiceProcess]:
    own = {"DUET_DATA_DIR": str(empty_cifar(home / "cifar")), "DUET_API_KEYS": f"jobs:{KEY}"}
    return service_process(home, DUET_REDIS_URL=broker.url, **own, **environment)


def test_api_killed_before_the_message_loses_no_job(broker: Broker, jobs: Jobs, home: Path, tmp_path: Path) -> None:
    """The reaper of a worker sends the message; a resent request with the same key returns that job."""
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(KILLED_BEFORE_SENDING)
    with serving(home, broker, PYTHONPATH=str(tmp_path / "patch")) as api:
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{api.url}/train", json=steps(3), headers=HEADERS, timeout=60)
        assert api.wait() == -signal.SIGKILL
    (record,) = jobs.store.list().records
    assert (record.state, record.attempt) == ("queued", 0)
    assert jobs.store.client.llen(queue_key("train")) == 0
    with workers(broker, tmp_path, double(tmp_path / "python", STEPS), home=home) as start:
        start()
        ended = jobs.wait(record.id)
    assert (ended.state, ended.attempt, ended.result) == ("succeeded", 1, {"steps": 3})
    with serving(home, broker) as api:
        again = httpx.post(f"{api.url}/train", json=steps(3), headers=HEADERS, timeout=60)
    assert (again.status_code, again.json()["id"]) == (202, record.id)
    assert len(jobs.store.list().records) == 1


@pytest.mark.full
def test_api_killed_during_a_job_loses_no_event(broker: Broker, jobs: Jobs, home: Path, tmp_path: Path) -> None:
    with workers(broker, tmp_path, double(tmp_path / "python", STEPS), home=home) as start:
        start()
        with serving(home, broker) as api:
            job = httpx.post(f"{api.url}/train", json=steps(100), headers=HEADERS, timeout=60).json()["id"]
            heard, last = until_killed(api, job)
        assert jobs.store.get(job).state == "running"
        with serving(home, broker) as api:
            rest = httpx.get(f"{api.url}/jobs/{job}/events", headers={"last-event-id": last}, timeout=120)
    heard += [json.loads(event["data"]) for event in sse_events(rest.text)]
    notes = [event.text for event in jobs.events(job) if isinstance(event, Note)]
    assert [event["text"] for event in heard if event["event"] == "note"] == notes
    assert notes == [f"step {step}" for step in range(1, 101)]
    assert heard[-1]["event"] == "finished"
    assert (jobs.store.get(job).state, jobs.store.get(job).attempt) == ("succeeded", 1)


def until_killed(api: ServiceProcess, job: str) -> tuple[list[dict[str, object]], str]:
    """Listen to a job and kill the service after five notes; returns the events received and the last id."""
    pieces: list[str] = []
    with pytest.raises(httpx.TransportError):
        listen(api, job, pieces)
    text = "".join(pieces)
    # An incomplete event follows the last blank line; browsers ignore it too.
    events = sse_events(text[: text.rindex("\n\n") + 2])
    return [json.loads(event["data"]) for event in events], events[-1]["id"]


def listen(api: ServiceProcess, job: str, pieces: list[str]) -> None:
    with httpx.stream("GET", f"{api.url}/jobs/{job}/events", timeout=60) as stream:
        for piece in stream.iter_text():
            pieces.append(piece)
            if "".join(pieces).count('"event":"note"') >= 5:
                api.process.kill()
