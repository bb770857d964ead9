"""`duet study`: ablation studies with many short runs."""

from __future__ import annotations

from typing import Annotated

import typer

from duet.commands.common import DataDir, Download, Threads, interruptible, run_again
from duet.commands.completion import complete_recipe, complete_version
from duet.commands.extras import require_training

app = typer.Typer(help="Ablation studies with many short runs, evaluated on validation images.", no_args_is_help=True)


@app.command()
def augmentation(
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            help="Recipe, may be repeated; by default mlp_labels and cnn_fast.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Number of seeds, starting from 0.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each run.")] = 8,
    share: Annotated[float, typer.Option(help="Fraction of the training images, at most 0.9.")] = 0.5,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Add a step that distills from this version, such as teacher@1, not trained on validation images.",
            autocompletion=complete_version,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the study.")] = "augmentation",
    data_dir: DataDir = None,
    download: Download = False,
    threads: Threads = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all recipes.")
    ] = None,
) -> None:
    """Ablation of augmentation: none, + flip, + translate, + cutout, + mixup (+ distillation), cumulatively.

    If interrupted, run the same command again to resume. Results, table and figure: DUET_HOME/studies/NAME/.
    """
    require_training("duet study")
    from core.cpu import available_cores
    from core.files.home import duet_home, ensure_home
    from core.recipes import parse_override, recipe_config
    from core.repository.repository import ModelRepository
    from training.fit.dtype import pick_device
    from training.pipeline.requests import load_training_images
    from training.tuning.ablation.augmentation import require_used, run_study
    from training.tuning.ablation.augmentation_report import write_report
    from training.tuning.ablation.progress import StudyProgress
    from training.tuning.ablation.study_folder import study_folder
    from training.tuning.ablation.study_setup import make_study_setup, require_study_config

    repository = ModelRepository.open()
    changes = {"epochs": epochs} | dict(parse_override(text) for text in overrides or [])
    configs = [recipe_config(recipe).with_overrides(changes) for recipe in recipes or ("mlp_labels", "cnn_fast")]
    for config in configs:
        require_study_config(config)
        require_used(recipe_config(config.recipe), config)
    teacher = None if teacher is None else "{}@{}".format(*repository.resolve(teacher))
    _, images = load_training_images(
        configs[0], "cifar10", repository, data_dir=data_dir, download=download, note=typer.echo
    )
    setup = make_study_setup(images, share, repository, threads=threads or available_cores(), device=pick_device())
    folder = study_folder(ensure_home(duet_home()), name)
    with interruptible(run_again), StudyProgress() as progress:
        study = run_study(configs, seeds, setup, folder, teacher=teacher, progress=progress)
    typer.echo(f"written to {write_report(folder, study)}")


@app.command()
def settings(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as cnn_robust.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--try", metavar="KEY=VALUE", help="Change to try, may be repeated; several settings separated by spaces."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, starting from 0.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each run.")] = 6,
    share: Annotated[float, typer.Option(help="Fraction of the training images, at most 0.9.")] = 0.9,
    name: Annotated[str, typer.Option(help="Name of the study.")] = "settings",
    data_dir: DataDir = None,
    download: Download = False,
    threads: Threads = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all runs.")
    ] = None,
) -> None:
    """Compare RECIPE with changes of it: accuracy and flag rate on clean and corrupted validation images.

    The corruptions are the four extra kinds of CIFAR-10-C. If interrupted, run the same command again to resume.
    Results and table: DUET_HOME/studies/NAME/.
    """
    require_training("duet study")
    from core.cpu import available_cores
    from core.files.home import duet_home, ensure_home
    from core.recipes import parse_override, recipe_config
    from core.repository.repository import ModelRepository
    from training.fit.distillation import pin_teacher_version
    from training.fit.dtype import pick_device
    from training.pipeline.requests import load_training_images
    from training.tuning.ablation.progress import StudyProgress
    from training.tuning.ablation.settings import changed_configs, run_settings
    from training.tuning.ablation.study_folder import study_folder
    from training.tuning.ablation.study_setup import make_study_setup

    repository = ModelRepository.open()
    shared = {"epochs": epochs} | dict(parse_override(text) for text in overrides or [])
    configs = changed_configs(recipe_config(recipe).with_overrides(shared), changes or [])
    configs = {change: pin_teacher_version(config, repository) for change, config in configs.items()}
    folder = study_folder(ensure_home(duet_home()), name)
    _, images = load_training_images(
        configs[""], "cifar10", repository, data_dir=data_dir, download=download, note=typer.echo
    )
    setup = make_study_setup(images, share, repository, threads=threads or available_cores(), device=pick_device())
    with StudyProgress() as progress:
        page = run_settings(configs, seeds, setup, folder, progress=progress)
    typer.echo(f"written to {page}")
