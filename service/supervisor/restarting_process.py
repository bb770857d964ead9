"""Supervised process that is restarted whenever it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from service.supervisor.backoff import Backoff
from service.supervisor.program import Program, describe_end
from service.supervisor.supervised_process import SupervisedProcess

log = logging.getLogger("duet.supervisor")

_POLL_SECONDS = 0.02


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
