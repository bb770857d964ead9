"""Progress bars of a study: one for its runs, one for the steps of the current run."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import TaskID

from training.run.checkpoint import EpochRecord
from training.run.reporter import ConsoleReporter


class StudyProgress(ConsoleReporter):
    """Reporter and context manager that draws both bars and prints a line for each finished run."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._runs: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def runs(self, what: str, *, done: int, total: int, figures: str = "") -> None:
        """Update the bar of the runs; `figures` is shown beside it."""
        if self._runs is None:
            self._runs = self._progress.add_task(what, total=total, completed=done, figures=figures)
        self._progress.update(self._runs, description=what, total=total, completed=done, figures=figures)

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self.note(text)

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """Show the bar of the run."""
        self._validation = None
        self._task = self._progress.add_task("  run", total=steps, completed=done, figures="")

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Show the metrics of the epoch in the bar of the run."""
        if record.validation_accuracy is not None:
            self._validation = (record.epoch, record.validation_accuracy)
        self._show(record.epoch, record.train_loss, record.train_accuracy, advance=0)

    def fit_ended(self) -> None:
        """Remove the bar of the run."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
