"""Progress reports of a training run: the `Reporter` protocol, and a console reporter with a progress bar."""

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
    """Callbacks of a training run. A method may raise to stop the run; the last checkpoint is kept."""

    def stage(self, name: str) -> None:
        """A new stage of the pipeline starts."""

    def fit_started(self, *, steps: int, done: int, detail: str) -> None:
        """Training starts at step `done` of `steps`."""

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """A step is done. `loss` and `accuracy` are means over the epoch so far."""

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """An epoch is done and its checkpoint is on disk."""

    def fit_ended(self) -> None:
        """Training has ended, successfully or not."""

    def writing(self, what: Written) -> None:
        """A checkpoint or a version is about to be written. Raising prevents it."""

    def note(self, text: str) -> None:
        """A message for the user."""


class ConsoleReporter:
    """Prints stages, and a progress bar with loss, accuracies and remaining time; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._validation: tuple[int, float] | None = None
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
        """Show the progress bar."""
        self._console.print(detail)
        self._progress.start()
        self._task = self._progress.add_task("fit", total=steps, completed=done, figures="")

    def step(self, *, epoch: int, loss: float, accuracy: float) -> None:
        """Advance the progress bar."""
        self._show(epoch, loss, accuracy, advance=1)

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Print the metrics of the epoch above the bar, and show them in the bar, which remains visible at the end."""
        line = f"epoch {record.epoch}/{epochs}  loss {record.train_loss:.4f}  train {record.train_accuracy:.2%}"
        if record.validation_accuracy is not None:
            self._validation = (record.epoch, record.validation_accuracy)
            line += f"  validation {record.validation_accuracy:.2%} (loss {record.validation_loss:.4f})"
        self._console.print(f"{line}  {record.seconds:.1f} s", highlight=False)
        self._show(record.epoch, record.train_loss, record.train_accuracy, advance=0)

    def fit_ended(self) -> None:
        """Stop the progress bar; its last line remains visible."""
        self._progress.stop()

    def writing(self, what: Written) -> None:
        """Do nothing: a run on the console needs no permission."""

    def note(self, text: str) -> None:
        """Print the message."""
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def _show(self, epoch: int, loss: float, accuracy: float, *, advance: int) -> None:
        """Show the metrics in the bar, with the epoch of the validation accuracy if it is an earlier one."""
        if self._task is None:
            return
        figures = f"epoch {epoch}  loss {loss:.3f}  train {accuracy:.1%}"
        if self._validation is not None:
            validated, value = self._validation
            figures += f"  validation {value:.1%}" + (f" (epoch {validated})" if validated != epoch else "")
        self._progress.update(self._task, advance=advance, figures=figures)


def bars(console: Console) -> Progress:
    """Progress bars, not started, whose tasks have a field `figures` that is shown after the count."""
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
