"""Progress of a job that counts bytes or files: events with the count and the remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.jobs.events import Progress
from core.jobs.worker_channel import WorkerChannel

PAUSE_SECONDS = 0.2
"""Minimum time between two progress events, because the broker writes each one to disk."""


class CountReporter:
    """Sends counts as progress, at most every `PAUSE_SECONDS`; the last count always.

    Args:
        channel: channel to the worker.
        clock: monotonic clock, in seconds.
    """

    def __init__(self, channel: WorkerChannel, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._channel = channel
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._sent: tuple[float, int] | None = None

    def report(self, done: int, total: int) -> None:
        """Report that `done` of `total` are complete; the first call has those of earlier attempts.

        Raises:
            JobCancelledError: the worker cancelled the job.
        """
        self._channel.check()
        now = self._clock()
        if self._first is None:
            self._first = now, done
        if self._sent is not None:
            sent_at, sent = self._sent
            if done == sent or (now - sent_at < PAUSE_SECONDS and done < total):
                return
        self._sent = now, done
        began_at, began = self._first
        # At the mean rate of this attempt.
        left = round((total - done) * (now - began_at) / (done - began), 1) if done > began else None
        progress = {"epoch": 0, "epochs": 0, "step": done, "steps": total}
        self._channel.send(Progress(**progress, loss=None, accuracy=None, seconds_left=left))
