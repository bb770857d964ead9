"""Keeps one program running: started when it may be, started again when it ends, stopped when asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from service.supervisor.backoff import Backoff
from service.supervisor.program import Program, describe_end
from service.supervisor.supervised_process import SupervisedProcess

log = logging.getLogger("duet.supervisor")

_LOOK_AGAIN_SECONDS = 0.02


class RestartingProcess(SupervisedProcess):
    """Starts a program, and starts it again whenever it ends."""

    def __init__(self, program: Program, *, may_start: Callable[[], bool] | None = None) -> None:
        """Nothing is started yet.

        Args:
            program: to keep running.
            may_start: asked until it says yes before each start.
        """
        super().__init__(program)
        self._may_start = may_start
        self._backoff = Backoff()

    def stop(self) -> None:
        """Ask the program to end, kill it when it takes too long, and return when it is gone."""
        self._ask_to_end(whole_group=False)
        if self._thread.is_alive():
            log.error("the %s did not stop within %g s and is killed", self._program.name, self._program.stop_seconds)
            self.kill()
            self._thread.join()

    def _supervise(self) -> None:
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
        try:
            process = self._begin()
        except OSError as error:
            return f"{error.strerror} when it was started"
        if process is None:
            return "no start"
        log.info("the %s is started", self._program.name, extra={"pid": process.pid})
        return describe_end(process.wait())
