"""Watchdog of the end of the process, which threads that wait for a file system would otherwise delay forever."""

from __future__ import annotations

import logging
import os
import threading
import time

CLOSE_SECONDS = 5.0
"""Time without progress, after the last request, when the process is ended."""
_PROGRESS_SECONDS = 0.005
"""CPU time that shows progress: a slow process is not ended, one whose threads all wait is."""

log = logging.getLogger("duet.service")


class ExitWatchdog:
    """Ends the process with exit code 0 if its parts do not close, and it makes no progress for CLOSE_SECONDS.

    Python waits for all threads at the end. A thread that reads from a network file system that hangs cannot be
    interrupted. Such a read loses nothing, because files are only replaced as a whole.
    """

    def __init__(self) -> None:
        self._canceled = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="exit", daemon=True)

    def start(self) -> None:
        """Begin to watch; repeated calls have no effect."""
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
    log.warning("ended without %s: no progress for %g s", ", ".join(names), CLOSE_SECONDS)
    logging.shutdown()
    os._exit(0)
