"""Progress bars of a study: one for its runs, one for the steps of the current run."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import TaskID

from training.run.checkpoint import EpochRecord
from training.run.reporter import Written, bars


class StudyProgress:
    """Reporter and context manager that draws both bars and prints a line for each finished run."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = bars(self._console)
        self._runs: TaskID | None = None
        self._steps: TaskID | None = None
        self._accuracy = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def runs(self, what: str, *, done: int, total: int, figures: str = "") -> None:
        """Update the bar of the runs; `figures` is shown beside it."""
        if self._runs is None:
            self._runs = self._progress.add_task(what, total=total, completed=done, figures=figures)
        self._progress.update(self._runs, description=what, total=total, completed=done, figures=figures)

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stage(self, name: str) -> None:
        """Print the stage's name."""
        self.line(name)

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """Show the bar of the run."""
        self._accuracy = ""
        self._steps = self._progress.add_task("  run", total=steps, completed=done, figures="")

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """Advance the bar of the run."""
        if self._steps is not None:
            figures = f"epoch {epoch}  loss {loss:.3f}  train {accuracy:.1%}{self._accuracy}"
            self._progress.update(self._steps, advance=1, figures=figures)

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Show the validation accuracy of the epoch."""
        if record.validation_accuracy is not None:
            self._accuracy = f"  validation {record.validation_accuracy:.1%}"

    def fit_ended(self) -> None:
        """Remove the bar of the run."""
        if self._steps is not None:
            self._progress.remove_task(self._steps)
            self._steps = None

    def writing(self, what: Written) -> None:
        """Ignore the files that are written."""

    def note(self, text: str) -> None:
        """Print the text."""
        self.line(text)
