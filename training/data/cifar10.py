"""CIFAR-10 loader: reads the files from disk, or downloads them, into arrays.

The files are pickles, and unpickling can execute code. The md5 of every file is checked against the published value
before any is opened.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

from core.errors import DataError
from core.files.home import duet_home, ensure_home
from core.images.cifar_files import (
    CIFAR10_FILES,
    DOWNLOAD_BYTES,
    FOLDER_NAME,
    NAME,
    batches_folder,
    cifar10_folder,
    download_folder,
    file_problems,
    missing_files,
)
from training.data.download import CIFAR10_ARCHIVE, Archive, download_cifar10
from training.data.types import ImageDataset, LabelledImages

LICENSE = (
    "CIFAR-10, collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton (A. Krizhevsky, Learning Multiple Layers "
    "of Features from Tiny Images, 2009); free to download, published without an explicit licence"
)


def load_cifar10(
    data_dir: Path | None = None,
    *,
    download: bool = False,
    files: Sequence[tuple[str, str]] = CIFAR10_FILES,
    archive: Archive = CIFAR10_ARCHIVE,
) -> ImageDataset:
    """Load CIFAR-10: 50,000 training and 10,000 test images, uint8 32x32 RGB, ten classes.

    Args:
        data_dir: the folder `cifar-10-batches-py`, or its parent. Defaults to the environment variable `DUET_DATA_DIR`,
            then to `datasets/cifar10` in `DUET_HOME`.
        download: download missing or damaged files, only into `DUET_HOME`. A folder given by the user is never changed.
        files: name and md5 of each file, in order; other values are for data in the same format.
        archive: the archive to download.

    Raises:
        DataError: a file is missing or damaged, or the download failed.
        LowDiskError: the disk has too little space for the download.
        ConfigurationError: `DUET_HOME` cannot be created for the download.
    """
    folder = _folder(data_dir, archive if download else None)
    _check_files(folder, files)
    training, class_names = _read(folder, files, train=True)
    test, _ = _read(folder, files, train=False)
    return ImageDataset(NAME, class_names, training, test, LICENSE)


def _folder(data_dir: Path | None, archive: Archive | None) -> Path:
    """Folder of the files, which is filled from `archive` unless the user's folder has files."""
    if data_dir is not None:
        return batches_folder(data_dir)
    home, value = duet_home(), os.environ.get("DUET_DATA_DIR")
    folder = cifar10_folder(home, Path(value).expanduser() if value else None)
    is_users = folder.parent != download_folder(home) and len(missing_files(folder)) < len(CIFAR10_FILES)
    if archive is None or is_users or not file_problems(folder, archive.files):
        return folder
    with Progress(*Progress.get_default_columns()[:2], DownloadColumn(), TimeRemainingColumn(),
                  console=Console(stderr=True)) as bar:  # fmt: skip
        task = bar.add_task("CIFAR-10", total=archive.bytes)
        return download_cifar10(
            ensure_home(home),
            archive,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            note=lambda text: bar.console.print(text, soft_wrap=True, highlight=False, markup=False),
        )


def _check_files(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    """Raise DataError if a file is missing or damaged; a folder without any is described in one sentence."""
    if not any((folder / name).exists() for name, _ in files):
        raise DataError(
            f"CIFAR-10 is missing, {folder} has none of its files: add --download, which stores it in DUET_HOME "
            f"({DOWNLOAD_BYTES / 1e6:.0f} MB), or set --data-dir or DUET_DATA_DIR to a folder that contains "
            f"{FOLDER_NAME}. --download has no effect together with --data-dir"
        )
    problems = file_problems(folder, files)
    if problems:
        raise DataError(
            f"CIFAR-10 in {folder} cannot be used: {'; '.join(problems)}. Unpack cifar-10-python.tar.gz there again, "
            f"or set --data-dir or DUET_DATA_DIR to a folder that contains {FOLDER_NAME}. Without both, --download "
            "downloads it."
        )


def _read(folder: Path, files: Sequence[tuple[str, str]], *, train: bool) -> tuple[LabelledImages, tuple[str, ...]]:
    # torchvision imports a compiler, which takes 2 s of processor time.
    from training.data.torchvision_files import TorchvisionFiles

    with warnings.catch_warnings():
        # The files were pickled by a numpy of 2009; numpy 2.4 warns about its dtypes.
        warnings.simplefilter("ignore")
        source = TorchvisionFiles(folder, files, train=train)
    images_NHWC = np.ascontiguousarray(source.data, dtype=np.uint8)
    return LabelledImages(images_NHWC, np.asarray(source.targets, dtype=np.int64)), tuple(source.classes)
