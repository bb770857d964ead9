"""Worker processes for tests, and the worker's end of the pipes to a job process."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.jobs.events import FIRST, AddedEvent, Permission, Permit, ReportedEvent, StoredEvent, read_child_message
from core.jobs.parameters import JobParameters, TrainParameters
from core.jobs.records import JobRecord
from service.jobs.dispatch import Dispatcher
from service.jobs.service import kind_of
from service.jobs.store.keys import events_key
from service.jobs.store.records import stored_event
from service.jobs.store.store import JobStore
from service.jobs.worker.child_process import Child
from tests.support.broker import Broker

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0


class Jobs:
    """Jobs of a broker, handled like in the API."""

    def __init__(self, broker: Broker) -> None:
        self.store = JobStore.open(broker.url)
        self._dispatcher = Dispatcher(broker.url)

    def submit(self, parameters: JobParameters | None = None, *, send: bool = True) -> str:
        """Record a job, wake a worker and return the id."""
        parameters = parameters or TrainParameters(recipe="mlp_baseline", promote="never")
        record = self.store.create(kind_of(parameters), parameters, request_id="of-the-test", traceparent=None)
        if send:
            assert self._dispatcher.send(record)
        return record.id

    def send(self, job_id: str) -> None:
        """Wake a worker for a job."""
        assert self._dispatcher.send(self.store.get(job_id))

    def wait(self, job_id: str, *states: str) -> JobRecord:
        """Wait until the job is in one of these states, by default until it has ended, and return the record."""
        self.until(lambda: self._is(job_id, states), lambda: f"{self.store.get(job_id)}\n{self.events(job_id)}")
        return self.store.get(job_id)

    def _is(self, job_id: str, states: tuple[str, ...]) -> bool:
        record = self.store.get(job_id)
        return record.state in states if states else record.finished

    def stored(self, job_id: str) -> list[StoredEvent]:
        """Return all stored events of a job."""
        entries: Any = self.store.client.xrange(events_key(job_id), FIRST)
        return [stored_event(event_id, fields) for event_id, fields in entries]

    def events(self, job_id: str) -> list[ReportedEvent | AddedEvent]:
        """Return all events of a job."""
        return [stored.event for stored in self.stored(job_id)]

    def kinds(self, job_id: str) -> list[str]:
        """Return the kinds of all events except progress."""
        return [event.event for event in self.events(job_id) if event.event != "progress"]

    def until_told(self, job_id: str, kind: str, count: int = 1) -> None:
        """Wait until a job has `count` events of this kind."""
        self.until(
            lambda: sum(event.event == kind for event in self.events(job_id)) >= count, lambda: self.events(job_id)
        )

    @staticmethod
    def until(condition: Callable[[], bool], explain: Callable[[], object] = lambda: "") -> None:
        """Wait until the condition is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, explain()
            time.sleep(0.02)


class Worker:
    """`duet worker` as a process."""

    def __init__(self, broker: Broker, home: Path, python: Path, log: Path, **settings: object) -> None:
        own = {
            "redis_url": broker.url, "home": home, "shipped_models": home / "none", "training_python": python,
            "job_lease_seconds": 2, "job_free_mib": 0, "job_threads": 1, "job_nice": 0,
            "log_format": "text",
        }  # fmt: skip
        values = {f"DUET_{name.upper()}": str(value) for name, value in (own | settings).items()}
        self.log = log
        with log.open("ab") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "duet", "worker"],
                env=os.environ | values, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL, cwd=ROOT,
            )  # fmt: skip

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it by SIGTERM and return the exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextmanager
def workers(broker: Broker, folder: Path, python: Path, *, home: Path | None = None) -> Iterator[Callable[..., Worker]]:
    """Yield a function that starts a worker with the given settings; all workers are killed at the end."""
    started: list[Worker] = []
    home = home or folder / "home"

    def start(**settings: object) -> Worker:
        worker = Worker(broker, home, python, folder / f"worker-{len(started)}.log", **settings)
        started.append(worker)
        return worker

    try:
        yield start
    finally:
        for worker in started:
            worker.kill()


class WorkerEnd:
    """Receives the messages of a job process and answers its permission requests."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.received: list[ReportedEvent | Permit] = []
        self._read = 0

    def messages(self, *, grant: bool = True) -> Iterator[ReportedEvent | Permit]:
        """Yield messages until the process closes its pipe. A permission request is answered after it is yielded."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.child.lines.ended:
            assert time.monotonic() < deadline, self.received
            select.select([self.child.descriptor], [], [], 1.0)
            for line in self.child.lines.read():
                assert isinstance(line, bytes)
                message = read_child_message(line)
                self.received.append(message)
                yield message
                if isinstance(message, Permit):
                    self.child.send(Permission(number=message.number, granted=grant))

    def until_end(self, *, grant: bool = True) -> int:
        """Receive all messages; returns the exit status."""
        for _ in self.messages(grant=grant):
            pass
        return self.end()

    def end(self) -> int:
        """Wait until the process ends; returns the exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.child.has_ended():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.child.close()


@contextmanager
def job_process(
    python: Path, job_id: str, kind: str, parameters: str, home: Path, environment: Mapping[str, str]
) -> Iterator[WorkerEnd]:
    """Start a job process; it is killed at the end of the block if it is still running."""
    home.mkdir(exist_ok=True)
    written = home / f"{job_id}.parameters.json"
    written.write_text(parameters, encoding="utf-8")
    module = "service.jobs.batch" if kind == "batch" else "training"
    command = [str(python), "-m", module, "job", "--id", job_id, "--kind", kind]
    command += ["--parameters", str(written), "--threads", "1"]
    own = {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(home / "none"), "OMP_NUM_THREADS": "1"}
    child = Child(command, {**os.environ, **own, **environment}, home / "log.txt", nice=0)
    try:
        yield WorkerEnd(child)
    finally:
        child.close()
