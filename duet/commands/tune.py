"""`duet tune`: hyperparameter search for a recipe with Optuna, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import DataDir, Download, Recipe, Threads, interruptible, run_again
from duet.commands.extras import require_training

if TYPE_CHECKING:
    from core.recipes import RecipeConfig
    from training.tuning.ablation.study_setup import StudySetup
    from training.tuning.journal import Description


def tune(
    recipe: Recipe,
    trials: Annotated[
        int,
        typer.Option(
            min=1, help="Total number of trials, including planned trials and those of an interrupted search."
        ),
    ] = 24,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of each trial; by default 15 for an mlp, 6 for a cnn.")
    ] = None,
    share: Annotated[float, typer.Option(help="Fraction of the training images, at most 0.9.")] = 0.5,
    confirm: Annotated[
        int, typer.Option(metavar="SEEDS", help="Number of new seeds to confirm the best trial with; at least 2.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    study: Annotated[str | None, typer.Option(help="Name of the study; by default that of the recipe.")] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write the report from the journal, without training.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Output folder; by default DUET_HOME/studies/NAME/report.")] = None,
    data_dir: DataDir = None,
    download: Download = False,
    threads: Threads = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of trial 0.")
    ] = None,
) -> None:
    """Search for better settings of RECIPE on CIFAR-10, evaluated on validation images.

    If interrupted, run the same command again to resume. Trial 0 is the recipe itself. The other planned trials change
    one activation, loss or optimizer, or remove one part of a whitened network: 8 or 9 planned trials, 13 for a
    whitened network. Optuna proposes the remaining trials.
    """
    require_training("duet tune")
    from core.errors import ConfigurationError
    from core.files.home import duet_home, ensure_home
    from core.recipes import recipe_config
    from training.tuning.ablation.progress import StudyProgress
    from training.tuning.confirm import confirm as confirm_best
    from training.tuning.journal import open_journal
    from training.tuning.search import search

    if confirm == 1:
        raise ConfigurationError("one seed cannot measure the variance: give --confirm 2 or more")
    config = recipe_config(recipe)
    name = study or config.recipe
    if report:
        _write_report(name, out)
        return
    config = _first_trial(config, epochs, overrides or [])
    setup, description = _prepare(
        config, name, share=share, seed=seed, data_dir=data_dir, download=download, threads=threads
    )
    home = ensure_home(duet_home())
    with interruptible(run_again), open_journal(home, name, description) as journal, StudyProgress() as progress:
        search(journal, setup, trials=trials, progress=progress)
        if confirm:
            confirm_best(journal, setup, seeds=confirm, progress=progress)
    typer.echo(f"done; write the report with: duet tune {recipe} --report" + (f" --study {study}" if study else ""))


def _first_trial(config: RecipeConfig, epochs: int | None, overrides: list[str]) -> RecipeConfig:
    from core.recipes import parse_override
    from training.tuning.space import trial_epochs

    changes = dict(parse_override(text) for text in overrides)
    return config.with_overrides({"epochs": epochs or trial_epochs(config)} | changes)


def _write_report(name: str, out: Path | None) -> None:
    from core.files.home import duet_home
    from training.tuning.ablation.study_folder import study_folder
    from training.tuning.report import write_report

    home = duet_home()
    typer.echo(f"written to {write_report(home, name, out or study_folder(home, name) / 'report')}")


def _prepare(
    config: RecipeConfig,
    name: str,
    *,
    share: float,
    seed: int,
    data_dir: Path | None,
    download: bool,
    threads: int | None,
) -> tuple[StudySetup, Description]:
    """Check the settings and the teacher, load the images and describe the study for its journal."""
    from core.cpu import available_cores
    from core.files.home import duet_home
    from core.repository.repository import ModelRepository
    from training.fit.distillation import pin_teacher_version, read_teachers
    from training.fit.dtype import pick_device
    from training.pipeline.requests import load_training_images
    from training.tuning.ablation.study_setup import make_study_setup, require_study_config
    from training.tuning.journal import Description, begun_config
    from training.tuning.space import space_for

    repository = ModelRepository.open()
    require_study_config(config)
    space_for(config)
    config = pin_teacher_version(config, repository, resumed=begun_config(duet_home(), name))
    config, images = load_training_images(
        config, "cifar10", repository, data_dir=data_dir, download=download, note=typer.echo
    )
    setup = make_study_setup(images, share, repository, threads=threads or available_cores(), device=pick_device())
    # A journal is bound to its teacher, so check the teacher before the journal is created.
    read_teachers(config, setup.images, repository)
    description = Description(
        config=config,
        share=share,
        seed=seed,
        data=images.dataset.name,
        data_digest=images.dataset.digest,
        split_digest=setup.images.split.digest,
    )
    return setup, description
