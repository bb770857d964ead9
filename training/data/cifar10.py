"""CIFAR-10 loader: reads the files from disk, or downloads them, into arrays.

The files are pickles, and unpickling can execute code. The md5 of every file is checked against the published value
before any is opened.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from rich.console import Console
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import download_and_extract_archive

from core.errors import DataError
from core.files.home import duet_home, ensure_home
from training.data.types import ImageDataset, LabelledImages

NAME = "cifar10"
FOLDER_NAME = "cifar-10-batches-py"
TEST_FILE = "test_batch"
META_FILE = "batches.meta"
LICENSE = (
    "CIFAR-10, collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton (A. Krizhevsky, Learning Multiple Layers "
    "of Features from Tiny Images, 2009); free to download, published without an explicit licence"
)

CIFAR10_FILES: tuple[tuple[str, str], ...] = (
    ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
    ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
    ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
    ("data_batch_4", "634d18415352ddfa80567beed471001a"),
    ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    (TEST_FILE, "40351d587109b95175f43aff81a1287e"),
    (META_FILE, "5ff9c542aee3614f3951f8cda6e48888"),
)
"""Name and published md5 of every file of CIFAR-10, Python version."""


def load_cifar10(
    data_dir: Path | None = None, *, download: bool = False, files: Sequence[tuple[str, str]] = CIFAR10_FILES
) -> ImageDataset:
    """Load CIFAR-10: 50,000 training and 10,000 test images, uint8 32x32 RGB, ten classes.

    Args:
        data_dir: the folder `cifar-10-batches-py`, or its parent. Defaults to the environment variable `DUET_DATA_DIR`,
            then to `datasets/cifar10` in `DUET_HOME` (by default `./.duet`).
        download: download missing or damaged files, only into `DUET_HOME`. A folder given by the user is never changed.
        files: name and md5 of each file, in order; other values are for data in the same format.

    Raises:
        DataError: a file is missing or damaged, or the download failed.
        ConfigurationError: `DUET_HOME` cannot be created for the download.
    """
    named = data_dir or _from_environment()
    if named is not None:
        folder = _batches_folder(named)
    else:
        home = duet_home()
        folder = home / "datasets" / NAME / FOLDER_NAME
        if download:
            ensure_home(home)
            _download_where_needed(folder, files)
    _check_files(folder, files)
    training, class_names = _read(folder, files, train=True)
    test, _ = _read(folder, files, train=False)
    return ImageDataset(NAME, class_names, training, test, LICENSE)


def _from_environment() -> Path | None:
    value = os.environ.get("DUET_DATA_DIR")
    return Path(value).expanduser() if value else None


def _batches_folder(folder: Path) -> Path:
    inner = folder / FOLDER_NAME
    return inner if inner.is_dir() else folder


def _check_files(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    problems = _problems(folder, files)
    if problems:
        raise DataError(
            f"CIFAR-10 in {folder} cannot be used: {'; '.join(problems)}. Unpack cifar-10-python.tar.gz there again, "
            f"or set --data-dir or DUET_DATA_DIR to a folder that contains {FOLDER_NAME}. Without both, --download "
            "downloads it."
        )


def _problems(folder: Path, files: Sequence[tuple[str, str]]) -> list[str]:
    """Descriptions of missing, unreadable and damaged files; empty if all files are valid."""
    problems = []
    for name, expected in files:
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
            continue
        try:
            actual = _md5(path)
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror})")
            continue
        if actual != expected:
            problems.append(f"{name} is damaged (its md5 is {actual} instead of {expected})")
    return problems


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download_where_needed(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    """Download and unpack CIFAR-10 into `folder` unless it exists; only one process at a time."""
    root = folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "download.lock"):
            if _problems(folder, files):
                _download(root)
    # torchvision raises RuntimeError for a damaged archive, and OSError for network and disk failures.
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded from {CIFAR10.url} into {root}: {error}. Check the network and try "
            f"again, or unpack the archive yourself and set --data-dir or DUET_DATA_DIR to its folder."
        ) from error


def _download(root: Path) -> None:
    Console(stderr=True).print(
        f"CIFAR-10 is not in {root} yet: downloading 170 MB from {CIFAR10.url}", soft_wrap=True, highlight=False
    )
    with warnings.catch_warnings():
        # torchvision unpacks without an extraction filter, which Python 3.12 and 3.13 warn about.
        warnings.simplefilter("ignore", DeprecationWarning)
        download_and_extract_archive(CIFAR10.url, root, filename=CIFAR10.filename, md5=CIFAR10.tgz_md5)
    (root / CIFAR10.filename).unlink()


def _read(folder: Path, files: Sequence[tuple[str, str]], *, train: bool) -> tuple[LabelledImages, tuple[str, ...]]:
    with warnings.catch_warnings():
        # The files were pickled by a numpy of 2009; numpy 2.4 warns about its dtypes.
        warnings.simplefilter("ignore")
        source = _TorchvisionFiles(folder, files, train=train)
    images_NHWC = np.ascontiguousarray(source.data, dtype=np.uint8)
    return LabelledImages(images_NHWC, np.asarray(source.targets, dtype=np.int64)), tuple(source.classes)


class _TorchvisionFiles(CIFAR10):  # type: ignore[misc]
    """torchvision's reader for a folder of any name and any list of files; it checks every md5 again."""

    def __init__(self, folder: Path, files: Sequence[tuple[str, str]], *, train: bool) -> None:
        self.train_list = [list(file) for file in files if file[0] not in (TEST_FILE, META_FILE)]
        self.test_list = [list(file) for file in files if file[0] == TEST_FILE]
        self.meta = {**CIFAR10.meta, "md5": dict(files)[META_FILE]}
        self.base_folder = folder.name
        super().__init__(folder.parent, train=train)
