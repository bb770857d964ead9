"""A worker's end of the pipes to a child, for tests that play the worker."""

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


class Talk:
    """Hears a child and grants what it asks, unless told otherwise."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.heard: list[ReportedEvent | Permit] = []
        self._read = 0

    def messages(self, *, grant: bool = True) -> Iterator[ReportedEvent | Permit]:
        """What the child tells, as it comes, until it closes its pipe; each permit is answered after it was given."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.child.lines.ended:
            assert time.monotonic() < deadline, self.heard
            select.select([self.child.descriptor], [], [], 1.0)
            for line in self.child.lines.read():
                assert isinstance(line, bytes)
                message = read_child_message(line)
                self.heard.append(message)
                yield message
                if isinstance(message, Permit):
                    self.child.send(Permission(number=message.number, granted=grant))

    def until_end(self, *, grant: bool = True) -> int:
        """Hear everything; the exit status."""
        for _ in self.messages(grant=grant):
            pass
        return self.end()

    def end(self) -> int:
        """The exit status, once the process has ended by itself."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.child.has_ended():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.child.close()


@contextmanager
def talking(
    python: Path, job_id: str, kind: str, parameters: str, home: Path, environment: Mapping[str, str]
) -> Iterator[Talk]:
    """A child of this process that does the job; killed in the end, if it has not ended."""
    home.mkdir(exist_ok=True)
    command = [str(python), "-m", "training", "job", "--id", job_id, "--kind", kind]
    command += ["--parameters", parameters, "--threads", "1"]
    own = {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(home / "none"), "OMP_NUM_THREADS": "1"}
    child = Child(command, {**os.environ, **own, **environment}, home / "log.txt", nice=0, idle=False)
    try:
        yield Talk(child)
    finally:
        child.close()
