"""Worker's end of the pipes to a job process, for tests in the role of the worker."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.jobs.events import Permission, Permit, ReportedEvent, read_child_message
from service.jobs.worker.child_process import Child

PATIENCE_S = 180.0


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
    command = [str(python), "-m", "training", "job", "--id", job_id, "--kind", kind]
    command += ["--parameters", str(written), "--threads", "1"]
    own = {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(home / "none"), "OMP_NUM_THREADS": "1"}
    child = Child(command, {**os.environ, **own, **environment}, home / "log.txt", nice=0)
    try:
        yield WorkerEnd(child)
    finally:
        child.close()
