"""Data set registry: loads built-in data sets and image folders by name. Register new loaders in `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from core.errors import DataError, did_you_mean
from core.files.home import duet_home
from core.images.labelled_folders import FOLDER_PREFIX, dataset_names, folder_of
from core.recipes.init_from import DEFAULT_GEOMETRY
from core.repository.manifest import Geometry
from training.data.cifar10 import load_cifar10
from training.data.image_folder import load_folder
from training.data.split_dataset import Images
from training.data.splits import split_for
from training.data.types import ImageDataset

DATASETS: Mapping[str, Callable[..., ImageDataset]] = MappingProxyType({"cifar10": load_cifar10})
"""Loader of each built-in data set, called with (data_dir, *, download)."""


def load_images(
    name: str,
    data_dir: Path | None = None,
    *,
    download: bool = False,
    image_size: int | None = None,
    geometry: Geometry = DEFAULT_GEOMETRY,
    note: Callable[[str], None] = lambda _: None,
) -> Images:
    """Load a data set with its split.

    Args:
        name: name of a built-in data set, or `folder:NAME` for an image folder.
        data_dir: folder with the files of a built-in data set, if not the default location.
        download: download a built-in data set into its default location if it is missing.
        image_size: side in pixels that the images of a folder are resized to; 32 by default.
        geometry: method that fits images of a folder to a square.
        note: receives progress messages and the list of skipped files.

    Raises:
        DataError: the data set does not exist (the message lists the available ones), is damaged or too small; or
            `image_size` differs from that of a built-in data set.
    """
    folder = folder_of(name)
    if folder is not None:
        return Images(*load_folder(folder, image_size=image_size, geometry=geometry, note=note))
    dataset = load_dataset(name, data_dir, download=download)
    _, height, width, _ = dataset.training.images_NHWC.shape
    if image_size is not None and (height, width) != (image_size, image_size):
        raise DataError(
            f"the images of {name} are {width}x{height} and cannot be resized: remove image_size {image_size}, which "
            "applies to image folders only"
        )
    return Images(dataset, split_for(dataset))


def load_dataset(name: str, data_dir: Path | None = None, *, download: bool = False) -> ImageDataset:
    """Load a built-in data set; see `load_images` for the arguments and errors."""
    if name not in DATASETS:
        folders = [FOLDER_PREFIX + folder for folder in dataset_names(duet_home())]
        suggestion = did_you_mean(name, [*DATASETS, *folders])
        raise DataError(
            f"no data set {name!r}{suggestion}: use {', '.join(sorted(DATASETS))}, or {FOLDER_PREFIX}NAME for an image "
            "folder in DUET_HOME/datasets"
        )
    return DATASETS[name](data_dir, download=download)
