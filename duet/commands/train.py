"""`duet train`: train a recipe and publish the result as a version."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duet.commands.common import Data, DataDir, Download, Overrides, Recipe, Threads, interruptible, this_command
from duet.commands.completion import complete_family, complete_version
from duet.commands.extras import require_training

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.gate.report import GateThresholds
    from core.images.labelled_folders import LabelledFolder
    from core.recipes import RecipeConfig
    from core.repository.manifest import Manifest
    from core.repository.repository import ModelRepository
    from training.pipeline.train import Run


_AUTO = "auto"


class PromotePolicy(StrEnum):
    """Policy for the promotion of a newly trained version."""

    NEVER = "never"
    IF_BETTER = "if_better"
    ALWAYS = "always"


def train(
    recipe: Recipe,
    family: Annotated[
        str | None,
        typer.Option(
            help="Family to publish under, existing or new; by default the network's kind.",
            autocompletion=complete_family,
        ),
    ] = None,
    data: Data = "cifar10",
    data_dir: DataDir = None,
    download: Download = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of weights, order and augmentation.")] = None,
    threads: Threads = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS|auto",
            help="Size to which a folder's images are resized, by default 32; auto: chosen from the images.",
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Start from this version's weights, such as cnn@3.",
            autocompletion=complete_version,
        ),
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Pretrained weights for the recipe photo, safetensors or a torch state dict; by default those of the "
            "extra backbone.",
        ),
    ] = None,
    overrides: Overrides = None,
    run: Annotated[str | None, typer.Option(help="Name of the run's folder; by default recipe and seed.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Discard an interrupted run and start over.")] = False,
    promote: Annotated[
        PromotePolicy, typer.Option(help="Promotion of the new version to champion of its family.")
    ] = PromotePolicy.IF_BETTER,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the settings and data without training.")] = False,
) -> None:
    """Train RECIPE, calibrate and evaluate the result, and publish it as the family's next version."""
    require_training("duet train")
    from core.cpu import available_cores
    from core.errors import ConfigurationError
    from core.files.home import duet_home, ensure_home, named_run
    from core.images.labelled_folders import default_family, folder_of, read_folder
    from core.repository.repository import ModelRepository
    from service.settings import read_settings
    from training.fit.dtype import pick_device
    from training.pipeline.requests import load_training_images, run_request
    from training.pipeline.train import prepare_run
    from training.run.reporter import ConsoleReporter

    settings = read_settings()  # a wrong DUET_ variable must not be noticed only after the training
    repository = ModelRepository.open()
    options = {"seed": seed, "image_size": _pixels(image_size), "init_from": _pinned(repository, init_from)}
    config = _config(recipe, overrides, options)
    if folder := folder_of(data):
        listed = read_folder(duet_home(), folder)  # a mistyped data set is named before a missing family
        if image_size == _AUTO:
            config = _with_chosen_size(config, listed)
    elif image_size == _AUTO:
        raise ConfigurationError(f"--image-size auto needs a folder: the images of {data} have one size. Omit it")
    family = family or default_family(config.network.kind, data)
    run_folder = named_run(duet_home(), run or "-".join([config.recipe, *_dataset_part(data), f"seed{config.seed}"]))
    _check_run_folder(run_folder, resume=resume, restart=restart)
    if dry_run:
        config, images = load_training_images(
            config, data, repository, data_dir=data_dir, download=download, note=typer.echo
        )
        _describe(
            prepare_run(
                config, images, repository, family, run_folder, resume=resume, backbone_weights=backbone_weights
            ),
            threads or available_cores(),
        )
        return
    ensure_home(duet_home())
    with interruptible(lambda: _how_to_resume(run_folder)), ConsoleReporter() as reporter:
        manifest = run_request(
            config,
            data,
            family,
            repository,
            run_folder,
            reporter=reporter,
            threads=threads or available_cores(),
            device=pick_device(),
            resume=resume,
            data_dir=data_dir,
            download=download,
            backbone_weights=backbone_weights,
        )
    _promote(repository, manifest, promote, settings.gate)


def _config(recipe: str, overrides: list[str] | None, options: Mapping[str, Any]) -> RecipeConfig:
    """Return the recipe with `--set` overrides and, above them, the options that were given."""
    from core.recipes import parse_override, recipe_config

    changes = dict(parse_override(text) for text in overrides or [])
    changes |= {name: value for name, value in options.items() if value is not None}
    return recipe_config(recipe).with_overrides(changes)


