"""Periodic background thread: calls a function every few seconds and logs its failures without repeating them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from core.errors import DuetError


class PeriodicThread:
    """Thread that calls a function every `every_seconds`."""

    def __init__(
        self,
        name: str,
        call: Callable[[], object],
        *,
        every_seconds: float,
        log: logging.Logger,
        at_once: bool = False,
    ) -> None:
        """Create the thread; `start` starts it.

        Args:
            name: of the work, for the thread and the log.
            call: one round. An exception ends the round only, and the next round tries again.
            every_seconds: time between two rounds.
            log: receives the first of several equal failures: errors of the project and of the system as warnings,
                others with a traceback.
            at_once: make the first call at the start instead of after `every_seconds`.
        """
        self._name = name
        self._call = call
        self._every_seconds = every_seconds
        self._log = log
        self._at_once = at_once
        self._failure: type[Exception] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, if it was neither started nor closed yet."""
        if self._thread.ident is None and not self._stop.is_set():
            self._thread.start()

    def close(self, timeout_seconds: float) -> None:
        """Stop the thread after its current round, or return after `timeout_seconds`; the thread ends later then."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def run_once(self) -> None:
        """Run one round in the calling thread; use it before `start` only. It never raises."""
        try:
            self._call()
        except Exception as error:
            if type(error) is not self._failure:
                self._report(error)
            self._failure = type(error)
        else:
            self._failure = None

    def _run(self) -> None:
        if self._at_once:
            self.run_once()
        while not self._stop.wait(self._every_seconds):
            self.run_once()

    def _report(self, error: Exception) -> None:
        is_expected = isinstance(error, DuetError | OSError)
        self._log.log(
            logging.WARNING if is_expected else logging.ERROR,
            "%s failed, and is tried again every %g s: %s",
            self._name,
            self._every_seconds,
            error,
            exc_info=None if is_expected else error,
        )
