"""The process that does a job: started in a session of its own, heard through a pipe, stopped with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from core.jobs.events import MAX_LINE_BYTES, Cancel, Permission, to_line
from service.jobs.worker.line_reader import LineReader
from service.jobs.worker.niceness import give_way


class Child:
    """A running job. `close` must be called in the end; it leaves nothing of the process group alive.

    Args:
        command: what to run; the number of the file descriptor for events is appended as `--events N`, and this
            process's id as `--parent N`.
        environment: of the process.
        log: file that gets what the process prints, after what is there.
        nice: how much nicer than this process it is, 0 to 19.
        idle: whether others run at once in its place.

    Raises:
        OSError: the command cannot be started, or the log cannot be written.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, *, nice: int, idle: bool
    ) -> None:
        heard, tells = os.pipe()
        hears, says = os.pipe()
        try:
            with log.open("ab") as printed:
                self._process = subprocess.Popen(
                    [*command, "--events", str(tells), "--parent", str(os.getpid())],
                    stdin=hears,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    pass_fds=(tells,),
                    env=environment,
                    start_new_session=True,
                )
        except BaseException:
            os.close(heard)
            os.close(says)
            raise
        finally:
            os.close(hears)
            os.close(tells)
        self._says = os.fdopen(says, "wb", buffering=0)
        self.descriptor = heard
        """Readable when the child has told something."""
        self.lines = LineReader(heard, limit=MAX_LINE_BYTES)
        self.status: int | None = None
        """Exit status of the process once `close` was called, negative for the signal that ended it."""
        give_way(self._process.pid, nice, idle=idle)

    @property
    def pid(self) -> int:
        """Process id, and that of its session and group."""
        return self._process.pid

    def tell(self, message: Permission | Cancel) -> None:
        """Say something to the child; one that is gone does not hear it."""
        with suppress(BrokenPipeError):
            self._says.write(to_line(message))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and to everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def has_ended(self) -> bool:
        """Whether the process has ended. It is not waited for yet, so that its id still stands for its group."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def close(self) -> int:
        """Kill what is left of the group; the exit status, negative for the signal that ended the process."""
        if self.status is not None:
            return self.status
        self.signal(signal.SIGKILL)
        self.status = self._process.wait()
        self._says.close()
        os.close(self.descriptor)
        return self.status
