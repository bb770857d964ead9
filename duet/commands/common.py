"""Options, output and the message after Ctrl-C, shared by the commands that read images or train."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.completion import complete_data, complete_recipe, complete_version

if TYPE_CHECKING:
    from rich.progress import Progress

Data = Annotated[
    str,
    typer.Option(help="Data set: cifar10, or folder:NAME for DUET_HOME/datasets/NAME.", autocompletion=complete_data),
]
DataOfVersion = Annotated[
    str | None,
    typer.Option(
        help="Data set as for duet train; by default the one that the version was trained on.",
        autocompletion=complete_data,
    ),
]
Reference = Annotated[
    str,
    typer.Argument(metavar="REF", help="Version: cnn@3, or cnn for its champion.", autocompletion=complete_version),
]
FirstReference = Annotated[
    str,
    typer.Argument(
        metavar="REF", help="First version: mlp@4, or mlp for its champion.", autocompletion=complete_version
    ),
]
SecondReference = Annotated[str, typer.Argument(metavar="REF", help="Second version.", autocompletion=complete_version)]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder that contains cifar-10-batches-py; by default DUET_DATA_DIR.")
]
Download = Annotated[bool, typer.Option("--download", help="Download a built-in data set if it is missing.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of CPU threads; by default all available cores.")]
Recipe = Annotated[
    str, typer.Argument(help="Name of the recipe, such as mlp_baseline.", autocompletion=complete_recipe)
]
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


@contextmanager
def interruptible(advice: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C, print `advice()`, which says how to resume, and exit with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted: {advice()}")
        raise typer.Exit(130) from None


def this_command(*added: str, without: tuple[str, ...] = ()) -> str:
    """Return the running command for the shell, with options added and removed."""
    words = [word for word in sys.argv[1:] if word not in (*added, *without)]
    return shlex.join(["duet", *words, *added])


def run_again() -> str:
    """Return the advice for commands that continue when they are run again."""
    return f"finished parts are kept; run the same command again to resume: {this_command()}"