def _pixels(image_size: str | None) -> int | None:
    """The size in pixels; None without one, and for `auto`.

    Raises:
        ConfigurationError: it is neither `auto` nor a whole number.
    """
    from core.errors import ConfigurationError

    if image_size is None or image_size == _AUTO:
        return None
    if not image_size.isdecimal():
        raise ConfigurationError(f"--image-size {image_size} is no size: give a number of pixels, or auto")
    return int(image_size)


def _with_chosen_size(config: RecipeConfig, folder: LabelledFolder) -> RecipeConfig:
    """Choose the image size from the images of a folder, and print the reason."""
    from core.recipes.init_from import DEFAULT_GEOMETRY
    from training.data.image_size import choose_image_size

    size, reason = choose_image_size(folder, config.geometry or DEFAULT_GEOMETRY, config.network.kind)
    typer.echo(reason)
    return config.with_overrides({"image_size": size})


def _check_run_folder(run_folder: Path, *, resume: bool, restart: bool) -> None:
    from core.errors import ConfigurationError
    from training.run.run_folder import require_free

    if resume and restart:
        raise ConfigurationError("--resume and --restart cannot be combined: use one of them")
    if not (resume or restart):
        require_free(run_folder)


def _how_to_resume(run_folder: Path) -> str:
    from core.jobs.run_folder import CHECKPOINT_NAME
    from training.run.run_folder import published_as

    published = published_as(run_folder)
    if published is not None:
        return f"the run was already published as {published}"
    if not (run_folder / CHECKPOINT_NAME).exists():
        again = this_command(without=("--resume", "--restart"))
        return f"no epoch was finished, so that there is nothing to resume; start over with: {again}"
    return f"the finished epochs are kept; resume with: {this_command('--resume', without=('--restart',))}"


def _pinned(repository: ModelRepository, reference: str | None) -> str | None:
    """Resolve a reference to `cnn@3`, because the champion may change before the run is resumed."""
    return None if reference is None else "{}@{}".format(*repository.resolve(reference))


def _dataset_part(data: str) -> list[str]:
    """Return the part of a run's name for the data set: a folder's name, empty for a built-in data set.

    Raises:
        DataError: the folder name is invalid.
    """
    from core.files.home import duet_home
    from core.images.labelled_folders import dataset_folder, folder_of

    folder = folder_of(data)
    return [] if folder is None else [dataset_folder(duet_home(), folder).name]


def _promote(
    repository: ModelRepository, manifest: Manifest, policy: PromotePolicy, thresholds: GateThresholds
) -> None:
    from core.gate.promotion import promote_on_evidence

    images = manifest.data.counts["test"]
    typer.echo(
        f"published {manifest.reference}: {manifest.metrics.test_accuracy:.2%} accuracy on {images:,} test images"
    )
    decision = promote_on_evidence(
        repository,
        manifest.family,
        manifest.version,
        policy=policy.value,
        thresholds=thresholds,
        actor="duet train",
        reason=f"trained with --promote {policy.value}",
    )
    typer.echo(decision.report.summary)
    if decision.promotion is not None:
        typer.echo(f"{manifest.reference} is now the champion")
    else:
        force = "" if decision.report.passed else " --force"
        typer.echo(f"not served yet: duet models promote {manifest.reference} --reason WHY{force}")


def _describe(run: Run, threads: int) -> None:
    import torch
    from rich import print as rich_print

    from training.data.split_dataset import trained_on
    from training.fit.dtype import pick_device
    from training.fit.estimate import duration_phrase, estimated_seconds, passes
    from training.networks import count_macs, count_parameters

    dataset = run.images.dataset
    _, height, width, _ = dataset.training.images_NHWC.shape
    rich_print(run.config.model_dump())
    parameters, macs = count_parameters(run.classifier), count_macs(run.classifier, height=height, width=width)
    torch.set_num_threads(threads)
    train = run.images.part(*trained_on(run.config))
    seconds = estimated_seconds(
        run.classifier,
        run.config,
        train,
        passes=passes(run.config, len(train), run.config.epochs),
        device=pick_device(),
    )
    typer.echo(
        f"would train on {len(train):,} images of {dataset.name}, {parameters:,} "
        f"parameters, {macs / 1e6:.1f} M multiply-accumulates per image, in {run.folder}, "
        f"and publish it as {run.family}\n"
        f"estimated time for {run.config.epochs:,} epochs: {duration_phrase(seconds)}"
    )
