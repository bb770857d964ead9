"""Training requests: load the images and run the pipeline, for `duet train` and for training jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from core.errors import ConfigurationError
from core.images.labelled_folders import folder_of
from core.recipes import RecipeConfig
from core.recipes.init_from import DEFAULT_GEOMETRY, geometry_of
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.data.image_folder import DEFAULT_IMAGE_SIZE
from training.data.load import load_images
from training.data.split_dataset import Images, trained_on
from training.fit.sampling import default_sampling
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
    backbone_weights: Path | None = None,
) -> Manifest:
    """Load the images, train on them and publish the result.

    See `load_training_images` and `train_version` for the arguments and the errors.
    """
    reporter.stage(f"read {data}")
    config, images = load_training_images(
        config, data, repository, data_dir=data_dir, download=download, note=reporter.note
    )
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
        backbone_weights=backbone_weights,
    )


def load_training_images(
    config: RecipeConfig,
    data: str,
    repository: ModelRepository,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[RecipeConfig, Images]:
    """Load the images for a run of `config`; see `load_images` for the other arguments.

    Returns:
        The configuration, with image size, geometry and sampling filled in for a folder (the first two by default from
        the version in `init_from`), and the images.

    Raises:
        DataError: the data set is missing or too small.
        RepositoryError: the version in `init_from` does not exist.
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
    if folder_of(data) is not None and config.sampling is None:
        config = _with_sampling(config, images, note)
    side = min(images.dataset.training.images_NHWC.shape[1:3])
    if config.augmentation.translate >= side:
        raise ConfigurationError(
            f"augmentation.translate is {config.augmentation.translate}, but the images are only {side} pixels wide or "
            "high: lower it, or set a larger image_size"
        )
    return config, images


def _with_sampling(config: RecipeConfig, images: Images, note: Callable[[str], None]) -> RecipeConfig:
    labels_N = images.part(*trained_on(config)).labels_N
    sampling = default_sampling(labels_N)
    if sampling == "balanced":
        counts_K = np.bincount(labels_N)
        note(
            f"the classes have {counts_K.min():,} to {counts_K.max():,} training images: each is drawn equally often "
            "(sampling=balanced)"
        )
    return config.with_overrides({"sampling": sampling})


def images_for(
    manifest: Manifest,
    data: str | None = None,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Images:
    """Load `data` (by default the version's own data set) with the input size and geometry of the version.

    Raises:
        DataError: the data set is missing or too small.
    """
    data = data or manifest.data.name
    spec = manifest.input
    size = None if folder_of(data) is None else spec.height
    return load_images(data, data_dir, download=download, image_size=size, geometry=spec.geometry, note=note)
