"""Watchdog for shutdown: ends the process if threads that wait for a file system keep it from exiting."""

from __future__ import annotations

import logging
import os
import threading
import time

CLOSE_SECONDS = 5.0
"""Time without progress, after the last request, after which the process is ended."""
_PROGRESS_SECONDS = 0.005
"""CPU time that counts as progress: a slow process is not ended, but a process whose threads all wait is."""

log = logging.getLogger("duet.service")


class ExitWatchdog:
    """Ends the process with exit code 0 if its parts do not close and it makes no progress for CLOSE_SECONDS.

    At exit, Python waits for all threads. A thread that reads from a network file system that hangs cannot be
    interrupted. No data is lost, because files are only replaced as a whole.
    """

    def __init__(self) -> None:
        self._canceled = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="exit", daemon=True)

    def start(self) -> None:
        """Start watching; repeated calls have no effect."""
        if self._thread.ident is None:
            self._thread.start()

    def cancel(self) -> None:
        """Stop watching."""
        self._canceled.set()

    def _watch(self) -> None:
        spent = time.process_time()
        while not self._canceled.wait(CLOSE_SECONDS):
            before, spent = spent, time.process_time()
            if spent - before < _PROGRESS_SECONDS:
                _end()


def _end() -> None:
    names = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.warning("ended without waiting for %s: no progress for %g s", ", ".join(names), CLOSE_SECONDS)
    logging.shutdown()
    os._exit(0)
