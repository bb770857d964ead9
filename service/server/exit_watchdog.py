"""Watchdog of the end of the process, which threads that wait for a file system would otherwise delay forever."""

from __future__ import annotations

import logging
import os
import threading

CLOSE_SECONDS = 5.0
"""Time limit for closing all parts of the service, after the last request."""

log = logging.getLogger("duet.service")


class ExitWatchdog:
    """Ends the process with exit code 0 if it does not end, or `cancel` is not called, within CLOSE_SECONDS.

    Python waits for all threads at the end. A thread that reads from a network file system that hangs cannot be
    interrupted. Such a read loses nothing, because files are only replaced as a whole.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Start the time limit; repeated calls have no effect."""
        if self._timer is None:
            self._timer = threading.Timer(CLOSE_SECONDS, _end)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Cancel the time limit."""
        if self._timer is not None:
            self._timer.cancel()


def _end() -> None:
    names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    log.warning("ended without %s, which did not end within %g s", ", ".join(names), CLOSE_SECONDS)
    logging.shutdown()
    os._exit(0)
