"""The data sets that commands offer by name. To add one, write its loader and name it in `DATASETS`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from core.errors import DataError
from training.datasets.base import ImageDataset
from training.datasets.cifar10 import load_cifar10


class Loader(Protocol):
    """What reads a data set."""

    def __call__(self, data_dir: Path | None = None, *, download: bool = False) -> ImageDataset:
        """Read it from `data_dir`, or from its usual place, where it may be downloaded to."""


DATASETS: Mapping[str, Loader] = MappingProxyType({"cifar10": load_cifar10})


def load_dataset(name: str, data_dir: Path | None = None, *, download: bool = False) -> ImageDataset:
    """Read the data set called `name`.

    Raises:
        DataError: there is no such data set (the message lists those that exist), or its loader's own reasons.
    """
    if name not in DATASETS:
        raise DataError(f"no data set {name!r}: there are {', '.join(sorted(DATASETS))}")
    return DATASETS[name](data_dir, download=download)
