from __future__ import annotations

from pathlib import Path

import pytest

from core.images.cifar_files import (
    CIFAR10_FILES,
    FOLDER_NAME,
    cifar10_folder,
    download_folder,
    file_problems,
    missing_files,
)
from tests.support.job_api import empty_cifar

NAMES = [name for name, _ in CIFAR10_FILES]


def test_downloaded_files_are_the_default(tmp_path: Path) -> None:
    assert cifar10_folder(tmp_path, None) == download_folder(tmp_path) / FOLDER_NAME
    assert missing_files(cifar10_folder(tmp_path, None)) == NAMES


@pytest.mark.parametrize("name", ["", FOLDER_NAME])
def test_user_folder_takes_precedence(tmp_path: Path, name: str) -> None:
    empty_cifar(download_folder(tmp_path) / FOLDER_NAME)
    given = tmp_path / "given"
    own = empty_cifar(given / name)
    assert cifar10_folder(tmp_path, given) == own
    assert missing_files(own) == []
    (own / "data_batch_3").unlink()
    assert cifar10_folder(tmp_path, given) == own  # incomplete, which the user must see
    assert missing_files(own) == ["data_batch_3"]


def test_complete_download_replaces_an_empty_folder(tmp_path: Path) -> None:
    given = tmp_path / "given"
    assert cifar10_folder(tmp_path, given) == given
    downloaded = empty_cifar(download_folder(tmp_path) / FOLDER_NAME)
    assert cifar10_folder(tmp_path, given) == downloaded
    (downloaded / "data_batch_3").unlink()
    assert cifar10_folder(tmp_path, given) == given


def test_content_is_checked_by_md5(tmp_path: Path) -> None:
    empty_cifar(tmp_path)
    assert file_problems(tmp_path, [("test_batch", "d41d8cd98f00b204e9800998ecf8427e")]) == []
    assert file_problems(tmp_path, [("test_batch", "0" * 32), ("other", "0" * 32)]) == [
        f"test_batch is damaged (its md5 is d41d8cd98f00b204e9800998ecf8427e instead of {'0' * 32})",
        "other is missing",
    ]
