"""Options and output shared by the commands that read images or train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

Data = Annotated[str, typer.Option(help="Data set: cifar10, or folder:NAME for DUET_HOME/datasets/NAME.")]
DataOfVersion = Annotated[
    str | None, typer.Option(help="Data set as for duet train; by default the one that the version was trained on.")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder that contains cifar-10-batches-py; by default DUET_DATA_DIR.")
]
Download = Annotated[bool, typer.Option("--download", help="Download a built-in data set if it is missing.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of CPU threads; by default all available cores.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as epochs=3.")
]


def note(text: str) -> None:
    """Print a line to stderr."""
    typer.echo(text, err=True)


def progress_bar() -> Progress:
    """Return a progress display on stderr; use it in a `with` block."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))
