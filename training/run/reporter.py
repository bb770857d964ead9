"""How a run tells what it is doing: a reporter that the fit calls, and the one that draws a progress bar."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from training.run.checkpoint import EpochRecord

Written = Literal["checkpoint", "publish"]


class Reporter(Protocol):
    """What a run reports, in this order: stages; within the fit, steps and epochs.

    A method that raises ends the run there; a checkpoint that is on disk by then stays.
    """

    def stage(self, name: str) -> None:
        """A new part of the pipeline begins."""

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """The fit begins at step `done` of `steps`."""

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """One more step is done; the figures are running means of this epoch."""

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """An epoch is done and its checkpoint is on disk."""

    def fit_ended(self) -> None:
        """The fit is over."""

    def writing(self, what: Written) -> None:
        """A checkpoint is about to be written, or a version to be put in place; raising keeps it from being."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class ConsoleReporter:
    """Draws stages and a progress bar with loss, accuracies and time left; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._validation = ""
        self._task: TaskID | None = None
        self._progress = bars(self._console)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """Print the stage's name."""
        self._console.print(f"[bold]{name}[/bold]")

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """Show the bar."""
        self._console.print(detail)
        self._progress.start()
        self._task = self._progress.add_task("fit", total=steps, completed=done, figures="")

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """Advance the bar."""
        if self._task is not None:
            figures = f"epoch {epoch}  loss {loss:.3f}  train {accuracy:.1%}{self._validation}"
            self._progress.update(self._task, advance=1, figures=figures)

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Print the epoch's line above the bar."""
        line = f"epoch {record.epoch}/{epochs}  loss {record.train_loss:.4f}  train {record.train_accuracy:.2%}"
        if record.validation_accuracy is not None:
            self._validation = f"  validation {record.validation_accuracy:.1%}"
            line += f"  validation {record.validation_accuracy:.2%} (loss {record.validation_loss:.4f})"
        self._console.print(f"{line}  {record.seconds:.1f} s", highlight=False)

    def fit_ended(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def writing(self, what: Written) -> None:
        """Nobody at a terminal is asked."""

    def note(self, text: str) -> None:
        """Print the text."""
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def bars(console: Console) -> Progress:
    """Progress bars whose tasks have a field `figures`, shown behind the count; not started yet."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
