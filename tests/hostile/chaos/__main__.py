"""Command line of the chaos test; the exit code is 1 if something was lost."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.hostile.chaos import softmax
from tests.hostile.chaos.run import CLOCK, DISK, KILLS, Chaos, Figures
from tests.hostile.chaos.stack import Stack, small_disk
from tests.support.job_api import empty_cifar
from tests.support.job_children import child_doing, training_python


def chaos(disturbances: int, seed: int, *, real: bool = False) -> Figures:
    """Run all processes on a small disk, with torch trainings if `real`, and return the figures."""
    with small_disk() as (disk, mounted), tempfile.TemporaryDirectory(prefix="duet-chaos-") as folder:
        logs, data = Path(folder), Path(folder) / "data"
        if real:
            python, weights = training_python(data), "weights.safetensors"
        else:
            empty_cifar(data)
            python, weights = child_doing(logs / "python", f"from {softmax.__name__} import run"), softmax.WEIGHTS
        with Stack(disk, logs, python, data) as stack:
            kinds = [*KILLS, *([DISK] if mounted else []), *([CLOCK] if stack.clock else [])]
            if not mounted:
                print("no full disk: mounting a tmpfs needs root", file=sys.stderr)
            if stack.clock is None:
                print("no clock steps: libfaketime is not installed", file=sys.stderr)
            return Chaos(stack, seed, tuple(kinds), disturbances, weights).run()


def main(
    disturbances: Annotated[int, typer.Option(min=1, help="Kills, full disks and clock steps.")] = 42,
    seed: Annotated[int, typer.Option(help="Seed of the order and of the pauses.")] = 0,
    real: Annotated[
        bool, typer.Option("--real", help="Train with torch; a job takes half a minute of CPU time.")
    ] = False,
) -> None:
    """Run short trainings under disturbances, and print the figures."""
    figures = chaos(disturbances, seed, real=real)
    print(*figures.lines(), sep="\n")
    if figures.faults:
        print(*figures.faults, sep="\n", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
