"""From what a user asked for to a training run: one way, for `duet train` and for the child of a job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from core.errors import ConfigurationError
from core.images.labelled_folders import folder_of
from core.recipes import RecipeConfig
from core.recipes.init_from import DEFAULT_GEOMETRY, geometry_of
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.data.image_folder import DEFAULT_IMAGE_SIZE
from training.data.load import load_images
from training.data.split_dataset import Images
from training.pipeline.train import train_version
from training.run.reporter import Reporter


def run_request(
    config: RecipeConfig,
    data: str,
    family: str,
    repository: ModelRepository,
    run_folder: Path,
    *,
    reporter: Reporter,
    threads: int,
    device: torch.device,
    resume: bool = False,
    data_dir: Path | None = None,
    download: bool = False,
) -> Manifest:
    """Read the images, train on them and publish the result; arguments and errors as of the steps below.

    Raises:
        DataError, ConfigurationError, RepositoryError: as `prepare` does.
        DuetError: as `train_version` does.
    """
    reporter.stage(f"read {data}")
    config, images = prepare(config, data, repository, data_dir=data_dir, download=download, note=reporter.note)
    return train_version(
        config,
        images,
        repository,
        family,
        run_folder,
        reporter=reporter,
        threads=threads,
        device=device,
        resume=resume,
    )


def prepare(
    config: RecipeConfig,
    data: str,
    repository: ModelRepository,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[RecipeConfig, Images]:
    """The images that a run of `config` trains on, and its configuration.

    The image size and the geometry of a folder's images are filled in there.

    Args:
        config: the recipe, with overrides merged in.
        data: name of a built-in data set, or `folder:NAME`.
        repository: holds the version to start from, whose image size and geometry count where none are stated.
        data_dir: where the files of a built-in data set lie.
        download: fetch a built-in data set that is not there.
        note: is told how far the reading is, and what is left out.

    Raises:
        DataError: there is no such data set, or too little in it.
        RepositoryError: there is no such version to start from.
        ConfigurationError: the images are too small for the recipe's shifts.
    """
    if folder_of(data) is not None:
        start = None if config.init_from is None else repository.manifest(*repository.resolve(config.init_from))
        size = config.image_size or (DEFAULT_IMAGE_SIZE if start is None else start.input.height)
        config = config.with_overrides({"image_size": size, "geometry": geometry_of(config, start)})
    images = load_images(
        data,
        data_dir,
        download=download,
        image_size=config.image_size,
        geometry=config.geometry or DEFAULT_GEOMETRY,
        note=note,
    )
    side = min(images.dataset.training.images_NHWC.shape[1:3])
    if config.augmentation.translate >= side:
        raise ConfigurationError(
            f"augmentation.translate {config.augmentation.translate} is no less than the {side} pixels of an image: "
            "lower it, or give a larger image_size"
        )
    return config, images


def images_for(
    manifest: Manifest,
    data: str | None = None,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Images:
    """The images of `data`, by default those the version was made from, in the size and geometry it takes.

    Raises:
        DataError: there is no such data set, or too little in it.
    """
    data = data or manifest.data.name
    spec = manifest.input
    size = None if folder_of(data) is None else spec.height
    return load_images(data, data_dir, download=download, image_size=size, geometry=spec.geometry, note=note)
