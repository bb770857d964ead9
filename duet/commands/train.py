"""`duet train`: train a recipe and publish the result as a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.data import Data, DataDir, Download, Threads, load_images
from duet.commands.training_extra import require_training

if TYPE_CHECKING:
    from core.manifest import Manifest
    from core.recipes import RecipeConfig
    from core.repository import ModelRepository
    from training.images import Images


def train(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as mlp_baseline.")],
    family: Annotated[
        str | None, typer.Option(help="Publish under this family; by default the network's kind.")
    ] = None,
    data: Data = "cifar10",
    data_dir: DataDir = None,
    download: Download = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of weights, order and augmentation.")] = None,
    threads: Threads = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as epochs=3.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Name of the run's folder; by default recipe and seed.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Drop an interrupted run and start over.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make the new version the family's champion.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, train nothing.")] = False,
) -> None:
    """Train RECIPE, calibrate and evaluate the result, and publish it as the family's next version."""
    require_training("duet train")
    from core.cores import available_cores
    from core.home import duet_home, ensure_home
    from core.recipes import parse_override, recipe_config
    from core.repository import ModelRepository
    from core.runs import named_run
    from training.compute import pick_device
    from training.pipeline import train_version
    from training.progress import ConsoleReporter
    from training.runs import require_free

    changes = dict(parse_override(text) for text in overrides or [])
    if seed is not None:
        changes["seed"] = seed
    config = recipe_config(recipe).with_overrides(changes)
    family = family or config.network.kind
    run_folder = named_run(duet_home(), run or f"{config.recipe}-seed{config.seed}")
    if not (resume or restart):
        require_free(run_folder)
    images = load_images(data, data_dir, download=download)
    if dry_run:
        _describe(config, family, images, run_folder)
        return
    ensure_home(duet_home())
    repository = ModelRepository.open()
    with ConsoleReporter() as reporter:
        manifest = train_version(
            config,
            images,
            repository,
            family,
            run_folder,
            reporter=reporter,
            threads=threads or available_cores(),
            device=pick_device(),
            resume=resume,
        )
    _promote_if(repository, manifest, promote)


def _promote_if(repository: ModelRepository, manifest: Manifest, promote: bool) -> None:
    from core.aliases import promote as promote_version

    typer.echo(f"published {manifest.reference}: {manifest.metrics.test_accuracy:.2%} of the test images right")
    if promote:
        reason = "asked for with duet train --promote"
    elif repository.champion(manifest.family) is None:
        reason = f"first version of {manifest.family}"
    else:
        typer.echo(f"not served yet: duet models promote {manifest.reference} --reason WHY")
        return
    promote_version(repository, manifest.family, manifest.version, actor="duet train", reason=reason)
    typer.echo(f"{manifest.reference} is now the champion")


def _describe(config: RecipeConfig, family: str, images: Images, run_folder: Path) -> None:
    from rich import print as rich_print

    from training.images import trained_on
    from training.networks import count_macs, count_parameters
    from training.pipeline import new_classifier

    _, height, width, _ = images.dataset.training.images_NHWC.shape
    classifier = new_classifier(config, images)
    rich_print(config.model_dump())
    parameters, macs = count_parameters(classifier), count_macs(classifier, height=height, width=width)
    typer.echo(
        f"would train on {len(images.part(*trained_on(config))):,} images of {images.dataset.name}, {parameters:,} "
        f"parameters, {macs / 1e6:.1f} M multiply-accumulates per image, in {run_folder}, and publish it as {family}"
    )
