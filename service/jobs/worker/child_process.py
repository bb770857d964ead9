"""Child process of a job: own session, CPU priority, event pipe, and termination of its whole process group."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from core.jobs.events import MAX_LINE_BYTES, Cancel, Permission, to_line
from service.jobs.worker.line_reader import LineReader

_AUTOGROUP_TRIES, _AUTOGROUP_PAUSE_SECONDS = 5, 0.1


class Child:
    """A running job. Call `close` at the end; it kills the rest of the process group.

    Args:
        command: program and arguments; `--events N` (file descriptor for events) and `--parent N` (id of this process)
            are appended.
        environment: of the process.
        log: file to which the output of the process is appended.
        nice: niceness added to that of this process, 0 to 19.

    Raises:
        OSError: the command cannot be started, or the log cannot be written.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, *, nice: int) -> None:
        events_in, events_out = os.pipe()
        stdin_in, stdin_out = os.pipe()
        try:
            with log.open("ab") as printed:
                self._process = subprocess.Popen(
                    [*command, "--events", str(events_out), "--parent", str(os.getpid())],
                    stdin=stdin_in,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    pass_fds=(events_out,),
                    env=environment,
                    start_new_session=True,
                )
        except BaseException:
            os.close(events_in)
            os.close(stdin_out)
            raise
        finally:
            os.close(stdin_in)
            os.close(events_out)
        self._stdin = os.fdopen(stdin_out, "wb", buffering=0)
        self.descriptor = events_in
        """Readable when the child has written events."""
        self.lines = LineReader(events_in, limit=MAX_LINE_BYTES)
        self.status: int | None = None
        """Exit status after `close`, negative if a signal ended the process."""
        lower_priority(self._process.pid, nice)

    @property
    def pid(self) -> int:
        """Process id, and that of its session and group."""
        return self._process.pid

    def send(self, message: Permission | Cancel) -> None:
        """Send a message to the child; ignored if it has ended."""
        with suppress(BrokenPipeError):
            self._stdin.write(to_line(message))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and to everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def has_ended(self) -> bool:
        """Return whether the process has ended. It is not reaped, so that its id still identifies its group."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def close(self) -> int:
        """Kill the rest of the group and return the exit status, negative if a signal ended the process."""
        if self.status is not None:
            return self.status
        self.signal(signal.SIGKILL)
        self.status = self._process.wait()
        self._stdin.close()
        os.close(self.descriptor)
        return self.status


def lower_priority(leader: int, nice: int) -> None:
    """Lower the priority of a process that leads its own session, and of its future children.

    Linux divides the CPU between sessions first (autogroups in sched(7)), with equal weight, and applies niceness only
    within a session. Without a lower autogroup priority, a nice job would get as much CPU as the API. In containers
    autogroups have no effect.

    Args:
        leader: process id of the session leader.
        nice: niceness added to that of this process, 0 to 19.
    """
    if nice > 0:
        niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice)
        os.setpriority(os.PRIO_PGRP, leader, niceness)
        _lower_session(leader, niceness)


def _lower_session(leader: int, niceness: int) -> None:
    session = Path(f"/proc/{leader}/autogroup")
    for _ in range(_AUTOGROUP_TRIES):
        try:
            session.write_text(str(niceness), encoding="utf-8")
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return  # no autogroups, or no permission
            time.sleep(_AUTOGROUP_PAUSE_SECONDS)  # non-root users may change one autogroup per 0.1 s
        else:
            return
