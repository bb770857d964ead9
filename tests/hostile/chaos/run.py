"""Schedule of disturbances, trainings that must survive them, and the figures of a run."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from core.errors import RepositoryError
from core.jobs.records import FINAL_STATES
from core.repository.repository import ModelRepository
from tests.hostile.chaos.stack import Stack
from tests.hostile.chaos.traffic import Predictions, call
from tests.support.children import processes_of

KILLS = ("child", "worker", "broker", "API process", "service")
DISK, CLOCK = "full disk", "clock step"
OUTSTANDING = 3
"""Jobs that are queued or running at a time."""
TRAINING = {
    "recipe": "mlp_baseline",
    "seed": 1,
    "promote": "always",
    "overrides": {"network.hidden": [16], "batch_size": 50, "precision": "float32", "epochs": 4},
}
_PAUSE_SECONDS = (0.5, 6.0)
_FULL_SECONDS = (1.0, 4.0)
_MAX_STEP_SECONDS = 90
_DEATH_SECONDS = 30.0
"""Time that a killed process may need to die on a busy machine."""
_DRAIN_SECONDS = 600.0


@dataclass
class Job:
    """A submitted training.

    Attributes:
        key: idempotency key; the submission is repeated with it until there is a response.
        id: job id; None before the response.
        excused: True if the job may fail, because the disk has been full since its last start.
        child_killed: True if its process was killed; a second kill would fail the job by design.
    """

    key: str
    id: str | None = None
    record: dict[str, Any] = field(default_factory=dict)
    excused: bool = False
    child_killed: bool = False
    retries: int = 0

    @property
    def state(self) -> str:
        """State of the newest record, `submitting` before the first."""
        return str(self.record.get("state", "submitting"))

    @property
    def has_ended(self) -> bool:
        """True if the job is neither queued nor running, and will not be retried."""
        return self.state in FINAL_STATES and not (self.state == "failed" and self.excused)


@dataclass
class Figures:
    """Figures of a run; `faults` lists what must not happen."""

    seed: int
    seconds: float = 0.0
    disturbances: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    finished: int = 0
    attempts: int = 0
    retries: int = 0
    duplicates: int = 0
    digests: int = 0
    versions: int = 0
    damaged: int = 0
    predictions: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Rows of a Markdown table."""
        yield "| figure | value |"
        yield "|---|---:|"
        rows: dict[str, object] = {"seed": self.seed, "length, s": f"{self.seconds:.0f}"}
        rows |= {f"kills: {kind}": self.disturbances[kind] for kind in KILLS}
        rows |= {f"{kind}s": self.disturbances[kind] for kind in (DISK, CLOCK)}
        rows |= {
            "jobs": self.jobs,
            "jobs finished": self.finished,
            "lost jobs": self.jobs - self.finished,
            "jobs that one request started twice": self.duplicates,
            "attempts": self.attempts,
            "retries after a full disk": self.retries,
            "distinct weight digests": self.digests,
            "versions": self.versions,
            "damaged versions": self.damaged,
            "predictions answered": self.predictions["answered"],
            "predictions cut by the kill of an API": self.predictions["cut"],
            "failed predictions": self.predictions["failed"],
        }
        yield from (f"| {name} | {value} |" for name, value in rows.items())


