"""CIFAR-10 on disk: names and checksums of its files, its location, and checks that it is there and undamaged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from core.images.labelled_folders import datasets_folder

NAME = "cifar10"
FOLDER_NAME = "cifar-10-batches-py"
TEST_FILE = "test_batch"
META_FILE = "batches.meta"
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
IMAGE_SIDE = 32
"""Width and height of each image in pixels."""
DOWNLOAD_BYTES = 170_498_071
"""Size of the published archive."""
_NAMES = tuple(name for name, _ in CIFAR10_FILES)


def download_folder(home: Path) -> Path:
    """Folder that a download fills with `cifar-10-batches-py`; it may not exist."""
    return datasets_folder(home) / NAME


def batches_folder(folder: Path) -> Path:
    """Folder of the files, given that folder or its parent."""
    inner = folder / FOLDER_NAME
    return inner if inner.is_dir() else folder


def cifar10_folder(home: Path, data_dir: Path | None) -> Path:
    """Folder from which CIFAR-10 is read; its files may be missing.

    Args:
        home: DUET_HOME, where a download is stored.
        data_dir: DUET_DATA_DIR; it has precedence, unless it has no file of CIFAR-10 and `home` has all.
    """
    downloaded = download_folder(home) / FOLDER_NAME
    if data_dir is None:
        return downloaded
    named = batches_folder(data_dir)
    return downloaded if len(missing_files(named)) == len(_NAMES) and not missing_files(downloaded) else named


def missing_files(folder: Path) -> list[str]:
    """Names of the files that the folder lacks; contents are not read."""
    return [name for name in _NAMES if not (folder / name).is_file()]


def file_problems(folder: Path, files: Sequence[tuple[str, str]] = CIFAR10_FILES) -> list[str]:
    """Descriptions of missing, unreadable and damaged files; empty if every file has its md5."""
    problems = []
    for name, expected in files:
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
            continue
        try:
            actual = md5(path)
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror})")
            continue
        if actual != expected:
            problems.append(f"{name} is damaged (its md5 is {actual} instead of {expected})")
    return problems


def md5(path: Path) -> str:
    """The md5 of a file, as 32 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
