"""Maintenance thread of captured traffic: erases deleted records and removes expired segments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from service.periodic_thread import PeriodicThread
from service.traffic.deletion import Deletions, Hidden
from service.traffic.record import traffic_folder
from service.traffic.retention import remove_expired
from service.traffic.segments import segments_folder

log = logging.getLogger("duet.traffic")
EVERY_SECONDS = 5.0
CLOSE_SECONDS = 5.0
"""Time for the current round to finish at shutdown; an interrupted round is repeated by the next process."""


class TrafficMaintenance:
    """Erases and removes every few seconds; of all processes that share a home, one works at a time."""

    def __init__(
        self,
        home: Path,
        *,
        days: float,
        erase_labels: Callable[[Hidden], int] | None = None,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """`days` is the maximum age of a segment; `erase_labels` erases the labels of deleted records."""
        self._home = home
        self._days = days
        self._deletions = Deletions(home)
        self._erase_labels = erase_labels
        self._thread = PeriodicThread("traffic maintenance", self.run_once, every_seconds=every_seconds, log=log)

    def start(self) -> None:
        """Start the thread, if it has not started yet."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread after its current round, or without waiting longer than CLOSE_SECONDS."""
        self._thread.close(CLOSE_SECONDS)

    def run_once(self) -> None:
        """Run one round, or do nothing if another process is running one, or if nothing was ever captured.

        Raises:
            OSError: a file cannot be read or written.
        """
        if not traffic_folder(self._home).is_dir():
            return
        try:
            with FileLock(traffic_folder(self._home) / "maintenance.lock", timeout=0):
                erased = self._deletions.erase(self._erase_labels)
                expired = remove_expired(segments_folder(self._home), self._days)
        except Timeout:
            return
        if erased.finished:
            log.info("erased %d records of captured traffic for %d deletions", erased.records, erased.finished)
        if expired:
            log.info("removed %d segments of captured traffic, which are too old", expired)