class Chaos:
    """One run over a started stack."""

    def __init__(self, stack: Stack, seed: int, kinds: tuple[str, ...], count: int, weights: str) -> None:
        """Start the predictions.

        Args:
            stack: processes, already started.
            seed: seed of the order of the disturbances and of the pauses between them.
            kinds: kinds of disturbances.
            count: number of disturbances.
            weights: name of the weights file of a version.
        """
        self._weights = weights
        self._stack = stack
        self._random = random.Random(seed)
        self._kinds = kinds
        self._left = count
        self._jobs: list[Job] = []
        self._figures = Figures(seed)
        self._plan: list[str] = []
        self._full_until: float | None = None
        self._predictions = Predictions(stack.url)
        kills = (self._kill_child, self._kill_worker, self._kill_broker, self._kill_api_process, self._kill_service)
        self._actions = {**dict(zip(KILLS, kills, strict=True)), DISK: self._fill_disk, CLOCK: self._step_clock}

    def run(self) -> Figures:
        """Disturb until all disturbances have happened, and wait until all jobs have ended."""
        started = time.monotonic()
        due, end = started, None
        while end is None or time.monotonic() < end:
            self._stack.restart_ended()
            self._follow_jobs()
            if self._left > 0 and time.monotonic() >= due and self._disturb():
                due = time.monotonic() + self._random.uniform(*_PAUSE_SECONDS)
            if self._full_until is not None and time.monotonic() >= self._full_until:
                self._stack.free_disk()
                self._full_until = None
            if self._left == 0 and end is None:
                end = time.monotonic() + _DRAIN_SECONDS
            if end is not None and self._full_until is None and all(job.has_ended for job in self._jobs):
                break
            time.sleep(0.1)
        self._predictions.stop()
        self._figures.seconds = time.monotonic() - started
        self._measure()
        return self._figures

    def _follow_jobs(self) -> None:
        url, open_jobs = self._stack.url, [job for job in self._jobs if not job.has_ended]
        if self._left > 0 and len(open_jobs) < OUTSTANDING:
            open_jobs.append(Job(key=f"chaos-{len(self._jobs)}"))
            self._jobs.append(open_jobs[-1])
        for job in open_jobs:
            if job.id is None:
                answer = call("POST", f"{url}/train", json=TRAINING, headers={"idempotency-key": job.key})
                if answer is not None:
                    assert answer.status_code == 202, answer.text
                    job.id = answer.json()["id"]
            elif (answer := call("GET", f"{url}/jobs/{job.id}")) is not None:
                assert answer.status_code == 200, answer.text
                job.record = answer.json()
                if job.state == "failed" and job.excused and self._full_until is None:
                    self._retry(job)

    def _retry(self, job: Job) -> None:
        answer = call("POST", f"{self._stack.url}/jobs/{job.id}/retry")
        if answer is not None and answer.status_code == 202:
            job.excused, job.child_killed, job.record = False, False, {}
            job.retries += 1

    def _disturb(self) -> bool:
        """Run the next step of the plan; return False if it is not possible yet."""
        if not self._plan:
            self._plan = self._random.sample(self._kinds, len(self._kinds))
        kind = self._plan[-1]
        if not self._actions[kind]():
            return False
        self._plan.pop()
        self._left -= 1
        self._figures.disturbances[kind] += 1
        return True

    def _kill_child(self) -> bool:
        running = [job for job in self._jobs if job.state == "running" and job.id and not job.child_killed]
        for job in self._random.sample(running, len(running)):
            for pid in processes_of(str(job.id)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    job.child_killed = True
                    return True
        return False

    def _kill_worker(self) -> bool:
        self._random.choice(self._stack.workers).kill()
        return True

    def _kill_broker(self) -> bool:
        if not self._stack.broker.is_running:
            return False
        self._stack.broker.kill()
        return True

    def _kill_api_process(self) -> bool:
        processes = self._stack.service.workers
        if not processes:
            return False
        killed, chosen = time.monotonic(), self._random.choice(processes)
        os.kill(chosen, signal.SIGKILL)
        psutil.wait_procs(
            [process for process in psutil.process_iter() if process.pid == chosen], timeout=_DEATH_SECONDS
        )
        while not self._stack.service.listeners:  # the other process is still starting after an earlier kill
            time.sleep(0.05)
        self._predictions.add_outage(killed, time.monotonic())
        return True

    def _kill_service(self) -> bool:
        killed = time.monotonic()
        self._stack.kill_service()
        self._predictions.add_outage(killed, time.monotonic())
        return True

    def _fill_disk(self) -> bool:
        if self._full_until is not None:
            return False
        for job in self._jobs:
            job.excused = True
        self._stack.fill_disk()
        self._full_until = time.monotonic() + self._random.uniform(*_FULL_SECONDS)
        return True

    def _step_clock(self) -> bool:
        clock = self._stack.clock
        assert clock is not None
        seconds = self._random.randint(10, _MAX_STEP_SECONDS)
        clock.step(-seconds if clock.offset > 0 else seconds)
        return True

    def _measure(self) -> None:
        """Collect the figures of the run, and list the faults."""
        figures, repository = self._figures, ModelRepository(self._stack.home / "models", self._stack.home / "none")
        figures.jobs = len(self._jobs)
        figures.predictions = self._predictions.outcomes
        figures.faults += [f"failed prediction: {failure}" for failure in self._predictions.failures]
        for job in self._jobs:
            figures.attempts += int(job.record.get("attempt", 0))
            figures.retries += job.retries
            if job.state == "succeeded":
                figures.finished += 1
            else:
                figures.faults.append(f"lost job {job.id}: {job.record}")
        digests = set()
        for family in repository.families():
            for version in repository.versions(family):
                figures.versions += 1
                try:
                    files = repository.verify(family, version).files
                except RepositoryError as error:
                    figures.damaged += 1
                    figures.faults.append(f"damaged version: {error}")
                    continue
                if family != "cnn":
                    digests.add(files[self._weights].sha256)
        figures.digests = len(digests)
        if len(digests) != 1:
            figures.faults.append(f"{len(digests)} distinct weight digests")
        if figures.versions != figures.finished + 1:
            figures.faults.append(f"{figures.versions} versions of {figures.finished} finished jobs")
        known = {job.id for job in self._jobs}
        listed = call("GET", f"{self._stack.url}/jobs?limit=200")
        assert listed is not None
        figures.duplicates = sum(record["id"] not in known for record in listed.json()["jobs"])
        if figures.duplicates:
            figures.faults.append(f"{figures.duplicates} jobs that one request started twice")
        left = [process.pid for process in psutil.process_iter() if self._is_left(process)]
        if left:
            figures.faults.append(f"processes of finished jobs still run: {left}")

    def _is_left(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return any(job.id in process.cmdline() for job in self._jobs)
        return False
