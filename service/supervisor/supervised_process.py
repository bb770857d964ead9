"""Supervised processes: a thread starts a program and waits for it, or restarts it with backoff."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from service.supervisor.program import Program, describe_end

log = logging.getLogger("duet.supervisor")

_POLL_SECONDS = 0.02
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 10.0
STABLE_SECONDS = 30.0


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


class Backoff:
    """Pauses that double with each restart; a run longer than STABLE_SECONDS resets them."""

    def __init__(self, max_seconds: float = MAX_PAUSE_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def pause(self, ran_seconds: float) -> float:
        """Seconds to wait before restarting a program that ended after `ran_seconds`."""
        if ran_seconds > STABLE_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        pause = self._pause_seconds
        self._pause_seconds = min(2 * pause, self._max_seconds)
        return pause


class RestartingProcess(SupervisedProcess):
    """Starts a program, and restarts it with backoff whenever it ends."""

    def __init__(self, program: Program, *, may_start: Callable[[], bool] | None = None) -> None:
        """Start nothing yet.

        Args:
            program: to keep running.
            may_start: polled before each start until it returns True.
        """
        super().__init__(program)
        self._may_start = may_start
        self._backoff = Backoff()

    def stop(self) -> None:
        """Terminate the program, kill it after its time limit, and return when it has ended."""
        self._terminate(whole_group=False)
        if self._thread.is_alive():
            log.error("the %s did not stop within %g s, killing it", self._program.name, self._program.stop_seconds)
            self.kill()
            self._thread.join()

    def _supervise(self) -> None:
        while self._is_allowed():
            started = time.monotonic()
            how = self._run()
            if self._stopping.is_set():
                return
            pause = self._backoff.pause(time.monotonic() - started)
            output = self._program.last_output()
            extra = {"last_words": output} if output else {}
            log.error("the %s ended with %s, restarting it in %g s", self._program.name, how, pause, extra=extra)
            self._stopping.wait(pause)

    def _is_allowed(self) -> bool:
        while not self._stopping.is_set():
            if self._may_start is None or self._may_start():
                return True
            self._stopping.wait(_POLL_SECONDS)
        return False

    def _run(self) -> str:
        """Run the program to its end; returns a description of its exit."""
        try:
            process = self._begin()
        except OSError as error:
            return f"{error.strerror} at its start"
        if process is None:
            return "not started"
        log.info("started the %s", self._program.name, extra={"pid": process.pid})
        return describe_end(process.wait())
