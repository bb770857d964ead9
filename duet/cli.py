"""The `duet` command line: registration of the sub-commands and error output."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from core.errors import DuetError
from duet.commands import datasets, home, keys, models, shadow, study
from duet.commands.completion import complete_in_bash
from duet.commands.delete import archive, delete
from duet.commands.evaluate import evaluate
from duet.commands.explore import explore
from duet.commands.export import export
from duet.commands.export_hub import export_hub
from duet.commands.import_model import import_model
from duet.commands.interpret import interpret
from duet.commands.predict import predict
from duet.commands.repeat import repeat
from duet.commands.report import report
from duet.commands.serve import key, serve, worker
from duet.commands.train import train
from duet.commands.transfer import pull, push
from duet.commands.tune import tune

app = typer.Typer(
    name="duet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

models.app.command()(delete)
models.app.command()(archive)
models.app.command("import")(import_model)
models.app.command()(push)
models.app.command()(pull)
models.app.command("export-hub")(export_hub)
models.app.add_typer(shadow.app, name="shadow")
app.add_typer(models.app, name="models")
app.add_typer(datasets.app, name="datasets")
app.add_typer(study.app, name="study")
app.add_typer(keys.app, name="keys")
app.add_typer(home.app, name="home")
app.command()(serve)
app.command()(key)
app.command()(worker)
app.command()(predict)
app.command()(train)
app.command()(repeat)
app.command()(tune)
app.command()(evaluate)
app.command()(export)
app.command()(explore)
app.command()(interpret)
app.command()(report)


def _print_version(requested: bool) -> None:
    if requested:
        from core.release import release

        typer.echo(f"duet {release()}")
        raise typer.Exit


@app.callback()
def duet(
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version of Duet and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Train, publish, serve and compare two families of image classifiers."""


def main() -> None:
    """Run the command line; a `DuetError` is printed as one line on stderr, with exit code 1."""
    try:
        if os.environ.get("_DUET_COMPLETE") == "complete_bash":
            complete_in_bash(app)
        else:
            app()
    except DuetError as error:
        print(f"duet: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
