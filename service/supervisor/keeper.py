"""Keeps one program running: started when it may be, started again when it ends, stopped when asked."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from service.supervisor.backoff import Backoff
from service.supervisor.program import Program, describe_end

log = logging.getLogger("duet.supervisor")

_LOOK_AGAIN_SECONDS = 0.02


class Keeper:
    """A thread that starts a program and waits for it; see Program.start for why it does both."""

    def __init__(self, program: Program, *, may_start: Callable[[], bool] | None = None) -> None:
        """Nothing is started yet.

        Args:
            program: to keep running.
            may_start: asked until it says yes before each start.
        """
        self._program = program
        self._may_start = may_start
        self._backoff = Backoff()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=program.name, daemon=True)

    def start(self) -> None:
        """Start the program in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the program to end, kill it when it takes too long, and return when it is gone."""
        with self._starting:
            self._stopping.set()
        self._signal(signal.SIGTERM)
        self._thread.join(self._program.stop_seconds)
        if self._thread.is_alive():
            log.error("the %s did not stop within %g s and is killed", self._program.name, self._program.stop_seconds)
            self.kill()
            self._thread.join()

    def kill(self) -> None:
        """End the program and what is left of its process group at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)

    def _keep(self) -> None:
        while self._is_allowed():
            started = time.monotonic()
            how = self._run()
            if self._stopping.is_set():
                return
            pause = self._backoff.pause(time.monotonic() - started)
            words = self._program.last_words()
            extra = {"last_words": words} if words else {}
            log.error("the %s ended with %s; starting it again in %g s", self._program.name, how, pause, extra=extra)
            self._stopping.wait(pause)

    def _is_allowed(self) -> bool:
        while not self._stopping.is_set():
            if self._may_start is None or self._may_start():
                return True
            self._stopping.wait(_LOOK_AGAIN_SECONDS)
        return False

    def _run(self) -> str:
        """Start the program and wait until it ends; how it did, in words."""
        with self._starting:
            if self._stopping.is_set():
                return "no start"
            try:
                self._process = self._program.start()
            except OSError as error:
                return f"{error.strerror} when it was started"
        log.info("the %s is started", self._program.name, extra={"pid": self._process.pid})
        return describe_end(self._process.wait())
