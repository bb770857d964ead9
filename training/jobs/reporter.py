"""What a training run reports, as events to its worker and as lines of the job's log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from core.jobs.events import Epoch, FitStarted, Note, Progress, Stage
from training.jobs.worker_line import WorkerLine
from training.run.checkpoint import EpochRecord
from training.run.reporter import Written

PAUSE_SECONDS = 0.2
"""Between two progress events: for an eye five a second are many, and each one is written to the broker's disk."""


class EventReporter:
    """A `Reporter` that tells a worker; any of its methods may raise JobCancelledError.

    Args:
        line: to the worker.
        epochs: of the whole run.
        clock: seconds; monotonic.
    """

    def __init__(self, line: WorkerLine, *, epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._line = line
        self._epochs = epochs
        self._clock = clock
        self._steps = self._done = self._first_done = 0
        self._first_at = self._told_at = 0.0

    def stage(self, name: str) -> None:
        """Tell it."""
        self._line.check()
        _log(name)
        self._line.send(Stage(name=name))

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """Tell it, and count steps from `done`."""
        self._line.check()
        self._steps, self._done, self._first_done = steps, done, done
        _log(detail)
        self._line.send(FitStarted(steps=steps, done=done, detail=detail))

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """Tell the first step, the last one, and of those in between a few each second."""
        self._line.check()
        now = self._clock()
        self._done += 1
        if self._done == self._first_done + 1:
            self._first_at = now
        elif now - self._told_at < PAUSE_SECONDS and self._done < self._steps:
            return
        self._told_at = now
        self._line.send(
            Progress(
                epoch=epoch,
                epochs=self._epochs,
                step=self._done,
                steps=self._steps,
                loss=loss,
                accuracy=accuracy,
                seconds_left=self._seconds_left(now),
            )
        )

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Tell the epoch's figures."""
        validation = "" if record.validation_accuracy is None else f", validation {record.validation_accuracy:.2%}"
        _log(
            f"epoch {record.epoch} of {epochs}: loss {record.train_loss:.4f}, training {record.train_accuracy:.2%}"
            f"{validation}, {record.seconds:.1f} s"
        )
        self._line.send(Epoch(**asdict(record), epochs=epochs))
        self._line.check()

    def fit_ended(self) -> None:
        """The next stage tells it."""

    def writing(self, what: Written) -> None:
        """Ask for permission, which may raise NotPermittedError."""
        self._line.ask(what)

    def note(self, text: str) -> None:
        """Tell it."""
        self._line.check()
        _log(text)
        self._line.send(Note(text=text))

    def _seconds_left(self, now: float) -> float | None:
        """For the rest of the fit, by the mean time of a step of this attempt with its share of validation and
        checkpoints. The first step is left out, because it allocates memory and picks kernels.
        """
        measured = self._done - self._first_done - 1
        if measured < 1:
            return None
        return round((self._steps - self._done) * (now - self._first_at) / measured, 1)


def _log(text: str) -> None:
    """A line of the job's log, which standard error goes to."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", file=sys.stderr, flush=True)
