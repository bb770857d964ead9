"""Event reporter of a training job: sends progress to the worker as events and writes it to the job's log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.jobs.count_reporter import PAUSE_SECONDS
from core.jobs.events import Epoch, FitStarted, Note, Progress, Stage
from core.jobs.worker_channel import WorkerChannel

if TYPE_CHECKING:  # they load torch, which a download does not need
    from training.run.checkpoint import EpochRecord
    from training.run.reporter import Written


class EventReporter:
    """A `Reporter` that sends events to the worker. All methods may raise JobCancelledError.

    Args:
        channel: channel to the worker.
        epochs: total number of epochs.
        clock: monotonic clock, in seconds.
    """

    def __init__(self, channel: WorkerChannel, *, epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._channel = channel
        self._epochs = epochs
        self._clock = clock
        self._steps = self._done = self._first_done = 0
        self._first_at = self._sent_at = 0.0

    def stage(self, name: str) -> None:
        """Send and log the stage."""
        self._channel.check()
        _log(name)
        self._channel.send(Stage(name=name))

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """Send and log the start of training, and count steps from `done`."""
        self._channel.check()
        self._steps, self._done, self._first_done = steps, done, done
        _log(detail)
        self._channel.send(FitStarted(steps=steps, done=done, detail=detail))

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """Send progress for the first and the last step, and at most every `PAUSE_SECONDS` between them."""
        self._channel.check()
        now = self._clock()
        self._done += 1
        if self._done == self._first_done + 1:
            self._first_at = now
        elif now - self._sent_at < PAUSE_SECONDS and self._done < self._steps:
            return
        self._sent_at = now
        progress = {"epoch": epoch, "epochs": self._epochs, "step": self._done, "steps": self._steps}
        left = self._seconds_left(now)
        self._channel.send(Progress(**progress, loss=loss, accuracy=accuracy, seconds_left=left))

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Send and log the metrics of the epoch."""
        validation = "" if record.validation_accuracy is None else f", validation {record.validation_accuracy:.2%}"
        _log(
            f"epoch {record.epoch} of {epochs}: loss {record.train_loss:.4f}, training {record.train_accuracy:.2%}"
            f"{validation}, {record.seconds:.1f} s"
        )
        self._channel.send(Epoch(**asdict(record), epochs=epochs))
        self._channel.check()

    def fit_ended(self) -> None:
        """Do nothing: the next stage event marks the end of training."""

    def writing(self, what: Written) -> None:
        """Request permission from the worker; raises NotPermittedError if it is refused."""
        self._channel.request_permission(what)

    def note(self, text: str) -> None:
        """Send and log the message."""
        self._channel.check()
        _log(text)
        self._channel.send(Note(text=text))

    def _seconds_left(self, now: float) -> float | None:
        """Remaining training time, from the mean step time of this attempt, including validation and checkpoints.

        The first step does not count, because it allocates memory and selects kernels.
        """
        measured = self._done - self._first_done - 1
        if measured < 1:
            return None
        return round((self._steps - self._done) * (now - self._first_at) / measured, 1)


def _log(text: str) -> None:
    """Write a line to the job's log (standard error)."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", file=sys.stderr, flush=True)
