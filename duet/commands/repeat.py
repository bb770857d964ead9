"""`duet repeat`: train a recipe with several seeds and report mean and standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import DataDir, Download, Overrides, Recipe, Threads, interruptible, run_again
from duet.commands.completion import complete_family
from duet.commands.extras import require_training

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.recipes import RecipeConfig
    from core.repository.manifest import Manifest


def repeat(
    recipe: Recipe,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, starting from 0.")] = 3,
    goal: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Target for the mean single-view test accuracy, such as 0.94."),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(help="Family to publish under; by default the network's kind.", autocompletion=complete_family),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the runs; by default the recipe.")] = None,
    data_dir: DataDir = None,
    download: Download = False,
    threads: Threads = None,
    overrides: Overrides = None,
) -> None:
    """Train RECIPE on CIFAR-10 with several seeds; if interrupted, run the same command again to resume.

    Every seed is published as a version, and none is promoted. All values, their mean and their standard deviation
    are printed and written to DUET_HOME/runs/NAME.json. A --goal is reached if the one-sided 95 % t-bound of the
    mean is at least the goal, which needs two or more seeds.
    """
    require_training("duet repeat")
    from core.cpu import available_cores
    from core.files.home import duet_home, ensure_home, named_run
    from core.recipes import parse_override, recipe_config
    from core.repository.repository import ModelRepository
    from training.fit.dtype import pick_device
    from training.pipeline.repeat_seeds import train_seeds
    from training.pipeline.requests import run_request
    from training.run.reporter import ConsoleReporter

    repository = ModelRepository.open()
    config = recipe_config(recipe).with_overrides(dict(parse_override(text) for text in overrides or []))
    home = ensure_home(duet_home())
    name = name or config.recipe
    with interruptible(run_again), ConsoleReporter() as reporter:

        def train(seeded: RecipeConfig, folder: Path, resume: bool) -> Manifest:
            reporter.note(f"seed {seeded.seed}")
            return run_request(
                seeded,
                "cifar10",
                family or seeded.network.kind,
                repository,
                folder,
                reporter=reporter,
                threads=threads or available_cores(),
                device=pick_device(),
                resume=resume,
                data_dir=data_dir,
                download=download,
            )

        manifests = train_seeds(
            config, range(seeds), repository, lambda seed: named_run(home, f"{name}-seed{seed}"), train
        )
    _report(manifests, goal, named_run(home, f"{name}.json"))


def _report(manifests: Sequence[Manifest], goal: float | None, path: Path) -> None:
    """Print the metrics of all seeds and the verdict on the goal, and write them to a JSON file."""
    from rich.console import Console
    from rich.table import Table

    from training.pipeline.repeat_seeds import accuracy_goal, spreads, write_report

    verdict = None if goal is None else accuracy_goal(goal, manifests)
    write_report(path, manifests, verdict)
    table = Table("", *(manifest.reference for manifest in manifests), "mean", "standard deviation")
    for figure, spread in spreads(manifests).items():
        deviation = "" if spread.deviation is None else f"{spread.deviation:.5g}"
        table.add_row(figure, *(f"{value:.5g}" for value in spread.values), f"{spread.mean:.5g}", deviation)
    Console().print(table)
    if verdict is not None:
        typer.echo(verdict.sentence)
    typer.echo(f"written to {path}")
