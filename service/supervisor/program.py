"""A program to run as a child, and how it is started and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")


@dataclass(frozen=True)
class Program:
    """What to run, and how.

    Attributes:
        name: for log lines.
        command: the program and its arguments.
        stop_seconds: how long it may take to end after SIGTERM.
        environment: variables that it gets on top of this process's.
        folder: its working directory; None for this process's.
        output: file that what it prints is appended to; None: printed among this process's log lines.
        lock: file that it holds locked as long as it lives; a second one waits until the first is gone.
        niceness: how far its priority is lowered, 0 to 19.
        orphaned: the signal that it gets when this process dies.
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
        """Start it in a session of its own, so that Ctrl-C in a terminal reaches this process alone.

        Linux ends it when the *thread* that started it ends, so that has to be one that waits for it.

        Raises:
            OSError: it cannot be started.
        """
        leash = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), str(int(self.orphaned))]
        command = [*leash, str(self.niceness), str(self.lock or ""), *self.command]
        environment = {**os.environ, **self.environment}
        if self.output is None:
            # Standard output has the address line of the service alone.
            return self._popen(command, environment, sys.stderr.fileno())
        with self.output.open("ab") as printed:
            return self._popen(command, environment, printed.fileno())

    def _popen(self, command: list[str], environment: dict[str, str], output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def last_words(self, lines: int = 1) -> str | None:
        """The last `lines` that it printed into its file, with slashes between; None where there are none."""
        if self.output is None:
            return None
        try:
            with self.output.open("rb") as printed:
                printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4096))
                said = printed.read().decode(errors="replace").split("\n")
        except OSError:
            return None
        return " / ".join([line.strip() for line in said if line.strip()][-lines:]) or None


def describe_end(status: int) -> str:
    """An exit status as `subprocess` gives it, in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
