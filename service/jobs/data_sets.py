"""Availability of the built-in data sets to jobs."""

from __future__ import annotations

from core.images.cifar_files import cifar10_folder, missing_files
from service.settings import Settings


def has_cifar10(settings: Settings) -> bool:
    """Return whether this process finds all files of CIFAR-10; their contents are checked by the job."""
    return not missing_files(cifar10_folder(settings.home, settings.data_dir))
