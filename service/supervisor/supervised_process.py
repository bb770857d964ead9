"""Supervised process: a thread that starts a program and waits for it (see `Program.start`)."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from contextlib import suppress

from service.supervisor.program import Program


class SupervisedProcess(ABC):
    """Base class; nothing is started before `start`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._supervise, name=program.name, daemon=True)

    def start(self) -> None:
        """Start the supervising thread."""
        self._thread.start()

    def kill(self) -> None:
        """Kill the program and its process group."""
        self._signal(signal.SIGKILL, whole_group=True)

    @abstractmethod
    def _supervise(self) -> None:
        """Body of the thread, until `_stopping` is set or the work is done."""

    def _begin(self) -> subprocess.Popen[bytes] | None:
        """Start the program; None if the process is stopping. Raises OSError as `Program.start`."""
        with self._starting:
            if self._stopping.is_set():
                return None
            self._process = self._program.start()
        return self._process

    def _terminate(self, *, whole_group: bool) -> None:
        """Prevent further starts, send SIGTERM, and wait for the program's time limit."""
        with self._starting:
            self._stopping.set()
        self._signal(signal.SIGTERM, whole_group=whole_group)
        self._thread.join(self._program.stop_seconds)

    def _signal(self, number: signal.Signals, *, whole_group: bool) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(process.pid, number)
