"""The data sets that commands and jobs offer by name. To add one, write its loader and name it in `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from core.errors import DataError
from core.images.labelled_folders import FOLDER_PREFIX, folder_of
from core.recipes.init_from import DEFAULT_GEOMETRY
from core.repository.manifest import Geometry
from training.data.cifar10 import load_cifar10
from training.data.image_folder import load_folder
from training.data.split_dataset import Images
from training.data.splits import split_for
from training.data.types import ImageDataset


class Loader(Protocol):
    """What reads a built-in data set."""

    def __call__(self, data_dir: Path | None = None, *, download: bool = False) -> ImageDataset:
        """Read it from `data_dir`, or from its usual place, where it may be downloaded to."""


DATASETS: Mapping[str, Loader] = MappingProxyType({"cifar10": load_cifar10})


def load_images(
    name: str,
    data_dir: Path | None = None,
    *,
    download: bool = False,
    image_size: int | None = None,
    geometry: Geometry = DEFAULT_GEOMETRY,
    note: Callable[[str], None] = lambda _: None,
) -> Images:
    """Read the data set called `name`, or the labelled folder that `folder:NAME` stands for, with its split.

    Args:
        name: of a built-in data set, or `folder:NAME`.
        data_dir: where the files of a built-in data set lie, if not in its usual place.
        download: fetch a built-in data set that is not there.
        image_size: side in pixels to which the images of a folder are resized; 32 by default.
        geometry: how the images of a folder are fitted where they are not square.
        note: is told how far the reading of a folder is, and what is left out.

    Raises:
        DataError: there is no such data set (the message lists those that exist), a folder has too little in it, or
            the loader's own reasons; or `image_size` is given for a built-in data set of another size.
    """
    folder = folder_of(name)
    if folder is not None:
        return Images(*load_folder(folder, image_size=image_size, geometry=geometry, note=note))
    dataset = load_dataset(name, data_dir, download=download)
    _, height, width, _ = dataset.training.images_NHWC.shape
    if image_size is not None and (height, width) != (image_size, image_size):
        raise DataError(
            f"the images of {name} are {width}x{height} and stay so: leave out the image size {image_size}, which is "
            "for folders of images"
        )
    return Images(dataset, split_for(dataset))


def load_dataset(name: str, data_dir: Path | None = None, *, download: bool = False) -> ImageDataset:
    """Read the built-in data set called `name`.

    Raises:
        DataError: there is no such data set (the message lists those that exist), or its loader's own reasons.
    """
    if name not in DATASETS:
        raise DataError(
            f"no data set {name!r}: there are {', '.join(sorted(DATASETS))}, and {FOLDER_PREFIX}NAME for a folder of "
            "images under DUET_HOME/datasets"
        )
    return DATASETS[name](data_dir, download=download)
