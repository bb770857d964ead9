"""Program that runs as a supervised child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")


@dataclass(frozen=True)
class Program:
    """Command line, environment and limits of a child process.

    Attributes:
        name: for log lines.
        command: the program and its arguments.
        stop_seconds: time limit between SIGTERM and its end.
        environment: variables added to those of this process.
        folder: working directory; None for that of this process.
        output: file to which its output is appended; None for this process's standard error.
        lock: file that it keeps locked; a second instance waits for the lock.
        niceness: added to that of this process, 0 to 19.
        orphaned: signal that it receives when this process dies.
    """

    name: str
    command: tuple[str, ...]
    stop_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    output: Path | None = None
    lock: Path | None = None
    niceness: int = 0
    orphaned: signal.Signals = signal.SIGTERM

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a new session, so that Ctrl-C in a terminal reaches only this process.

        Linux sends the parent-death signal when the *starting thread* ends, so that thread must wait for the child.

        Raises:
            OSError: it cannot be started.
        """
        launcher = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), str(int(self.orphaned))]
        command = [*launcher, str(self.niceness), str(self.lock or ""), *self.command]
        # Standard output is reserved for the service's address line.
        with nullcontext(sys.stderr) if self.output is None else self.output.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output.fileno(),
                stderr=output.fileno(),
                start_new_session=True,
            )

    def last_output(self, lines: int = 1) -> str | None:
        """The last `lines` non-empty lines of its output file, joined by slashes; None if there are none."""
        if self.output is None:
            return None
        try:
            with self.output.open("rb") as printed:
                printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4096))
                text = printed.read().decode(errors="replace").split("\n")
        except OSError:
            return None
        return " / ".join([line.strip() for line in text if line.strip()][-lines:]) or None


def describe_end(status: int) -> str:
    """Description of a `subprocess` exit status."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
