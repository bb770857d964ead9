"""The `duet` command line: registration of the sub-commands and error output."""

from __future__ import annotations

import sys

import typer

from core.errors import DuetError
from duet.commands import models, study
from duet.commands.evaluate import evaluate
from duet.commands.explore import explore
from duet.commands.export import export
from duet.commands.interpret import interpret
from duet.commands.repeat import repeat
from duet.commands.report import report
from duet.commands.serve import home, key, serve, worker
from duet.commands.train import train
from duet.commands.tune import tune

app = typer.Typer(
    name="duet",
    help="Train, publish, serve and compare two families of image classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(models.app, name="models")
app.add_typer(study.app, name="study")
app.command()(serve)
app.command()(key)
app.command()(home)
app.command()(worker)
app.command()(train)
app.command()(repeat)
app.command()(tune)
app.command()(evaluate)
app.command()(export)
app.command()(explore)
app.command()(interpret)
app.command()(report)


def main() -> None:
    """Run the command line; a `DuetError` is printed as one line on stderr, with exit code 1."""
    try:
        app()
    except DuetError as error:
        print(f"duet: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
